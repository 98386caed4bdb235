"""What levels refer to: fitted quantiles, and which population a clip falls back to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError, ValidationError
from ovbench.speech.levels import LEVELS, level_of
from ovbench.speech.measures import UNITS
from ovbench.speech.statistics import (
    BUILTIN,
    BUILTIN_SEXES,
    Sample,
    Statistics,
    builtin,
    fit_statistics,
    read_statistics,
    write_statistics,
)
from ovbench.speech.wording import SAID


def samples(
    values: list[float], measure: str = "pitch", speaker: str | None = None, sex: str | None = None
) -> list[Sample]:
    return [Sample({measure: value}, speaker, sex) for value in values]


def test_the_quantiles_of_a_hundred_and_one_clips_are_its_members() -> None:
    values = np.random.default_rng(0).permutation(np.arange(101.0)).tolist()
    assert fit_statistics(samples(values), "x").corpus == {"pitch": (10.0, 25.0, 75.0, 90.0)}


def test_missing_measures_are_left_out_and_not_zeros() -> None:
    known = samples([200.0 + i for i in range(40)])
    unknown = [Sample({"pitch": None}) for _ in range(100)]
    fitted = fit_statistics([*unknown, *known], "x")
    assert fitted.corpus["pitch"][0] > 200
    assert fitted.clips == 140


def test_a_population_needs_twenty_clips() -> None:
    few = samples([100.0] * 19, speaker="ann", sex="female")
    many = samples([150.0 + i for i in range(20)], speaker="ben", sex="male")
    fitted = fit_statistics([*few, *many], "x")
    assert set(fitted.speakers) == {"ben"}
    assert set(fitted.sexes) == {"male"}
    with pytest.raises(InputError, match="at least 20 training clips"):
        fit_statistics(few, "x")


def test_falling_back_from_speaker_to_sex_to_corpus_to_constants() -> None:
    corpus = {"pitch": (1.0, 2.0, 3.0, 4.0), "loudness": (-40.0, -30.0, -20.0, -10.0)}
    statistics = Statistics(
        source="somewhere",
        clips=99,
        corpus=corpus,
        sexes={"female": {"pitch": (5.0, 6.0, 7.0, 8.0)}},
        speakers={"ann": {"pitch": (9.0, 10.0, 11.0, 12.0)}},
    )
    ann = statistics.reference("pitch", "ann", "female")
    assert (ann.edges[0], ann.kind, ann.name) == (9.0, "speaker", "ann")
    eve = statistics.reference("pitch", "eve", "female")
    assert (eve.edges[0], eve.kind, eve.name) == (5.0, "sex", "female")
    ben = statistics.reference("pitch", "ben", "male")
    assert (ben.edges[0], ben.kind, ben.name) == (1.0, "corpus", "somewhere")
    # The speaker's own table lacks the measure.
    assert statistics.reference("loudness", "ann", "female").kind == "corpus"
    rate = statistics.reference("speaking_rate", "ann", "female")
    assert (rate.edges, rate.kind) == (BUILTIN["speaking_rate"], "builtin")
    assert statistics.reference("pauses", "ann", "female") is None


def test_the_constants_know_the_sexes_for_pitch_alone() -> None:
    assert builtin().reference("pitch", None, "male").edges == BUILTIN_SEXES["male"]["pitch"]
    assert builtin().reference("pitch", None, None).edges == BUILTIN["pitch"]
    assert builtin().reference("harmonicity", None, "male").edges == BUILTIN["harmonicity"]


def test_every_measure_that_is_spoken_of_has_constants_in_rising_order() -> None:
    assert set(BUILTIN) == set(SAID) <= set(UNITS)
    for edges in [*BUILTIN.values(), *(e for t in BUILTIN_SEXES.values() for e in t.values())]:
        assert list(edges) == sorted(set(edges))


def test_constants_where_the_literature_puts_them() -> None:
    # IEMOCAP's means, as SpeechCueLLM reports them, are normal.
    assert level_of(200.8, BUILTIN["pitch"]) == "normal"
    assert level_of(3.96, BUILTIN["speaking_rate"]) == "normal"
    assert level_of(9.0, BUILTIN["harmonicity"]) == "normal"
    assert level_of(58.8 + 20 * np.log10(2e-5), BUILTIN["loudness"]) == "normal"
    # dataspeech's middle bins: 12 % of a range of seven.
    for sex, low, high in (("male", 64.7, 183.7), ("female", 120.0, 270.0)):
        bins = np.linspace(low, high, 8)
        edges = BUILTIN_SEXES[sex]["pitch"]
        assert edges == pytest.approx(bins[[1, 2, 5, 6]], abs=0.06)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4).map(sorted),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
)
def test_levels_rise_with_values(edges: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    of = tuple(edges)
    assert LEVELS.index(level_of(low, of)) <= LEVELS.index(level_of(high, of))
    assert level_of(edges[1], of) == level_of(edges[2], of) == "normal"


def test_five_levels_hold_what_quantiles_promise() -> None:
    values = np.random.default_rng(0).normal(200, 40, 5000)
    edges = fit_statistics(samples(values.tolist()), "x").corpus["pitch"]
    counts = dict.fromkeys(LEVELS, 0)
    for value in values:
        counts[level_of(value, edges)] += 1
    shares = [counts[level] / 5000 for level in LEVELS]
    assert shares == pytest.approx([0.10, 0.15, 0.50, 0.15, 0.10], abs=0.001)


def test_where_all_are_alike_all_are_normal() -> None:
    edges = fit_statistics(samples([3.0] * 30), "x").corpus["pitch"]
    assert level_of(3.0, edges) == "normal"
    assert level_of(3.1, edges) == "very high"


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    fitted = fit_statistics(
        samples([100.0 + i for i in range(50)], speaker="Señora Ñ", sex="female"), "task x, train"
    )
    write_statistics(tmp_path / "s.json", fitted)
    again = read_statistics(tmp_path / "s.json")
    assert again == fitted
    assert again.sha256 == fitted.sha256


def test_the_hash_is_of_everything() -> None:
    base = Statistics(source="a", clips=1, corpus={"pitch": (1.0, 2.0, 3.0, 4.0)})
    others = [
        base.model_copy(update=change)
        for change in (
            {"source": "b"},
            {"clips": 2},
            {"corpus": {"pitch": (1.0, 2.0, 3.0, 4.5)}},
            {"sexes": {"male": {}}},
            {"speakers": {"ann": {}}},
            {"quantiles": (0.2, 0.25, 0.75, 0.9)},
        )
    ]
    assert len({statistics.sha256 for statistics in [base, *others]}) == 7


def damaged() -> list[tuple[str, str]]:
    good = {"source": "a", "clips": 1, "corpus": {"pitch": [1, 2, 3, 4]}}
    return [
        ("no JSON", "{"),
        ("a list", "[]"),
        ("falling", json.dumps(good | {"corpus": {"pitch": [4, 3, 2, 1]}})),
        ("three", json.dumps(good | {"corpus": {"pitch": [1, 2, 3]}})),
        ("unknown", json.dumps(good | {"corpus": {"pich": [1, 2, 3, 4]}})),
        ("not a number", json.dumps(good | {"corpus": {"pitch": [1, 2, 3, float("nan")]}})),
        ("another key", json.dumps(good | {"speaker": {}})),
        ("another version", json.dumps(good | {"version": 2})),
    ]


@pytest.mark.parametrize(("what", "text"), damaged(), ids=[what for what, _ in damaged()])
def test_damaged_files_are_refused(tmp_path: Path, what: str, text: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValidationError, match=r"s\.json.*ovbench describe --fit"):
        read_statistics(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_statistics(tmp_path / "s.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_statistics(tmp_path)
