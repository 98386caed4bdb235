"""Distinct rows of statistics, gathered batch by batch and kept packed.

Label lists hardly repeat, so tens of millions of items may have as many different rows. Columns
hold few different numbers (a ratio of two small set sizes, a yes or no), so each is kept as codes
into a table of its own, mostly a byte per row: an ``ew-open-1`` row takes 46 bytes with its key and
weight in place of 248.

The rows come out in the order of :meth:`ovbench.metrics.statistics.Statistics.distinct`, which
depends on their values alone: whatever the batches were, draws over them have the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ovbench.metrics import statistics
from ovbench.metrics.statistics import Finish, Statistics

_WAITING = 1_000_000
"""Rows that wait, at least, until they are merged with the others."""
_BLOCK = 1 << 15
_DENSE = 1 << 24
"""Numbers up to which rows are unpacked for good (128 MiB), as that is quicker."""


class _Column:
    """The different values of a column, and their codes: positions in the order of their coming."""

    def __init__(self) -> None:
        self.values = np.zeros(0, dtype=np.int64)
        self._sorted = self.values
        self._code_of_sorted = np.zeros(0, dtype=np.int64)

    def encode(self, values: NDArray[np.int64]) -> NDArray[np.unsignedinteger]:
        """The code of each value; new ones are given the next codes."""
        if not self._known(values).all():
            new = np.setdiff1d(values, self.values)
            self.values = np.append(self.values, new)
            self._code_of_sorted = np.argsort(self.values, kind="stable")
            self._sorted = self.values[self._code_of_sorted]
        codes = self._code_of_sorted[np.searchsorted(self._sorted, values)]
        return codes.astype(np.min_scalar_type(max(len(self.values) - 1, 0)))

    def _known(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not len(self._sorted):
            return np.zeros(len(values), dtype=bool)
        at = np.minimum(np.searchsorted(self._sorted, values), len(self._sorted) - 1)
        known: NDArray[np.bool_] = self._sorted[at] == values
        return known


@dataclass
class PackedRows:
    """Rows with their keys and weights, column by column.

    Attributes
    ----------
    tables:
        Per column its different values, int64.
    codes:
        Per column, shape (rows,), an unsigned integer type: index into the column's table.
    key:
        Shape (rows,), uint64: see :func:`ovbench.metrics.statistics.row_keys`.
    weight:
        Shape (rows,), int64.
    """

    tables: list[NDArray[np.int64]]
    codes: list[NDArray[np.unsignedinteger]]
    key: NDArray[np.uint64]
    weight: NDArray[np.int64]

    ndim = 2

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), len(self.tables)

    def largest(self) -> int:
        """The largest magnitude of any value."""
        return max((int(np.abs(table).max(initial=0)) for table in self.tables), default=0)

    def block(self, start: int, stop: int) -> NDArray[np.float64]:
        """Columns of the rows ``start`` to ``stop``: shape (columns, rows of the block)."""
        rows = min(stop, len(self)) - start
        found = np.empty((len(self.tables), rows))
        for out, table, codes in zip(found, self._floats, self.codes, strict=True):
            np.take(table, codes[start:stop], out=out, mode="clip")
        return found

    @cached_property
    def _floats(self) -> list[NDArray[np.float64]]:
        return [table.astype(np.float64) for table in self.tables]


class TalliedStatistics(Statistics):
    """Statistics over packed rows that are distinct and in order already."""

    @property
    def packed(self) -> PackedRows:
        """The rows."""
        return cast("PackedRows", self.values)

    def totals(self) -> NDArray[np.int64]:
        """Weighted column sums, shape (columns,)."""
        rows = self.packed
        sums = np.zeros(rows.shape[1], dtype=np.int64)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            sums += rows.block(start, start + _BLOCK).astype(np.int64) @ self.weight[part]
        return sums

    def distinct(self) -> Statistics:
        """The same: the rows are so already."""
        return self


@dataclass
class Tally:
    """Gathers rows of statistics.

    What is added may come in any batches and any order.
    """

    columns: list[_Column] = field(default_factory=list)
    waiting: list[PackedRows] = field(default_factory=list)
    collided: bool = False
    """Whether two different rows were met that have one key."""

    def add(self, rows: Statistics) -> None:
        """Add a batch of rows."""
        rows = rows.distinct()
        if not self.columns:
            self.columns = [_Column() for _ in range(rows.values.shape[1])]
        codes = [
            column.encode(values)
            for column, values in zip(self.columns, rows.values.T, strict=True)
        ]
        self._append(PackedRows([], codes, statistics.row_keys(rows.values), rows.weight))

    def merge(self, other: Tally) -> None:
        """Add what another tally holds."""
        if not other.columns:
            return
        if not self.columns:
            self.columns = [_Column() for _ in other.columns]
        to_ours = [
            ours.encode(theirs.values)
            for ours, theirs in zip(self.columns, other.columns, strict=True)
        ]
        for rows in other.waiting:
            codes = [ours[theirs] for ours, theirs in zip(to_ours, rows.codes, strict=True)]
            self._append(PackedRows([], codes, rows.key, rows.weight))

    def finished(self, finish: Finish) -> Statistics:
        """Every different row once, in the order of ``Statistics.distinct``."""
        self._compact()
        rows = self.waiting[0]
        rows.tables = [column.values for column in self.columns]
        if self.collided:
            _reorder(rows, np.lexsort([t[c] for t, c in _reversed_columns(rows)]))
        rows.key = rows.key[:0].copy()  # no longer needed, and large
        if len(rows) * len(rows.tables) <= _DENSE:
            dense = rows.block(0, len(rows)).astype(np.int64)
            return Statistics(dense.T, rows.weight, finish)
        return TalliedStatistics(cast("NDArray[np.int64]", rows), rows.weight, finish)

    def _append(self, rows: PackedRows) -> None:
        self.waiting.append(rows)
        if sum(map(len, self.waiting[1:])) >= max(_WAITING, len(self.waiting[0])):
            self._compact()

    def _compact(self) -> None:
        """Merge all rows that are held into one sorted run."""
        runs = self.waiting
        key = np.concatenate([run.key for run in runs])
        weight = np.concatenate([run.weight for run in runs])
        codes: list[NDArray[np.unsignedinteger]] = []
        for run in runs:  # let go of what was copied, here and below: it is large
            run.key, run.weight = key[:0].copy(), weight[:0].copy()
        for column in range(len(self.columns)):
            codes.append(np.concatenate([run.codes[column] for run in runs]))
            for run in runs:
                run.codes[column] = codes[-1][:0].copy()
        rows = PackedRows([], codes, key, weight)
        _reorder(rows, np.argsort(key, kind="stable"))
        new = _starts(rows.key)
        if not _alike(rows, new):
            self.collided = True
            _reorder(rows, np.lexsort([*reversed(rows.codes), rows.key]))
            new = _starts(rows.key)
            for codes_ in rows.codes:
                new |= _starts(codes_)
        first = np.flatnonzero(new)
        total = np.add.reduceat(rows.weight, first) if len(first) else rows.weight
        _reorder(rows, first)
        rows.weight = total
        self.waiting = [rows]


def _starts(ordered: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """Where a value differs from the one before it (the first does)."""
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return new


def _alike(rows: PackedRows, new: NDArray[np.bool_]) -> bool:
    """Whether every row that starts no key of its own equals the row before it."""
    again = np.flatnonzero(~new)
    return all(np.array_equal(column[again], column[again - 1]) for column in rows.codes)


def _reorder(rows: PackedRows, order: NDArray[np.intp]) -> None:
    rows.key, rows.weight = rows.key[order], rows.weight[order]
    for index, column in enumerate(rows.codes):
        rows.codes[index] = column[order]


def _reversed_columns(
    rows: PackedRows,
) -> list[tuple[NDArray[np.int64], NDArray[np.unsignedinteger]]]:
    return list(zip(rows.tables, rows.codes, strict=True))[::-1]
