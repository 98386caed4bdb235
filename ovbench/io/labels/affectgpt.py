"""The ``affectgpt`` parser: ``string_to_list`` of AffectGPT, MER-UniBench, OV-MER and MER2025/26.

One leading ``[`` and one trailing ``]`` are dropped (only as the very first and last character),
the rest is split at ``'``, ``"`` and ``,``; pieces are stripped and lower-cased, empty ones
dropped. Nothing else splits: not ``;``, not a new line, not the Chinese comma. An apostrophe does
(``don't care`` becomes ``don`` and ``t care``), and brackets elsewhere stay in the labels. Lists
are taken as they are. Order and duplicates are kept. Where the authors' code crashes (a lone
``[``, numbers, dicts, nested lists), the cell is ``UNPARSABLE``.

Source: ``toolkit/utils/functions.py`` in zeroQiaoba/AffectGPT, and the ``lower().strip()`` of what
calls it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from ovbench.io.labels.base import EMPTY, UNPARSABLE, Named, Parsed, PlainForm, Status, is_missing
from ovbench.io.records import JsonObject

_SEPARATORS = re.compile("['\",]")
_QUOTES = re.compile("['\"]")


@dataclass(frozen=True)
class AffectGPTParser(Named):
    """The authors' parser, every quirk of it."""

    name: ClassVar[str] = "affectgpt"
    version: ClassVar[int] = 1

    @property
    def plain(self) -> PlainForm:
        """Pieces between commas."""
        return _PLAIN

    def parse(self, cell: object) -> Parsed:
        """Labels and status of a cell."""
        if isinstance(cell, str):
            if cell == "[":
                return UNPARSABLE
            text = cell.removeprefix("[").removesuffix("]")
            labels = [piece.lower().strip() for piece in _SEPARATORS.split(text)]
        elif is_missing(cell):
            return EMPTY
        elif isinstance(cell, (list, tuple)) and not isinstance(cell, JsonObject):
            # The authors' lists arrive as tuples here; an item that is not text crashes them.
            items = [item for item in cell if isinstance(item, str)]
            if len(items) < len(cell):
                return UNPARSABLE
            labels = [item.lower().strip() for item in items]
        else:
            return UNPARSABLE
        kept = tuple(label for label in labels if label)
        return Parsed(kept, Status.OK) if kept else EMPTY


class _Plain:
    """Every text cell but a lone bracket is plain."""

    separator = ","
    unique = False

    def piece(self, raw: str, first: bool, last: bool) -> tuple[str, ...] | None:
        if first:
            if last and raw == "[":
                return None
            raw = raw.removeprefix("[")
        if last:
            raw = raw.removesuffix("]")
        return tuple(label for part in _QUOTES.split(raw) if (label := part.lower().strip()))

    def item(self, raw: str) -> tuple[str, ...]:
        label = raw.lower().strip()
        return (label,) if label else ()


_PLAIN = _Plain()
