"""The Parquet files of one table: the columns meant, whether parts agree, how long a cell is."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.columns import Columns, Wanted, choose_columns
from ovbench.io.files import parquet_parts
from ovbench.io.records import MAX_CHARACTERS, MAX_ITEMS, too_long

if TYPE_CHECKING:
    import polars as pl

_MAGIC = b"PAR1"
_SUFFIXES = (".parquet", ".pq")
_FEW, _FEW_NESTED = 50_000, 16
FREE_BYTES, MAX_MEAN_BYTES = 256 * 1024**2, 4096
"""Text of ids and extra columns beyond 256 MiB must not be longer than 4 KiB a row on average."""


def import_polars() -> ModuleType:
    """Polars, or the error that tells how to install it."""
    try:
        return import_module("polars")
    except ImportError:
        raise MissingExtraError("reading Parquet", "parquet") from None


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Tell what cannot be read in words of our own."""
    known = import_polars().exceptions
    # Panic: a failed assertion in Polars' own code, at metadata that lie.
    errors = (known.PolarsError, known.PanicException, OSError)
    try:
        yield
    except errors as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"cannot be read ({reason})", where=where, expected="an intact Parquet file"
        ) from None


def part_name(path: Path, paths: Sequence[Path], source: str) -> str:
    """What messages call one part of a table."""
    return source if len(paths) == 1 else f"{source}, part {path.name!r}"


def columns_of_parts(
    paths: Sequence[Path], source: str, wanted: Wanted
) -> tuple[Columns, list[str]]:
    """The columns of a table that are meant, the same in every part; and their names, each once.

    Raises
    ------
    InputError
        If a part cannot be read, lacks a column, or has it of another type than the first.
    """
    types: dict[str, pl.DataType] = {}
    for path in paths:
        where = part_name(path, paths, source)
        with readable(where):
            schema: dict[str, pl.DataType] = import_polars().read_parquet_schema(path)
        if not types:
            columns = choose_columns(list(schema), wanted, where)
            chosen = dict.fromkeys([columns.id, columns.label, *columns.extra.values()])
            types = {name: schema[name] for name in chosen}
        _check_part(schema, types, where, paths[0].name)
    return columns, list(types)


def _check_part(
    schema: Mapping[str, pl.DataType], types: Mapping[str, pl.DataType], where: str, first: str
) -> None:
    """Refuse a part of a table whose columns are not those of the first."""
    for name, wanted in types.items():
        if schema.get(name) != wanted:
            found = f"is of type {schema[name]}" if name in schema else "is missing"
            raise InputError(
                f"column {name!r} {found}", where=where, expected=f"type {wanted}, as in {first!r}"
            )


def parquet_files(source: object) -> tuple[Path, ...]:
    """The parts that a name stands for: a Parquet file, or those of a folder; none of all else."""
    if not isinstance(source, str | Path) or str(source) in ("", "-"):
        return ()
    path = Path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return () if any(path.glob("*.npy")) else tuple(parquet_parts(path))
        if not stat.S_ISREG(mode) or path.suffix.lower() not in _SUFFIXES:
            return ()
        with path.open("rb") as file:
            return (path,) if file.read(len(_MAGIC)) == _MAGIC else ()
    except (OSError, ValueError):  # whoever reads it as any other file tells what is wrong
        return ()


def refuse_long_cells(column: pl.Series, source: str, rows: Sequence[int]) -> None:
    """Hold text and lists of text against the bounds of :func:`~ovbench.io.records.to_cell`.

    ``rows`` are the 1-based numbers of the column's rows. Columns of other types are left alone.

    Raises
    ------
    InputError
        If a text has more than ``MAX_CHARACTERS``, or a list more than ``MAX_ITEMS``.
    """
    import polars as pl

    lists = column.dtype == pl.List(pl.String)
    if lists:
        _refuse_longer(column.list.len(), "entries", MAX_ITEMS, source, rows)
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
    """UTF-8 bytes of a column of text, rows that share the memory of one text counted each."""
    import polars as pl

    return int(column.str.len_bytes().cast(pl.UInt64).sum())  # lengths are of 32 bits


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
