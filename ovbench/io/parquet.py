"""Parquet files, through Polars (the extra ``parquet``), a column at a time.

A million rows are read, and their label lists split, without a Python step per row: text is split
at the parser's separator, each distinct piece is worked out once, and only cells that are not
*plain* (:class:`~ovbench.io.labels.base.PlainForm`) go through the parser one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.columns import Columns, Wanted
from ovbench.io.labels.base import LabelParser, PlainForm, Status
from ovbench.io.labels.lists import LabelLists, PlainReader, parse_cells
from ovbench.io.parquet_parts import columns_of_parts, import_polars, part_name, readable
from ovbench.io.parquet_text import (
    as_text,
    codes_of,
    first_seen,
    most_text,
    refuse_long_cells,
    refuse_much_text,
    text_bytes,
    values_of,
)
from ovbench.io.records import Cell, Records, RecordsBuilder, to_cell

if TYPE_CHECKING:
    import polars as pl

_SAMPLE = 10_000
_MOSTLY_DISTINCT = 0.8
_FEW_CELLS = 50_000
_DROPPED, _ODD = -1, -2
_LONG_LIST = 16


def read_parquet(paths: Sequence[Path], source: str, wanted: Wanted) -> Records:
    """Ids and cells of one Parquet file, or of the parts of one table in their order.

    Label columns may be text, lists of text, or numbers; ids text or whole numbers.

    Raises
    ------
    MissingExtraError
        If Polars is not installed.
    InputError
        If a file cannot be read, a column is missing or of another kind, or an id is missing.
    """
    pl = import_polars()
    if wanted.split is not None:
        raise InputError(
            f"the file has no splits, so none is called {wanted.split!r}",
            where=source,
            mend="leave out --split",
        )
    columns, names = columns_of_parts(paths, source, wanted)
    tables = []
    for path in paths:
        with readable(part_name(path, paths, source)):
            tables.append(pl.read_parquet(path, columns=names, glob=False))
    table = pl.concat(tables)
    if not len(table):
        raise InputError("there are no rows", where=source, expected="an id and labels per row")
    return records_of(table, columns, source)


def records_of(
    table: pl.DataFrame, columns: Columns, source: str, rows: list[int] | range | None = None
) -> Records:
    """The records of a table's rows; ``rows`` are their 1-based numbers, where it is not all.

    Raises
    ------
    InputError
        If a column is of a kind that cannot be used, an id is missing, or a cell is longer than any
        may be.
    """
    import polars as pl

    rows = range(1, len(table) + 1) if rows is None else rows
    ids = SeriesIds(id_series(table[columns.id], source, rows))
    extra = {
        asked: _text(table[column], source, rows).fill_null("").to_list()
        for asked, column in columns.extra.items()
    }
    labels = table[columns.label]
    if isinstance(labels.dtype, (pl.Categorical, pl.Enum)):
        labels = as_text(labels)
    if labels.dtype.is_nested():
        refuse_much_text(labels, source)
        if labels.dtype in (pl.List(pl.Categorical), pl.List(pl.Enum)):
            labels = labels.cast(pl.List(pl.String))
    refuse_long_cells(labels, source, rows)
    if labels.dtype not in (pl.String, pl.List(pl.String)):
        builder = RecordsBuilder()
        for row, name, value in zip(rows, ids, values_of(labels), strict=True):
            builder.add(name, to_cell(value, f"{source}, row {row}"), row)
        records = builder.build(source, columns.id, columns.label)
        codes, cells = records.codes, records.cells
    elif labels.dtype == pl.String and not _mostly_distinct(labels):
        numbers, first = first_seen(*codes_of(labels))
        codes, labels = numbers.astype(np.int64), labels.gather(first)
        cells = labels.to_list() if len(labels) <= _FEW_CELLS else SeriesCells(labels)
    else:
        codes, cells = np.arange(len(labels), dtype=np.int64), SeriesCells(labels)
    return Records(source, ids, codes, cells, extra, columns.id, columns.label, rows)


def id_series(column: pl.Series, source: str, rows: Sequence[int]) -> pl.Series:
    """Ids as text; ``rows`` are the 1-based numbers of their rows.

    Raises
    ------
    InputError
        If they are of a type that ids cannot have, or one is missing.
    """
    if column.dtype.is_float() or column.dtype.is_nested():
        raise InputError(
            f"the ids (column {column.name!r}) are of type {column.dtype}",
            where=source,
            expected="text or whole numbers",
        )
    column = _text(column, source, rows)
    bad = (column.is_null() | (column == "")).arg_max()
    if bad is not None and not column[bad]:
        where = f"{source}, row {rows[bad]}"
        raise InputError("the id is missing", where=where, expected="an id")
    return column


class SeriesIds(Sequence[str]):
    """The ids of a column of text, turned into Python values when asked."""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def __len__(self) -> int:
        return len(self._series)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self._series[index].to_list()
        value: str = self._series[int(index)]  # polars refuses NumPy's integers
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._series.to_list())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SeriesIds):
            return self._series.equals(other._series)
        return isinstance(other, list) and list(self) == other

    def __hash__(self) -> int:
        return hash(tuple(self))

    def all_different(self) -> bool:
        """Whether no id comes twice."""
        return self._series.n_unique() == len(self._series)


def _text(column: pl.Series, source: str, rows: Sequence[int]) -> pl.Series:
    import polars as pl

    if isinstance(column.dtype, (pl.Categorical, pl.Enum)):
        column = as_text(column)
    elif column.dtype != pl.String:
        try:
            column = column.cast(pl.String)
        except pl.exceptions.PolarsError:
            raise InputError(
                f"column {column.name!r} is of type {column.dtype}", where=source, expected="text"
            ) from None
    refuse_long_cells(column, source, rows)
    refuse_much_text(column, source)
    return column


def _mostly_distinct(cells: pl.Series) -> bool:
    """Whether looking for repeated cells would cost more than it saves, from the first rows.

    Long cells are always looked through: repeated ones share the memory, their labels would not.
    """
    if len(cells) <= _FEW_CELLS or text_bytes(cells) > most_text(len(cells)):
        return False
    return cells.head(_SAMPLE).n_unique() > _MOSTLY_DISTINCT * _SAMPLE


class SeriesCells(Sequence[Cell]):
    """The cells of a column of text or of lists of text, turned into Python values when asked."""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def __len__(self) -> int:
        return len(self._series)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | list[Cell]:
        if isinstance(index, slice):
            return [_as_cell(value) for value in self._series[index].to_list()]
        return _as_cell(self._series.slice(range(len(self))[index], 1).to_list()[0])

    def __iter__(self) -> Iterator[Cell]:
        for part in self._series.to_frame().iter_slices(_FEW_CELLS):
            yield from map(_as_cell, part.to_series().to_list())

    def label_lists(self, parser: LabelParser) -> LabelLists:
        """See :func:`~ovbench.io.labels.parse_cells`; the same result, a column at a time."""
        if parser.plain is None:
            return parse_cells(list(self), parser)
        return _ColumnParse(self._series, parser.plain).finish(parser)


def _as_cell(value: object) -> Cell:
    return tuple(value) if isinstance(value, list) else value  # type: ignore[return-value]


class _ColumnParse:
    """Label lists of a column: all its plain cells first, then the others one by one.

    Attributes
    ----------
    odd:
        Shape (cells,), bool: the cells that are not plain.
    counts:
        Shape (cells,), int64: labels of each plain cell; 0 for the others.
    labels:
        Shape (sum of counts,), int32: the plain cells' labels, numbered by ``code``.
    """

    def __init__(self, series: pl.Series, plain: PlainForm) -> None:
        self._series = series
        self._code_of: dict[str, int] = {}
        pieces, counts = _pieces(series, plain.separator)
        labels = self._labels_of_pieces(pieces, counts, plain)
        self.odd = np.zeros(len(series), dtype=bool)
        if labels.min(initial=0) < 0:
            cell = _cell_of_each(counts)
            self.odd[cell[labels == _ODD]] = True
            kept = labels >= 0
            labels, counts = labels[kept], np.bincount(cell[kept], minlength=len(series))
        self.odd |= counts == 0
        if plain.unique:
            self.odd |= _repeating(labels, counts)
        if self.odd.any():
            labels = labels[~np.repeat(self.odd, counts)]
            counts = np.where(self.odd, 0, counts)
        self.labels, self.counts = labels, counts

    def code(self, label: str) -> int:
        """The number of a label."""
        return self._code_of.setdefault(label, len(self._code_of))

    def _labels_of_pieces(
        self, pieces: pl.Series, counts: NDArray[np.int64], plain: PlainForm
    ) -> NDArray[np.int32]:
        """The label of each piece, ``_DROPPED`` or ``_ODD``; each distinct piece is read once.

        A piece that holds several labels is odd here: its cell is read one by one.
        """
        codes, size = codes_of(pieces)
        somewhere = np.full(size, -1, dtype=np.int64)
        somewhere[codes] = np.arange(len(codes))
        present = somewhere >= 0
        raws = pieces.gather(np.maximum(somewhere, 0)).to_list() if len(pieces) else []
        if self._series.dtype.is_nested():
            return self._table(raws, present, plain.item)[codes]
        anywhere = partial(plain.piece, first=False, last=False)
        labels = self._table(raws, present, anywhere)[codes]
        # Pieces at the ends of their cells are read again as such: brackets count there.
        ends = np.cumsum(counts)
        single, first, last = counts == 1, ends - counts, ends - 1
        for at, read in (
            (first[~single], partial(plain.piece, first=True, last=False)),
            (last[~single], partial(plain.piece, first=False, last=True)),
            (first[single], partial(plain.piece, first=True, last=True)),
        ):
            there = codes[at]
            present = np.zeros(size, dtype=bool)
            present[there] = True
            labels[at] = self._table(raws, present, read)[there]
        return labels

    def _table(
        self,
        raws: Sequence[str | None],
        present: NDArray[np.bool_],
        read: Callable[[str], tuple[str, ...] | None],
    ) -> NDArray[np.int32]:
        """What ``read`` makes of each raw piece that is present."""
        table = np.full(len(present), _DROPPED, dtype=np.int32)
        for code in np.flatnonzero(present).tolist():
            raw = raws[code]
            found = None if raw is None else read(raw)
            if found != ():
                table[code] = self.code(found[0]) if found and len(found) == 1 else _ODD
        return table

    def finish(self, parser: LabelParser) -> LabelLists:
        """Parse the cells that are not plain and put all lists together in the rows' order."""
        counts = self.counts.astype(np.int64)
        status = np.full(len(self._series), Status.OK, dtype=np.uint8)
        odd = np.flatnonzero(self.odd)
        odd_labels: list[int] = []
        read_plain = PlainReader(parser.plain)
        for row, cell in zip(odd.tolist(), SeriesCells(self._series.gather(odd)), strict=True):
            labels, outcome = read_plain(cell), Status.OK
            if labels is None:
                labels, outcome = parser.parse(cell)
            odd_labels += [self.code(label) for label in labels]
            counts[row], status[row] = len(labels), outcome
        offsets = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        merged = self.labels
        if len(odd):
            from_odd = np.repeat(self.odd, counts)
            merged = np.empty(len(from_odd), dtype=np.int32)
            merged[from_odd] = odd_labels
            merged[~from_odd] = self.labels
        codes, first = first_seen(merged, len(self._code_of))
        names = list(self._code_of)
        return LabelLists([names[code] for code in merged[first].tolist()], codes, offsets, status)


def _pieces(series: pl.Series, separator: str) -> tuple[pl.Series, NDArray[np.int64]]:
    """What stands between separators (the items, of lists), and how many there are per cell."""
    if series.dtype.is_nested():
        counts = series.list.len().fill_null(0)
        lists = series.filter(counts > 0)
    else:
        lists = series.fill_null("").str.split(separator)
        counts = lists.list.len()
    return lists.explode(), counts.to_numpy().astype(np.int64)


def _cell_of_each(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """The cell that each label belongs to, of cells with so many labels each."""
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def _repeating(labels: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Shape (cells,): whether a label comes twice in the cell, or its list is a very long one."""
    result, cell = counts > _LONG_LIST, _cell_of_each(counts)
    for apart in range(1, min(int(counts.max(initial=0)), _LONG_LIST)):
        same = np.flatnonzero(labels[apart:] == labels[:-apart])
        cells = cell[same]
        result[cells[cells == cell[same + apart]]] = True
    return result
