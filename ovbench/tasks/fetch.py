"""Public files of a data set, by its card's addresses and hashes; gated data is never fetched."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from ovbench.errors import InputError, OvbenchError, ValidationError
from ovbench.io.atomic import write_bytes
from ovbench.io.hashes import file_sha256
from ovbench.tasks.card import Card, File

MAX_BYTES = 32 * 1024**2
"""Largest file (32 MiB) that is fetched: tables, never recordings."""
TIMEOUT = 30.0
"""Seconds without a byte after which a connection is given up."""


def fetch(card: Card, into: Path, *, plain_http: bool = False) -> list[Path]:
    """Fetch the files of a card that have an address, and check each against its hash.

    A file that is there with the right hash is left as it is. Each is written whole or not at all.

    Parameters
    ----------
    into:
        The data set's folder; it is made where it is absent.
    plain_http:
        Also follow addresses that are not HTTPS: for servers on this machine.

    Returns
    -------
    Where the files lie, in the card's order.

    Raises
    ------
    InputError
        If the card has no public file, what is there by its name cannot be read, or the folder
        cannot be written to.
    OvbenchError
        If a file cannot be fetched; the message says how to get it by hand.
    ValidationError
        If what came is another file than the card's, or ``into`` holds another one by its name.
    """
    public = [file for file in card.files if file.url]
    if not public:
        raise InputError(
            f"{card.title}: none of its files may be fetched",
            expected=f"them from their owners: {card.access.rstrip('.')}",
        )
    return [_fetched(file, into, plain_http) for file in public]


def _fetched(file: File, into: Path, plain_http: bool) -> Path:
    target = into / file.path
    there = _sha256_of(target)
    if there is not None:
        if there != file.sha256:
            raise ValidationError(
                f"{target} is another file than the card's, whose SHA-256 is {file.sha256}. "
                "Move it away to fetch that one."
            )
        return target
    data = _download(str(file.url), target, plain_http)
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise ValidationError(
            f"{file.url}: what came has SHA-256 {found}, expected {file.sha256}; "
            "nothing was written."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder cannot be made ({error.strerror})", where=str(target.parent)
        ) from None
    write_bytes(target, data)
    return target


def _sha256_of(path: Path) -> str | None:
    """Of a file that may be there already; None where there is nothing."""
    try:
        if not path.exists():
            return None
        if path.is_file():
            return file_sha256(path)
        reason = "it is no file"
    except OSError as error:
        reason = str(error.strerror)
    raise InputError(
        f"what is there cannot be read ({reason})",
        where=str(path),
        expected="the card's file, or none",
        mend="move it away to fetch the file",
    )


def _download(url: str, target: Path, plain_http: bool) -> bytes:
    _check_scheme(url, plain_http)
    by_hand = f"Download it by hand into {target}."
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - checked
            _check_scheme(answer.geturl(), plain_http)
            data: bytes = answer.read(MAX_BYTES + 1)
            promised = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        error.close()
        raise OvbenchError(f"{url}: the server answered {error.code}. {by_hand}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise OvbenchError(f"{url}: no network ({reason}). {by_hand}") from None
    if len(data) > MAX_BYTES:
        raise OvbenchError(f"{url}: larger than {MAX_BYTES // 1024**2} MiB; nothing was written.")
    if promised and promised.isdecimal() and len(data) < int(promised):
        raise OvbenchError(
            f"{url}: the connection was cut after {len(data)} of {promised} bytes; nothing was "
            f"written. Try again. {by_hand}"
        )
    return data


def _check_scheme(url: str, plain_http: bool) -> None:
    allowed = ("https", "http") if plain_http else ("https",)
    if urlsplit(url).scheme not in allowed:
        raise InputError(f"{url} is not fetched", expected="an address that begins with https://")
