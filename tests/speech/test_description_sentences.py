"""Sentences: every phrase stands in them and says its number."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import RATE, silence, voice, write

from ovbench.speech.describe import Description, describe, put_into_words
from ovbench.speech.describer import Clip, Prosody
from ovbench.speech.levels import LEVELS
from ovbench.speech.measures import UNITS, Measured
from ovbench.speech.statistics import BUILTIN, Statistics, builtin
from ovbench.speech.wording import LANGUAGES, SAID

NORMAL = {name: sum(edges[1:3]) / 2 for name, edges in BUILTIN.items()} | {"pauses": 2.0}


def said(language: str = "en", status: str = "ok", **values: float | None) -> Description:
    measured = Measured(status, NORMAL | values, 3.0)
    return put_into_words(measured, id="x", statistics=builtin(), language=language)


def test_an_ordinary_voice_in_both_languages() -> None:
    assert said().description == (
        "The speaker has a moderate pitch, a normal pitch range, a normal volume, a normally "
        "varied loudness, a normal pace, some pauses, a plain tone and a neutral timbre."
    )
    assert said("es").description == (
        "La persona que habla tiene un tono medio, una entonación normal, un volumen normal, una "
        "intensidad de variación normal, un ritmo normal, algunas pausas, una voz corriente y un "
        "timbre neutro."
    )


def test_an_angry_voice() -> None:
    found = said(
        pitch=260.0, pitch_range=20.0, loudness=-10.0, speaking_rate=5.2, harmonicity=5.0,
        spectral_tilt=-6.0, pauses=1.0, pause_share=0.05, pause_length=0.7, pitch_slope=-9.0,
    )  # fmt: skip
    assert found.description == (
        "The speaker has a very high pitch, a very wide pitch range, a steeply falling melody, a "
        "very loud volume, a normally varied loudness, a fast pace, few pauses that are long, a "
        "rough tone and a bright timbre."
    )


def test_phrases_carry_their_numbers() -> None:
    found = said(pitch=260.0)
    first = found.phrases[0]
    assert first.model_dump() == {
        "text": "a very high pitch",
        "measure": "pitch",
        "value": 260.0,
        "unit": "Hz",
        "level": "very high",
        "reference": "builtin",
    }


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["en", "es"]),
    st.dictionaries(
        st.sampled_from(SAID), st.one_of(st.none(), st.floats(-100, 700)), max_size=len(SAID)
    ),
    st.sampled_from([0.0, 1.0, 5.0]),
)
def test_every_phrase_stands_in_the_sentence_and_has_a_measured_number(
    language: str, values: dict[str, float | None], pauses: float
) -> None:
    found = said(language, pauses=pauses, **values)
    place = 0
    for phrase in found.phrases:
        place = found.description.index(phrase.text, place) + len(phrase.text)
        assert phrase.value == found.measures[phrase.measure]
        assert phrase.unit == UNITS[phrase.measure]
    # What is known is said, unless it is of the kind that is said only where unusual.
    unsaid = set(SAID) - {phrase.measure for phrase in found.phrases}
    for name in unsaid - {"pitch_slope", "pause_length", "voiced_share"}:
        no_pause = name == "pause_share" and pauses == 0
        assert found.measures[name] is None or no_pause


@pytest.mark.parametrize("language", ["en", "es"])
def test_words_differ_from_level_to_level(language: str) -> None:
    words = LANGUAGES[language]
    assert set(words.levels) == set(SAID)
    texts = [text for name in SAID for text in words.levels[name]]
    assert len(set(texts)) == len(texts) == len(SAID) * len(LEVELS)


@pytest.mark.parametrize("value", [-0.5, 0.5])
def test_a_melody_is_never_said_to_rise_where_it_falls(value: float) -> None:
    low = Statistics(source="x", clips=30, corpus={"pitch_slope": (-9.0, -8.0, -7.0, -6.0)})
    high = Statistics(source="x", clips=30, corpus={"pitch_slope": (6.0, 7.0, 8.0, 9.0)})
    for statistics, language in product((low, high), ("en", "es")):
        measured = Measured("ok", NORMAL | {"pitch_slope": value}, 3.0)
        found = put_into_words(measured, id="x", statistics=statistics, language=language)
        text = next(p.text for p in found.phrases if p.measure == "pitch_slope")
        rising = "rising" in text or "asciende" in text
        assert rising == (value > 0)


def test_no_pauses_is_a_number_without_a_level() -> None:
    found = said(pauses=0.0, pause_share=0.0, pause_length=None)
    phrase = next(p for p in found.phrases if p.text == "no pauses")
    assert (phrase.measure, phrase.value, phrase.level, phrase.reference) == (
        *("pauses", 0, None, None),
    )
    assert "no pauses" in found.description


@pytest.mark.parametrize("language", ["en", "es"])
def test_what_is_wrong_with_a_clip_is_said(tmp_path: Path, language: str) -> None:
    sounds = {
        "silent": silence(1.0),
        "too_short": voice(150, 0.2),
        "clipped": np.clip(8 * voice(150, 1.0), -1, 1),
        "unvoiced": 0.1 * np.random.default_rng(0).standard_normal(RATE),
    }
    for status, sound in sounds.items():
        path = write(tmp_path / f"{status}.wav", sound)
        found = describe(path, id=status, statistics=builtin(), language=language)
        assert found.status == status
        assert found.description.startswith(LANGUAGES[language].statuses[status])
        assert found.notes
        assert set(found.measures) == set(UNITS)
        assert 0 not in [found.measures[p.measure] for p in found.phrases if p.measure != "pauses"]
    assert "volum" not in describe(
        tmp_path / "clipped.wav", id="x", statistics=builtin(), language=language
    ).description  # fmt: skip


def test_which_statistics_were_used_is_in_the_record(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", voice(210, 1.0))
    plain = describe(path, id="a", statistics=builtin())
    assert (plain.statistics.kind, plain.statistics.id) == ("builtin", "anyone")
    man = describe(path, id="a", statistics=builtin(), sex="male")
    assert (man.statistics.kind, man.statistics.id) == ("builtin", "male")
    assert plain.phrases[0].text == "a moderate pitch"
    assert man.phrases[0].text == "a very high pitch"
    own = Statistics(
        source="here",
        clips=50,
        corpus={"loudness": (-3.0, -2.0, -1.0, 0.0)},
        speakers={"ann": {"pitch": (220.0, 230.0, 240.0, 250.0)}},
    )
    ann = describe(path, id="a", statistics=own, speaker="ann")
    assert (ann.statistics.kind, ann.statistics.id) == ("speaker", "ann")
    assert ann.statistics.sha256 == own.sha256
    references = {phrase.measure: phrase.reference for phrase in ann.phrases}
    assert ann.phrases[0].text == "a very low pitch"
    assert (references["pitch"], references["loudness"]) == ("speaker", "corpus")
    assert references["spectral_tilt"] == "builtin"
    unknown = describe(path, id="a", statistics=own, speaker="ben")
    assert (unknown.statistics.kind, unknown.statistics.id) == ("corpus", "here")


def test_a_line_comes_back_as_it_was(tmp_path: Path) -> None:
    found = describe(
        write(tmp_path / "a.wav", voice(150, 1.0)), id="ñ\n", statistics=builtin(), language="es"
    )
    line = found.line()
    assert line.count(b"\n") == 1
    assert Description.model_validate_json(line) == found


def test_the_describer_and_its_id(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.wav", voice(150, 1.0)))
    own = Statistics(source="here", clips=50, corpus={"pitch": (1.0, 2.0, 3.0, 4.0)})
    describers = [
        Prosody(builtin()),
        Prosody(builtin(), language="es"),
        Prosody(own),
    ]
    assert len({describer.id for describer in describers}) == 3
    assert Prosody(builtin()).id == describers[0].id
    found = list(describers[2].describe([Clip("b", path), Clip("a", path, sex="male")]))
    assert [one.id for one in found] == ["b", "a"]
    assert found[0].phrases[0].text == "a very high pitch"
