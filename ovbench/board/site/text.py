"""Untrusted text on its way into a page: what is shown, linked, and used in file names."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

from markupsafe import Markup

from ovbench.report import render
from ovbench.report.sections import DASH

_ADDRESS = re.compile(r"https?://[^\s<>\"'`{}|\\^]+", re.IGNORECASE)


def plain(value: object) -> object:
    """Strings as :func:`ovbench.report.render.plain` leaves them: without what acts unseen.

    Other values, and markup made here, pass as they are.
    """
    if type(value) is not str or value.isprintable():
        return value
    return render.plain(value)


def slug(text: str) -> str:
    """A file name for any text: a readable beginning of ``a-z 0-9 -``, and twelve digits of a hash.

    Two texts never share one, and no text leaves its folder.
    """
    words = "-".join(re.findall(r"[a-z0-9]+", text.lower()))[:48].strip("-")
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{words}-{digits}" if words else digits


def linked(text: str) -> Markup:
    """Text, escaped, in which http and https addresses are links; nothing else ever is."""
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        address = found.group().rstrip(".,;:!?)")
        if not _is_address(address):
            continue
        parts.append(Markup.escape(plain(text[end : found.start()])))
        parts.append(
            Markup('<a href="{0}" rel="noopener noreferrer nofollow">{0}</a>').format(
                plain(address)
            )
        )
        end = found.start() + len(address)
    parts.append(Markup.escape(plain(text[end:])))
    return Markup("").join(parts)


def _is_address(text: str) -> bool:
    """Whether it names a host, and no user: ``https://known.org@elsewhere`` deceives the eye."""
    try:
        parts = urlsplit(text)
        return parts.scheme.lower() in ("http", "https") and bool(
            parts.hostname and parts.username is None
        )
    except ValueError:
        return False


def count(value: int | None) -> str:
    """A whole number with its thousands apart."""
    return DASH if value is None else f"{value:,}"


def shortened(text: str, most: int = 60) -> str:
    """The beginning of a text, with an ellipsis where it was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"
