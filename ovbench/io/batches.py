"""A Parquet table of any size, a range of rows at a time.

Rows are counted through all parts of the table in their order, from 0. A table knows its parts and
columns only, so it can be handed to other processes and machines that see the same files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ovbench.errors import InputError
from ovbench.io.classes import name_classes
from ovbench.io.columns import Columns, Wanted
from ovbench.io.files import parquet_files
from ovbench.io.parquet import id_series, records_of
from ovbench.io.parquet_parts import columns_of_parts, part_name, readable
from ovbench.io.records import Records

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ParquetTable:
    """One Parquet file, or the parts of a folder in the order of their names.

    Attributes
    ----------
    source:
        The file or folder as the user named it.
    ends:
        For each part the number of rows in it and in those before it.
    """

    source: str
    paths: tuple[Path, ...]
    ends: tuple[int, ...]
    columns: Columns
    wanted: Wanted

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return self.ends[-1]

    def read(self, start: int, stop: int, columns: Sequence[str]) -> pl.DataFrame:
        """These columns of the rows ``start`` to ``stop``.

        Raises
        ------
        InputError
            If a part cannot be read.
        """
        import polars as pl

        tables = []
        for part in range(bisect_right(self.ends, start), len(self.paths)):
            first = self.ends[part - 1] if part else 0
            if first >= stop:
                break
            begin = max(start - first, 0)
            rows = min(stop, self.ends[part]) - first - begin
            with readable(part_name(self.paths[part], self.paths, self.source)):
                scan = pl.scan_parquet(self.paths[part], glob=False)
                tables.append(scan.select(columns).slice(begin, rows).collect())
        return pl.concat(tables, rechunk=True)

    def ids(self, start: int, stop: int) -> pl.Series:
        """Ids of the rows ``start`` to ``stop``, as text.

        Raises
        ------
        InputError
            If an id is missing, or ids are of a type that they cannot have.
        """
        column = self.read(start, stop, [self.columns.id])[self.columns.id]
        return id_series(column, self.source, range(start + 1, stop + 1))

    def cells(self, start: int, stop: int) -> pl.DataFrame:
        """Ids (text), labels (as they are) and numbers of these rows: ``id``, ``cell``, ``row``.

        Raises
        ------
        InputError
            As :meth:`ids`.
        """
        import polars as pl

        names = dict.fromkeys([self.columns.id, self.columns.label])
        table = self.read(start, stop, list(names))
        ids = id_series(table[self.columns.id], self.source, range(start + 1, stop + 1))
        rows = pl.int_range(start, stop, dtype=pl.Int64, eager=True)
        return pl.DataFrame({"id": ids, "cell": table[self.columns.label], "row": rows})

    def records(self, table: pl.DataFrame) -> Records:
        """What :func:`~ovbench.io.read.read_records` makes of rows that :meth:`cells` gave."""
        if not len(table):  # of columns whose values decide how they are read
            none = np.zeros(0, dtype=np.int64)
            return Records(self.source, [], none, [], {}, "id", "cell", [])
        rows = (table["row"] + 1).to_list()
        found = records_of(table, Columns("id", "cell", {}), self.source, rows)
        classes = self.wanted.classes
        return found if classes is None else name_classes(found, classes)


def open_table(source: object, wanted: Wanted) -> ParquetTable | None:
    """The table that a name stands for; None for what is no Parquet file, nor a folder of them.

    Raises
    ------
    MissingExtraError
        If it is one, and Polars is not installed.
    InputError
        If a part cannot be read, or its columns are not the ones that are wanted.
    """
    paths = parquet_files(source)
    if not paths:
        return None
    name = str(source)
    columns, _ = columns_of_parts(paths, name, wanted)
    ends = tuple(accumulate(_rows(path, paths, name) for path in paths))
    if not ends[-1]:
        raise InputError("there are no rows", where=name, expected="an id and labels per row")
    return ParquetTable(name, paths, ends, columns, wanted)


def _rows(path: Path, paths: Sequence[Path], source: str) -> int:
    import polars as pl

    with readable(part_name(path, paths, source)):
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
