"""Columns of text in Parquet files: how long they are, and categories as their text.

What a file repeats shares its memory here, however long it is. What is to be held row by row is
measured first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.records import MAX_CHARACTERS, MAX_ITEMS, too_long

if TYPE_CHECKING:
    import polars as pl

_FEW, _FEW_NESTED = 50_000, 16
_CHUNK = 1_000_000
FREE_BYTES, MAX_MEAN_BYTES = 256 * 1024**2, 4096
"""Text of ids and extra columns beyond 256 MiB must not be longer than 4 KiB a row on average."""


def as_text(column: pl.Series) -> pl.Series:
    """A column of categories as text, of which rows of one category share the memory."""
    import polars as pl

    numbers, first = first_seen(*codes_of(column))
    return column.gather(first).cast(pl.String).gather(numbers)


def codes_of(values: pl.Series) -> tuple[NDArray[np.int32], int]:
    """Codes of text values, equal where the text is, and how many codes there may be.

    Shape (values,), int32. A null is a value like any other. Not every code need occur.
    """
    import polars as pl

    physical = values.cast(pl.Categorical).to_physical()
    top = physical.max()
    null = 0 if top is None else int(top) + 1  # type: ignore[arg-type]
    return physical.fill_null(null).to_numpy().astype(np.int32), null + 1


def first_seen(codes: NDArray[np.int32], size: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """``codes`` (each < ``size``) renumbered by first occurrence, and where each first occurs."""
    first = np.full(size, len(codes), dtype=np.int64)
    for start in range(0, len(codes), _CHUNK):
        part = codes[start : start + _CHUNK]
        # Of several assignments to one place the last stands, so going backwards leaves the first.
        here = np.full(size, len(codes), dtype=np.int64)
        here[part[::-1]] = np.arange(start + len(part) - 1, start - 1, -1)
        np.minimum(first, here, out=first)
        if first.max() < len(codes):
            break  # every code has been seen
    order = np.argsort(first, kind="stable")
    used = int((first < len(codes)).sum())
    renumbered = np.empty(size, dtype=np.int32)
    renumbered[order] = np.arange(size)
    return renumbered[codes], first[order[:used]]


def refuse_long_cells(column: pl.Series, source: str, rows: Sequence[int]) -> None:
    """Hold text and lists against the bounds of :func:`~ovbench.io.records.to_cell`.

    ``rows`` are the 1-based numbers of the column's rows. Columns of other types are left alone.

    Raises
    ------
    InputError
        If a text has more than ``MAX_CHARACTERS``, or a list more than ``MAX_ITEMS``.
    """
    import polars as pl

    if column.dtype == pl.List:
        _refuse_longer(column.list.len(), "entries", MAX_ITEMS, source, rows)
    lists = column.dtype == pl.List(pl.String)
    texts = column.explode() if lists else column
    # A text has at least as many bytes as characters, and those need no counting.
    if texts.dtype == pl.String and _most(texts.str.len_bytes()) > MAX_CHARACTERS:
        counted = pl.element().str.len_chars().max()
        lengths = column.list.eval(counted).list.first() if lists else texts.str.len_chars()
        _refuse_longer(lengths, "characters", MAX_CHARACTERS, source, rows)


def values_of(column: pl.Series) -> Iterator[object]:
    """The values of a column of any type, of which few are held at a time where they nest."""
    step = _FEW_NESTED if column.dtype.is_nested() else _FEW
    for part in column.to_frame().iter_slices(step):
        yield from part.to_series().to_list()


def text_bytes(column: pl.Series) -> int:
    """UTF-8 bytes of a column's text, rows that share the memory of one text counted each.

    Text in lists and structs is counted, too; columns without text have none.
    """
    import polars as pl

    match column.dtype:
        case pl.String:
            return int(column.str.len_bytes().cast(pl.UInt64).sum())  # lengths are of 32 bits
        case pl.Categorical | pl.Enum:
            return text_bytes(as_text(column))
        case pl.List | pl.Array:
            return text_bytes(column.explode())
        case pl.Struct:
            return sum(text_bytes(field) for field in column.struct.unnest())
    return 0


def most_text(rows: int) -> int:
    """UTF-8 bytes that a column of so many rows may need if each row is held by itself."""
    return FREE_BYTES + MAX_MEAN_BYTES * rows


def refuse_much_text(column: pl.Series, source: str) -> None:
    """Refuse a column of text that is to be held row by row and would fill the memory.

    A file of kilobytes can repeat one long text in every row.

    Raises
    ------
    InputError
        If it is of more than :func:`most_text`.
    """
    if (size := text_bytes(column)) > most_text(len(column)):
        raise InputError(
            f"column {column.name!r} is {size / 1e9:.1f} GB of text in {len(column):,} rows",
            where=source,
            expected=f"at most {MAX_MEAN_BYTES:,} bytes a row",
        )


def _refuse_longer(
    lengths: pl.Series, of: str, most: int, source: str, rows: Sequence[int]
) -> None:
    if _most(lengths) > most:
        row = (lengths > most).fill_null(value=False).arg_max()
        assert row is not None
        raise too_long(f"{lengths[row]:,} {of}", most, f"{source}, row {rows[row]}")


def _most(lengths: pl.Series) -> int:
    return int(lengths.max() or 0)  # type: ignore[arg-type]
