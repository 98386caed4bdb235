"""The ``mer2024`` parser: ``string_to_list`` of the MER2024 baseline.

The labels are what stands between the first ``[`` and the next bracket, split at quotes alone and
lower-cased, not stripped: ``['happy', 'sad']`` is two labels, ``[happy, sad]`` is the one label
``happy, sad``. Pieces that are blank or a comma are dropped. Text without ``[``, and whatever is
not text, crashes the authors' code and is ``UNPARSABLE`` here.

Source: ``MER2024/toolkit/utils/functions.py`` in zeroQiaoba/MERTools, and ``main-ov.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from ovbench.io.labels.base import EMPTY, UNPARSABLE, Named, Parsed, Status, is_missing

_QUOTES = re.compile("['\"]")
_BRACKETS = re.compile(r"[\[\]]")


@dataclass(frozen=True)
class Mer2024Parser(Named):
    """The authors' parser, every quirk of it."""

    name: ClassVar[str] = "mer2024"
    version: ClassVar[int] = 1

    @property
    def plain(self) -> None:
        """None: commas do not separate labels here."""
        return

    def parse(self, cell: object) -> Parsed:
        """Labels and status of a cell."""
        if is_missing(cell) or cell == "":
            return EMPTY
        if not isinstance(cell, str) or "[" not in cell:
            return UNPARSABLE
        inside = _BRACKETS.split(cell.partition("[")[2], maxsplit=1)[0]
        labels = [
            piece.lower() for piece in _QUOTES.split(inside) if piece.strip() not in ("", ",")
        ]
        return Parsed(tuple(labels), Status.OK) if labels else EMPTY
