"""Parquet: the same records as from text, whatever the columns' types."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError, MissingExtraError
from ovbench.io import parquet, parquet_text
from ovbench.io import records as core
from ovbench.io.batches import open_table
from ovbench.io.columns import Wanted
from ovbench.io.read import read_records
from ovbench.io.records import JsonObject, Records

pl = pytest.importorskip("polars")


def cells(records: Records) -> list[object]:
    return [records.cells[code] for code in records.codes]


def save(path: Path, **columns: object) -> Path:
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_text_and_repeats(tmp_path: Path) -> None:
    labels = ["[happy]", None, "[sad]", "[happy]", None, ""]
    ids = ["001", "b", "c", "d", "e", "f"]
    path = save(tmp_path / "p.parquet", Name=ids, openset=labels, who=[1, 2, None, 4, 5, 6])
    records = read_records(path, extra=("who",))
    assert records.ids == ids
    assert cells(records) == labels
    assert list(records.cells) == ["[happy]", None, "[sad]", ""]
    assert records.codes.dtype == np.int64
    assert records.columns == {"who": ["1", "2", "", "4", "5", "6"]}
    assert records.rows == range(1, 7)


def test_other_types(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    lists = [["happy", None], None, []]
    assert cells(read_records(save(path, id=[1, 2, 3], pred=lists))) == [("happy", None), None, ()]
    values = [1, 2, 1]
    records = read_records(save(path, id=["1", "2", "3"], pred=values))
    assert (cells(records), list(records.cells)) == ([1, 2, 1], [1, 2])
    values = [0.5, None, float("nan")]
    assert cells(read_records(save(path, id=["1", "2", "3"], val=values), want="value")) == [
        0.5,
        None,
        None,
    ]
    save(path, id=["a"], pred=[{"x": ["happy"]}])
    assert cells(read_records(path)) == [JsonObject([("x", ("happy",))])]
    series = pl.Series(["[happy]", "[sad]", "[happy]"], dtype=pl.Categorical)
    assert cells(read_records(save(path, id=["a", "b", "c"], pred=series))) == series.to_list()


def test_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_FEW_CELLS", 50)
    monkeypatch.setattr(parquet, "_SAMPLE", 40)
    ids = [f"s{i}" for i in range(300)]
    distinct = [f"[word{chr(97 + i % 26)}{chr(97 + i // 26)}]" for i in range(300)]
    repeated = [distinct[i % 7] for i in range(300)]
    halves = distinct[:150] + distinct[:150]
    for labels, size in ((distinct, 300), (repeated, 7), (halves, 300), (repeated + distinct, 300)):
        names = ids if len(labels) == 300 else [f"s{i}" for i in range(600)]
        records = read_records(save(tmp_path / "p.parquet", name=names, openset=labels))
        assert cells(records) == labels
        assert len(records.cells) == size
        assert list(records.cells) == [records.cells[i] for i in range(size)]
        assert records.cells[-1] == list(records.cells)[-1]
        assert records.cells[1:3] == list(records.cells)[1:3]


def test_folder_of_parts(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    save(folder / "part-1.parquet", name=["b"], openset=["[sad]"])
    save(folder / "part-0.parquet", name=["a"], openset=["[happy]"], more=[1])
    records = read_records(folder)
    assert (records.ids, cells(records)) == (["a", "b"], ["[happy]", "[sad]"])
    save(folder / "part-2.parquet", name=["c"], other=["[happy]"])
    with pytest.raises(InputError, match=r"part 'part-2\.parquet': column 'openset' is missing"):
        read_records(folder)
    save(folder / "part-2.parquet", name=["c"], openset=[1])
    with pytest.raises(InputError) as caught:
        read_records(folder)
    assert "part 'part-2.parquet': column 'openset' is of type Int64" in str(caught.value)
    assert "expected type String, as in 'part-0.parquet'" in str(caught.value)
    (folder / "part-2.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"part 'part-2\.parquet': cannot be read"):
        read_records(folder)


def test_a_name_is_no_pattern(tmp_path: Path) -> None:
    save(tmp_path / "run1.parquet", name=["other"], openset=["[happy]"])
    path = save(tmp_path / "run[1].parquet", name=["a"], openset=["[sad]"])
    assert read_records(path).ids == ["a"]


def test_without_a_telling_name(tmp_path: Path) -> None:
    save(tmp_path / "p.parquet", name=["a"], openset=["[sad]"]).rename(tmp_path / "p")
    assert read_records(tmp_path / "p").ids == ["a"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"name": ["a", None], "openset": ["x", "y"]}, ["row 2", "id is missing"]),
        ({"name": ["a", "b", ""], "openset": ["x", "y", "z"]}, ["row 3", "id is missing"]),
        ({"name": [0.5], "openset": ["x"]}, ["'name'", "Float64", "whole numbers"]),
        ({"name": [["a"]], "openset": ["x"]}, ["'name'", "List"]),
        ({"x": ["a"], "openset": ["x"]}, ["usual name for ids", "--id-column"]),
        ({"name": pl.Series([], dtype=pl.String), "openset": []}, ["no rows"]),
    ],
)
def test_messages(tmp_path: Path, columns: dict[str, object], words: list[str]) -> None:
    path = save(tmp_path / "p.parquet", **columns)
    with pytest.raises(InputError) as caught:
        read_records(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_damaged(tmp_path: Path) -> None:
    path = save(tmp_path / "p.parquet", name=["a"] * 99, openset=["x"] * 99)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"p\.parquet: cannot be read.*intact Parquet"):
        read_records(path)


def test_without_polars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "p.parquet", name=["a"], openset=["x"])
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"ovbench\[parquet\]"):
        read_records(path)


def test_ids_are_a_list_in_all_but_type(tmp_path: Path) -> None:
    ids = ["c", "a", "b", "a"]
    found = read_records(save(tmp_path / "p.parquet", name=ids, openset=["x"] * 4)).ids
    assert (found[0], found[-1], found[1:3], len(found)) == ("c", "a", ["a", "b"], 4)
    assert list(found) == ids
    assert found == ids
    assert found != ids[:3]
    assert found != ["c", "a", "b", "b"]
    assert found != tuple(ids)
    same = read_records(save(tmp_path / "q.parquet", name=ids, openset=["y"] * 4)).ids
    other = read_records(save(tmp_path / "r.parquet", name=ids[::-1], openset=["y"] * 4)).ids
    assert found == same
    assert hash(found) == hash(same)
    assert found != other
    assert not found.all_different()
    path = save(tmp_path / "s.parquet", name=[3, 1, 2], openset=["x"] * 3)
    assert read_records(path).ids.all_different()


LONG = {
    "text": (["é" * 10, None, "é" * 11], "row 3: 11 characters in one cell.*at most 10"),
    "one that repeats": (["a", "x" * 11, "x" * 11], "row 2: 11 characters"),
    "a category": (pl.Series(["a", "b", "x" * 12], dtype=pl.Categorical), "row 3: 12 characters"),
    "text in a list": ([["a"], None, ["", None, "x" * 11]], "row 3: 11 characters"),
    "a list": ([["a"] * 3, [], ["a", None, "b", "c"]], "row 3: 4 entries in one cell.*at most 3"),
    "text in an object": ([{"x": "a"}, None, {"x": "x" * 11}], "row 3: 11 characters"),
    "a list in a list": ([[["a"] * 3], None, [["a"] * 4]], "row 3: 4 entries"),
}
"""Label cells of which one is longer than the bounds that the test sets."""


@pytest.mark.parametrize("case", LONG)
def test_the_longest_cells(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parquet_text, core):
        monkeypatch.setattr(module, "MAX_CHARACTERS", 10)
        monkeypatch.setattr(module, "MAX_ITEMS", 3)
    labels, words = LONG[case]
    ids = ["a", "b", "c"]
    path = save(tmp_path / "p.parquet", id=ids, pred=labels)
    with pytest.raises(InputError, match=words):
        read_records(path)
    table = open_table(path, Wanted())
    assert table is not None
    with pytest.raises(InputError, match=words):
        table.records(table.cells(1, 3))
    within = save(tmp_path / "q.parquet", id=ids[:2], pred=list(labels)[:1] * 2)
    assert read_records(within).ids == ids[:2]


def test_the_longest_ids_and_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_text, "MAX_CHARACTERS", 10)
    path = save(tmp_path / "p.parquet", id=["é" * 10, "é" * 11], pred=["x", "y"])
    with pytest.raises(InputError, match="row 2: 11 characters in one cell"):
        read_records(path)
    path = save(tmp_path / "p.parquet", id=["é" * 10, "b"], pred=["x", "y"], who=[1, 10**10])
    assert read_records(path).ids == ["é" * 10, "b"]
    with pytest.raises(InputError, match="row 2: 11 characters in one cell"):
        read_records(path, extra=("who",))


def test_what_a_table_has_not(tmp_path: Path) -> None:
    path = save(tmp_path / "p.parquet", name=["a"], openset=["x"], score=[{"a": 1}])
    with pytest.raises(InputError, match="the file has no splits, so none is called 'test'"):
        read_records(path, split="test")
    path = save(tmp_path / "p.parquet", name=["a"], openset=["x"], more=[b"\xff"])
    with pytest.raises(InputError, match=r"column 'more' is of type Binary; expected text"):
        read_records(path, extra=("more",))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_numbering_by_first_occurrence(codes: list[int], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_text, "_CHUNK", chunk)
        numbers, first = parquet_text.first_seen(np.array(codes, dtype=np.int32), 10)
    order = list(dict.fromkeys(codes))
    assert numbers.tolist() == [order.index(code) for code in codes]
    assert first.tolist() == [codes.index(code) for code in order]
