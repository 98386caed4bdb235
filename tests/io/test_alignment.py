"""Missing, extra and repeated ids."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError
from ovbench.io.align import align
from ovbench.io.read import read_records
from ovbench.io.records import Records


def records(ids: list[str], name: str = "gold") -> Records:
    return read_records([(i, str(row)) for row, i in enumerate(ids)], role=name)  # type: ignore[arg-type]


def test_same_ids() -> None:
    found = align(records(["b", "a"], "prediction"), records(["b", "a"]))
    assert found.rows.tolist() == found.gold_rows.tolist() == [0, 1]
    assert (found.missing, found.extra, found.duplicates, found.gold_duplicates) == ([], [], [], [])


def test_missing_and_extra() -> None:
    predictions, gold = records(["x", "c", "a"], "prediction"), records(["a", "b", "c", "d"])
    with pytest.raises(InputError, match=r"prediction for 2 of 4 items: 'b', 'd'; .*--on-missing"):
        align(predictions, gold)
    for choice in ("wrong", "skip"):
        found = align(predictions, gold, on_missing=choice)  # type: ignore[arg-type]
        assert found.rows.tolist() == [2, -1, 1, -1]
        assert found.gold_rows.tolist() == [0, 1, 2, 3]
        assert (found.missing, found.extra) == (["b", "d"], ["x"])


def test_ids_are_text() -> None:
    with pytest.raises(InputError, match="no id is also in gold in memory: there '001', here '1'"):
        align(records(["1", "2"], "prediction"), records(["001", "002"]), on_missing="skip")


def test_many_missing_are_cut_short() -> None:
    gold = records([str(i) for i in range(100)])
    with pytest.raises(InputError, match="for 98 of 100 items: '1', '2', '3', '4', '6' …"):
        align(records(["0", "5"], "prediction"), gold)


@pytest.mark.parametrize("side", ["prediction", "gold"])
def test_duplicates(side: str) -> None:
    twice, once = ["a", "b", "a", "c", "b", "a"], ["a", "b", "c"]
    sides = (records(once, "prediction"), records(twice))
    if side == "prediction":
        sides = (records(twice, "prediction"), records(once))
    with pytest.raises(InputError, match=rf"{side} in memory, row 3: 2 ids come more.*'a', 'b'"):
        align(*sides)
    thrice = records(["a", "a", "a"], side)
    with pytest.raises(InputError, match=f"{side} in memory, row 2: 1 id comes"):
        align(*((thrice, records(["a"])) if side == "prediction" else (records(["a"]), thrice)))
    for keep, expected in (("first", [0, 1, 3]), ("last", [5, 4, 3])):
        found = align(*sides, keep=keep)  # type: ignore[arg-type]
        if side == "prediction":
            assert (found.rows.tolist(), found.gold_rows.tolist()) == (expected, [0, 1, 2])
            assert (found.duplicates, found.gold_duplicates) == (["a", "b"], [])
        else:
            assert (found.rows.tolist(), found.gold_rows.tolist()) == ([0, 1, 2], expected)
            assert (found.duplicates, found.gold_duplicates) == ([], ["a", "b"])


def test_same_ids_with_duplicates() -> None:
    twice = ["a", "b", "a"]
    with pytest.raises(InputError, match="gold in memory, row 3: 1 id comes more than once"):
        align(records(twice, "prediction"), records(twice))
    found = align(records(twice, "prediction"), records(twice), keep="last")
    assert found.rows.tolist() == found.gold_rows.tolist() == [2, 1]
    assert found.duplicates == found.gold_duplicates == ["a"]


IDS = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=9)


@settings(max_examples=200, deadline=None)
@given(IDS, IDS, st.sampled_from(["first", "last"]))
def test_against_the_definition(predicted: list[str], gold: list[str], keep: str) -> None:
    def row(ids: list[str], name: str) -> int:
        rows = [i for i, x in enumerate(ids) if x == name]
        return -1 if not rows else rows[0] if keep == "first" else rows[-1]

    names = list(dict.fromkeys(gold))
    if not set(predicted) & set(gold):
        with pytest.raises(InputError, match="no id is also"):
            align(records(predicted, "prediction"), records(gold), on_missing="wrong", keep=keep)  # type: ignore[arg-type]
        return
    found = align(records(predicted, "prediction"), records(gold), on_missing="wrong", keep=keep)  # type: ignore[arg-type]
    assert found.rows.tolist() == [row(predicted, name) for name in names]
    assert found.gold_rows.tolist() == [row(gold, name) for name in names]
    assert found.missing == [name for name in names if name not in predicted]
    assert found.extra == [name for name in dict.fromkeys(predicted) if name not in gold]
    again = [x for i, x in enumerate(predicted) if x in predicted[:i]]
    assert found.duplicates == list(dict.fromkeys(again))
    again = [x for i, x in enumerate(gold) if x in gold[:i]]
    assert found.gold_duplicates == list(dict.fromkeys(again))
