"""Label lists made a column at a time are the label lists made cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.io.labels import LabelLists, LabelParser, Status, get_parser, parse_cells
from ovbench.io.records import Cell

pl = pytest.importorskip("polars")

WORDS = ["happy", " sad", "Angry", "'joy'", '"at ease"', "", " ", "[", "]", "[happy", "sad]"]
ODD = [
    "don't care",
    "a and b",
    "none",
    "nan",
    "1. happy",
    "x: happy",
    "the speaker is sad",
    "é\xa0",
]
TEXTS = (
    st.lists(st.sampled_from(WORDS + ODD), max_size=6).map(",".join)
    | st.lists(st.sampled_from(WORDS), max_size=4).map(lambda words: f"[{', '.join(words)}]")
    | st.text(st.sampled_from("[]'\",;. \n\x1c\xa0\u200b，aAİn-_1"), max_size=12)
)


def one_by_one(cells: list[Cell], parser: LabelParser) -> LabelLists:
    """The definition, with no shortcut: every cell through ``parse``."""
    vocabulary: dict[str, int] = {}
    parsed = [parser.parse(cell) for cell in cells]
    codes = [vocabulary.setdefault(x, len(vocabulary)) for p in parsed for x in p.labels]
    offsets = np.cumsum([0] + [len(p.labels) for p in parsed])
    status = np.array([p.status for p in parsed], dtype=np.uint8)
    return LabelLists(list(vocabulary), np.array(codes, dtype=np.int32), offsets, status)


def same(a: LabelLists, b: LabelLists) -> bool:
    return (
        a.vocabulary == b.vocabulary
        and np.array_equal(a.labels, b.labels)
        and np.array_equal(a.offsets, b.offsets)
        and np.array_equal(a.status, b.status)
        and (a.labels.dtype, a.offsets.dtype, a.status.dtype) == (np.int32, np.int64, np.uint8)
    )


PARSERS = [get_parser(name) for name in ("affectgpt", "mer2024", "open")]
PARSERS.append(get_parser("open+extract", known_words=frozenset(["sad"])))


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS | st.none(), max_size=12))
def test_text_columns(cells: list[Cell]) -> None:
    from ovbench.io.parquet import SeriesCells

    column = SeriesCells(pl.Series("x", cells, dtype=pl.String))
    assert list(column) == cells
    for parser in PARSERS:
        expected = one_by_one(cells, parser)
        assert same(parse_cells(cells, parser), expected), parser.id
        assert same(parse_cells(column, parser), expected), parser.id


@settings(max_examples=150, deadline=None)
@given(st.lists(st.none() | st.lists(TEXTS | st.sampled_from(WORDS) | st.none(), max_size=4)))
def test_list_columns(lists: list[list[str | None] | None]) -> None:
    from ovbench.io.parquet import SeriesCells

    cells: list[Cell] = [None if x is None else tuple(x) for x in lists]
    column = SeriesCells(pl.Series("x", lists, dtype=pl.List(pl.String)))
    assert list(column) == cells
    for parser in PARSERS:
        expected = one_by_one(cells, parser)
        assert same(parse_cells(cells, parser), expected), parser.id
        assert same(parse_cells(column, parser), expected), parser.id


def test_long_lists_and_late_duplicates() -> None:
    from ovbench.io.parquet import SeriesCells

    words = [f"word{chr(97 + i)}" for i in range(26)]
    lists = [words[:15] + words[:1], words[:16] + words[:1], words + words, words[:3]]
    cells: list[Cell] = [f"[{', '.join(x)}]" for x in lists]
    column = SeriesCells(pl.Series("x", cells))
    found = parse_cells(column, get_parser("open"))
    assert np.diff(found.offsets).tolist() == [15, 16, 26, 3]
    assert same(found, one_by_one(cells, get_parser("open")))


def test_values() -> None:
    found = parse_cells(["[happy, sad]", "[]", "[sad]", 3], get_parser("affectgpt"))
    assert found.vocabulary == ["happy", "sad"]
    assert found.labels.tolist() == [0, 1, 1]
    assert found.offsets.tolist() == [0, 2, 2, 3, 3]
    assert found.status.tolist() == [Status.OK, Status.EMPTY, Status.OK, Status.UNPARSABLE]
