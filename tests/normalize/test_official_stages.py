"""The three official stages, one at a time, on tables small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from ovbench.normalize.normalizer import UNKNOWN
from ovbench.normalize.official import (
    FormatLemmatizer,
    OfficialWheels,
    SynonymTable,
    build_normalizer,
)
from ovbench.normalize.table_content import OfficialTables, from_json


@pytest.fixture(scope="module")
def tables() -> OfficialTables:
    """One wheel with content, four with a single word that no label here reaches."""
    wheel = {
        "level1": {"glad": "glad", "merry": "glad", "low": "low", "blue": "low"},
        "level2": {"glad": "merry", "merry": "merry", "low": "blue", "blue": "blue"},
    }
    spare = {level: {"angry": "angry", "zealous": "angry"} for level in ("level1", "level2")}
    return from_json(
        {
            "forms": {"jolly": ["merry", "calm"], "calm": ["calm"], "merry": ["merry", "merry"]},
            "synonyms": {"calm": ["zealous", "low"], "merry": ["merry", "low", "glad"]},
            "wheels": {"wheel1": wheel} | {f"wheel{number}": spare for number in range(2, 6)},
        },
        where="test",
    )


def test_the_first_stage_lists_base_words_by_alphabet(tables: OfficialTables) -> None:
    stage = FormatLemmatizer(tables)
    assert [lemma.word for lemma in stage.lemmatize("jolly")] == ["calm", "merry"]
    assert [lemma.word for lemma in stage.lemmatize("merry")] == ["merry"]
    assert stage.lemmatize("Jolly") == stage.lemmatize("jollity") == stage.lemmatize("") == ()


def test_the_second_stage_joins_and_remembers_the_base_word(tables: OfficialTables) -> None:
    lemmas = FormatLemmatizer(tables).lemmatize("jolly")
    reached = [(c.word, c.lemma) for c in SynonymTable(tables).merge(lemmas)]
    assert reached == [("glad", "merry"), ("low", "calm"), ("merry", "merry"), ("zealous", "calm")]
    assert SynonymTable(tables).merge(()) == ()


def test_the_third_stage_takes_the_first_on_the_wheel(tables: OfficialTables) -> None:
    trace = build_normalizer(tables).trace("jolly")
    decided = {
        ring.key: (trace.cluster(index), trace.placements[index].word)
        for index, ring in enumerate(trace.rings)
    }
    assert decided["case1/words"] == ("calm", "calm")
    assert decided["case2/words"] == ("low", "low"), "glad comes from another base word"
    assert decided["wheel1/level1"] == ("glad", "glad")
    assert decided["wheel1/level2"] == ("merry", "glad")
    assert decided["wheel5/level1"] == ("angry", "zealous")


def test_twelve_rings_with_sorted_clusters(tables: OfficialTables) -> None:
    rings = OfficialWheels(tables).rings
    wheels = [f"wheel{number}/level{level}" for number in range(1, 6) for level in (1, 2)]
    assert [ring.key for ring in rings] == ["case1/words", "case2/words", *wheels]
    assert [ring.clusters for ring in rings[:4]] == [
        ("calm", "merry"),
        ("glad", "low"),
        ("glad", "low"),
        ("blue", "merry"),
    ]


def test_labels_off_a_wheel_are_unknown_there_only(tables: OfficialTables) -> None:
    codes = build_normalizer(tables).map(["merry", "nothing", "merry"]).codes
    assert codes.dtype == np.int32
    assert (codes[1] == UNKNOWN).all()
    assert (codes[0] == codes[2]).all()
    assert codes[0].tolist() == [1, 0, 0, 1] + [UNKNOWN] * 8


def test_the_signature_names_tables_and_hash(tables: OfficialTables) -> None:
    name = f"tables-{tables.hash[:8]}@{tables.hash[:8]}"
    assert build_normalizer(tables).signature == {"lemma": name, "synonym": name, "wheel": name}
