"""What a label parser is: a raw cell in, labels and a status out; never an exception."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import ClassVar, NamedTuple, Protocol


class Status(IntEnum):
    """What became of a prediction. Never folded into a label."""

    OK = 0
    """It holds at least one label."""
    EMPTY = 1
    """It says that there is none: nothing, ``[]``, ``none``."""
    UNPARSABLE = 2
    """It is not a list of labels: a sentence, a refusal, a number."""
    OUT_OF_SET = 3
    """It holds labels, but none of the set that was asked for."""
    TRUNCATED = 4
    """The system was cut off before it was done."""
    ERROR = 5
    """The system failed on the item."""
    MISSING = 6
    """The file has no row for the item."""

    @property
    def label(self) -> str:
        """The name in results: ``ok``, ``out_of_set``, …"""
        return self.name.lower()


class Parsed(NamedTuple):
    """The labels of one cell, in its order, and its status (labels only with ``OK``)."""

    labels: tuple[str, ...]
    status: Status


def words(text: str) -> frozenset[str]:
    """The words of ``text`` as a set."""
    return frozenset(text.split())


EMPTY = Parsed((), Status.EMPTY)
UNPARSABLE = Parsed((), Status.UNPARSABLE)


class PlainForm(Protocol):
    """The easy cells of a parser: those that can be split at a separator and read piece by piece.

    A text cell is *plain* if :meth:`piece` knows every one of its pieces between separators and
    at least one of them is a label. The parse of a plain cell must be exactly its pieces' labels,
    in order, with status ``OK``. Then each distinct piece is worked out once for a whole file, and
    only cells that are not plain go through :meth:`LabelParser.parse`. Likewise a list cell whose
    items are all text, with :meth:`item`.
    """

    @property
    def separator(self) -> str:
        """What pieces of text cells stand between."""
        ...

    @property
    def unique(self) -> bool:
        """Whether a label counts once per cell, where it stands first."""
        ...

    def piece(self, raw: str, first: bool, last: bool) -> tuple[str, ...] | None:
        """The labels in a piece (mostly one); None if only ``parse`` can tell.

        ``first`` and ``last``: whether it stands first or last in its cell (brackets count there).
        """
        ...

    def item(self, raw: str) -> tuple[str, ...] | None:
        """The same for an item of a list cell."""
        ...


class LabelParser(Protocol):
    """A named, versioned way to read label cells. It never raises, whatever the cell."""

    @property
    def name(self) -> str:
        """What :func:`~ovbench.io.labels.get_parser` knows it by."""
        ...

    @property
    def version(self) -> int:
        """Rises whenever any cell is read differently."""
        ...

    @property
    def id(self) -> str:
        """Name and version, as signatures show them: ``affectgpt-1``."""
        ...

    @property
    def plain(self) -> PlainForm | None:
        """The easy cells, or None where every cell goes through ``parse``."""
        ...

    def parse(self, cell: object) -> Parsed:
        """Labels and status of a :data:`~ovbench.io.records.Cell`."""
        ...


def is_missing(cell: object) -> bool:
    """Whether a cell is None or NaN."""
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


class Named:
    """Name and version of a parser, and the id that they make."""

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def id(self) -> str:
        """Name and version, as signatures show them."""
        return f"{self.name}-{self.version}"
