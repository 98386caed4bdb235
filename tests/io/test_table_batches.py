"""Parquet tables read a range of rows at a time give what reading them whole gives."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.batches import ParquetTable, open_table
from ovbench.io.columns import Wanted
from ovbench.io.read import read_records
from ovbench.io.records import Records

pl = pytest.importorskip("polars")

LABELS = [["happy", "sad"], None, [], ["joy"], ["sad", None], ["mad"], ["joy"]]


def parts(folder: Path, sizes: list[int], labels: list[object]) -> Path:
    folder.mkdir()
    start = 0
    for number, size in enumerate(sizes):
        rows = range(start, start + size)
        pl.DataFrame(
            {"name": [f"s{i}" for i in rows], "more": list(rows), "openset": labels[start:][:size]},
            schema={"name": pl.String, "more": pl.Int64, "openset": pl.List(pl.String)},
        ).write_parquet(folder / f"part-{number}.parquet")
        start += size
    return folder


def opened(source: object, wanted: Wanted | None = None) -> ParquetTable:
    table = open_table(source, wanted or Wanted())
    assert table is not None
    return table


def cells(records: Records) -> list[object]:
    return [records.cells[code] for code in records.codes]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(any),
    st.integers(0, 8),
    st.integers(1, 8),
)
def test_any_range_is_that_part_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], start: int, length: int
) -> None:
    total = sum(sizes)
    labels = [LABELS[i % len(LABELS)] for i in range(total)]
    folder = parts(tmp_path_factory.mktemp("t") / "parts", sizes, labels)
    whole, table = read_records(folder), opened(folder)
    assert table.rows == total == len(whole.ids)
    start %= total
    stop = min(total, start + length)
    assert table.ids(start, stop).to_list() == list(whole.ids)[start:stop]
    part = table.records(table.cells(start, stop))
    assert list(part.ids) == list(whole.ids)[start:stop]
    assert cells(part) == cells(whole)[start:stop]
    assert list(part.rows or []) == list(range(start + 1, stop + 1))
    assert table.read(start, stop, ["more"])["more"].to_list() == list(range(start, stop))


def test_one_file_and_no_rows_of_it(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pl.DataFrame({"name": [7, 8], "openset": ["[a]", "[b]"]}).write_parquet(path)
    table = opened(path)
    assert (table.source, table.rows, table.ends) == (str(path), 2, (2,))
    assert table.ids(0, 2).to_list() == ["7", "8"], "whole numbers are text"
    none = table.records(table.cells(0, 2).filter(pl.lit(value=False)))
    assert (list(none.ids), cells(none), len(none.codes)) == ([], [], 0)


def test_classes_get_their_names(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pl.DataFrame({"name": ["a", "b"], "label": ["1", "0"]}).write_parquet(path)
    table = opened(path, Wanted(want="class", classes="x,y"))
    assert cells(table.records(table.cells(0, 2))) == ["y", "x"]


def test_what_is_no_table_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no table")
    (tmp_path / "p.csv").write_text("id,pred\n")
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "a.npy", np.array("x"))
    pl.DataFrame({"name": ["a"], "openset": ["x"]}).write_parquet(tmp_path / "arrays/p.parquet")
    for source in ({"a": "x"}, "-", "", *("text.parquet", "p.csv", "arrays", "absent", "nul\0")):
        name = tmp_path / source if isinstance(source, str) and len(source) > 1 else source
        assert open_table(name, Wanted()) is None


def test_rows_are_named_in_the_whole_table(tmp_path: Path) -> None:
    folder = parts(tmp_path / "parts", [2, 2], LABELS[:4])
    pl.DataFrame(
        {"name": ["x", None], "more": [1, 2], "openset": [["a"], ["b"]]},
    ).write_parquet(folder / "part-1.parquet")
    table = opened(folder)
    assert table.ids(0, 3).to_list() == ["s0", "s1", "x"]
    for read in (table.ids, table.cells):
        with pytest.raises(InputError, match="row 4: the id is missing"):
            read(3, 4)
    (folder / "part-1.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(InputError, match=r"part 'part-1\.parquet': cannot be read"):
        table.ids(2, 4)
    assert table.ids(0, 2).to_list() == ["s0", "s1"], "the other part is whole"
    with pytest.raises(InputError, match=r"part 'part-1\.parquet': cannot be read"):
        open_table(folder, Wanted())


def test_tables_that_cannot_be_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.parquet"
    pl.DataFrame({"name": pl.Series([], dtype=pl.String), "openset": []}).write_parquet(path)
    with pytest.raises(InputError, match="there are no rows"):
        open_table(path, Wanted())
    pl.DataFrame({"name": ["a"], "openset": ["x"]}).write_parquet(path)
    with pytest.raises(InputError, match="no column 'labels'"):
        open_table(path, Wanted(label_column="labels"))
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"ovbench\[parquet\]"):
        open_table(path, Wanted())
