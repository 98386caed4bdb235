"""Label lists of many cells, as arrays: what the metrics are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels.base import LabelParser, PlainForm, Status
from ovbench.io.records import Cell, Cells, JsonObject


@dataclass(frozen=True, eq=False)
class LabelLists:
    """The label lists of cells, one after the other, with labels interned.

    Attributes
    ----------
    vocabulary:
        The distinct labels, in the order in which they first occur.
    labels:
        Shape (total,), int32: index into ``vocabulary``, list by list.
    offsets:
        Shape (cells + 1,), int64: list ``i`` is ``labels[offsets[i]:offsets[i + 1]]``.
    status:
        Shape (cells,), uint8: :class:`~ovbench.io.labels.Status`.
    """

    vocabulary: list[str]
    labels: NDArray[np.int32]
    offsets: NDArray[np.int64]
    status: NDArray[np.uint8]


@runtime_checkable
class ColumnCells(Protocol):
    """Cells that can make their label lists a whole column at a time."""

    def label_lists(self, parser: LabelParser) -> LabelLists:
        """What :func:`parse_cells` returns for these cells."""
        ...


def parse_cells(cells: Cells, parser: LabelParser) -> LabelLists:
    """The label lists of ``cells``, in their order. Nothing is raised, whatever they hold."""
    if isinstance(cells, ColumnCells):
        return cells.label_lists(parser)
    return _parse_each(cells, parser)


def _parse_each(cells: Sequence[Cell], parser: LabelParser) -> LabelLists:
    code_of: dict[str, int] = {}
    codes: list[int] = []
    offsets, statuses = [0], bytearray()
    read_plain = PlainReader(parser.plain)
    for cell in cells:
        labels, status = read_plain(cell), Status.OK
        if labels is None:
            labels, status = parser.parse(cell)
        codes.extend([code_of.setdefault(label, len(code_of)) for label in labels])
        offsets.append(len(codes))
        statuses.append(status)
    return LabelLists(
        list(code_of),
        np.array(codes, dtype=np.int32),
        np.array(offsets, dtype=np.int64),
        np.frombuffer(bytes(statuses), dtype=np.uint8),
    )


class PlainReader:
    """Reads plain cells, each distinct piece once; None for a cell that is not plain."""

    def __init__(self, plain: PlainForm | None) -> None:
        self._plain = plain
        self._pieces: dict[tuple[str, bool, bool], tuple[str, ...] | None] = {}
        self._items: dict[str, tuple[str, ...] | None] = {}

    def __call__(self, cell: Cell) -> Sequence[str] | None:
        """The labels of a plain cell."""
        if self._plain is None:
            return None
        if isinstance(cell, str):
            found = self._of_text(cell, self._plain)
        elif isinstance(cell, tuple) and not isinstance(cell, JsonObject):
            found = self._of_list(cell, self._plain)
        else:
            return None
        if not found:
            return None
        return list(dict.fromkeys(found)) if self._plain.unique else found

    def _of_text(self, cell: str, plain: PlainForm) -> list[str] | None:
        raws = cell.split(plain.separator)
        last = len(raws) - 1
        labels: list[str] = []
        for i, raw in enumerate(raws):
            key = (raw, i == 0, i == last)
            if key in self._pieces:
                found = self._pieces[key]
            else:
                found = self._pieces[key] = plain.piece(*key)
            if found is None:
                return None
            labels += found
        return labels

    def _of_list(self, cell: tuple[object, ...], plain: PlainForm) -> list[str] | None:
        labels: list[str] = []
        for raw in cell:
            if not isinstance(raw, str):
                return None
            if raw in self._items:
                found = self._items[raw]
            else:
                found = self._items[raw] = plain.item(raw)
            if found is None:
                return None
            labels += found
        return labels
