"""The Parquet files that make up one table: which columns are meant, and whether parts agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.columns import Columns, Wanted, choose_columns

if TYPE_CHECKING:
    import polars as pl


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
