"""The Parquet files of one table: the columns meant, whether parts agree, what they unpack to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.columns import Columns, Wanted, choose_columns
from ovbench.io.parquet_pages import Column, unpacked_bytes
from ovbench.io.parquet_text import FREE_BYTES

if TYPE_CHECKING:
    import polars as pl

_TEXT, _OBJECT = 32, 256
"""Bytes of a value: a view of its text and a list's offset; an object of Python's and its place."""
MOST_TIMES = 128
"""Columns may take 256 MiB, and so many times the bytes that their files have. Label lists of a
hundred million items, repeated and packed, take 40 times."""


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
        If a part cannot be read, lacks a column, or has it of another type than the first; or if
        the columns take far more memory than the files take on disk.
    """
    types: dict[str, pl.DataType] = {}
    held: list[dict[str, Column]] = []
    for path in paths:
        where = part_name(path, paths, source)
        with readable(where):
            schema: dict[str, pl.DataType] = import_polars().read_parquet_schema(path)
        if not types:
            columns = choose_columns(list(schema), wanted, where)
            chosen = dict.fromkeys([columns.id, columns.label, *columns.extra.values()])
            types = {name: schema[name] for name in chosen}
        _check_part(schema, types, where, paths[0].name)
        places = {name: at for at, name in enumerate(schema)}
        held.append(
            {
                name: Column(places[name], _value_bytes(dtype, name == columns.label))
                for name, dtype in types.items()
            }
        )
    _refuse_much_unpacked(paths, held, source)
    return columns, list(types)


def _value_bytes(dtype: Any, as_objects: bool) -> int:
    """Bytes that a value of a column may take; ``as_objects``: Python holds what is no text."""
    import polars as pl

    inner = dtype.inner if dtype == pl.List else dtype
    if inner in (pl.String, pl.Categorical, pl.Enum) or not (as_objects or dtype.is_nested()):
        return _TEXT
    return _OBJECT + _nested_bytes(dtype)


def _nested_bytes(dtype: Any) -> int:
    import polars as pl

    if dtype == pl.Array:  # one that is missing has its full size, too
        return int(dtype.size) * (_OBJECT + _nested_bytes(dtype.inner))
    if dtype == pl.List:
        return _OBJECT + _nested_bytes(dtype.inner)
    if dtype == pl.Struct:
        return _OBJECT + sum(_nested_bytes(field.dtype) for field in dtype.fields)
    return 0


def _refuse_much_unpacked(
    paths: Sequence[Path], held: Sequence[Mapping[str, Column]], source: str
) -> None:
    """Refuse a table whose columns take far more memory than its files take on disk.

    ``held`` are, for each part, the columns that are read of it.
    """
    size = sum(path.stat().st_size for path in paths)
    most, total = FREE_BYTES + MOST_TIMES * size, 0
    for path, columns in zip(paths, held, strict=True):
        where = part_name(path, paths, source)
        with readable(where):
            for found in unpacked_bytes(path, columns, where):
                total += found
                if total > most:
                    raise InputError(
                        f"{size:,} bytes unpack to more than {most / 1e6:,.0f} MB",
                        where=where,
                        expected=f"at most {FREE_BYTES / 1e6:,.0f} MB, and {MOST_TIMES} times what "
                        "is stored",
                        mend="give the table as JSON Lines",
                    )


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
