"""One odd prediction against gold [happy, sad], and odd files: what the official scorers give.

Where the official code crashes, ours counts a status (``unparsable``) and scores an empty answer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import ovbench
from ovbench.errors import InputError
from ovbench.results import Result

NAN = math.nan
NOTHING = (NAN, 0.0, 0.0)
HALF = (2 / 3, 1.0, 0.5)
ALL = (1.0, 1.0, 1.0)
CRASH = "crash"

# What the authors' code of 2025 printed for [F, P, R] of each input
ANSWERS: dict[str, tuple[Any, Any]] = {
    "empty string": ("", NOTHING),
    "brackets only": ("[]", NOTHING),
    "quoted empty": ("['']", NOTHING),
    "None": (None, NOTHING),
    "NaN": (NAN, NOTHING),
    "lone bracket [": ("[", CRASH),
    "lone bracket ]": ("]", NOTHING),
    "space + list": (" [happy, sad]", HALF),
    "list + space": ("[happy, sad] ", HALF),
    "python list literal": ("['happy', 'sad']", ALL),
    "unquoted": ("[happy, sad]", ALL),
    "bare": ("happy, sad", ALL),
    "single bare word": ("happy", HALF),
    "Chinese comma": ("[happy，sad]", NOTHING),
    "Chinese enumeration comma": ("[happy、sad]", NOTHING),
    "semicolon": ("happy; sad", NOTHING),
    "newline": ("happy\nsad", NOTHING),
    "numbered": ("1. happy\n2. sad", NOTHING),
    "apostrophe inside double quotes": ('["don\'t care", "sad"]', HALF),
    "curly apostrophe": ("[don’t care, sad]", HALF),
    "escaped quote": ("['it\\'s ok', 'sad']", HALF),
    "nested list string": ("[['happy', 'joyful'], ['sad']]", ALL),
    "nested list object": ([["happy"], ["sad"]], CRASH),
    "UPPERCASE": ("[HAPPY, Sad]", ALL),
    "trailing period inside": ("[happy., sad.]", NOTHING),
    "trailing period outside": ("[happy, sad].", HALF),
    "trailing newline": ("[happy, sad]\n", HALF),
    "and-joined": ("happy and sad", NOTHING),
    "phrase": ("[nervous excitement, sad]", HALF),
    "double space phrase": ("[at  ease, sad]", HALF),
    "nbsp": ("[\xa0happy\xa0, sad]", ALL),
    "zero width": ("[hap\u200bpy, sad]", HALF),
    "fullwidth": ("[ｈａｐｐｙ, sad]", HALF),
    "np.str_": (np.str_("[happy, sad]"), ALL),
    "0-d ndarray str": (np.array("[happy, sad]"), ALL),
    "1-d ndarray": (np.array(["happy", "sad"]), ALL),
    "object ndarray": (np.array(["happy", None], dtype=object), CRASH),
    "dict": ({"openset": ["happy"]}, CRASH),
    "int": (3, CRASH),
    "float": (0.5, CRASH),
    "True": (True, CRASH),
    "list with None": (["happy", None], CRASH),
    "list with int": (["happy", 3], CRASH),
    "list with spaces": ([" happy ", "SAD"], ALL),
    "duplicates": ("[happy, happy, joyful, sad]", ALL),
    "neutral only": ("[neutral]", NOTHING),
    "literal nan": ("nan", NOTHING),
    "JSON object": ('{"openset": ["happy"]}', HALF),
    "markdown bold": ("**happy**, sad", HALF),
    "10k labels": (["happy", "sad", "angry"] * 3333 + ["happy"], (0.8, 2 / 3, 1.0)),
}


def score(
    pred: object, gold: object, protocol: str = "ew-affectgpt-2025", **more: object
) -> Result:
    given: dict[str, Any] = {"draws": 0, "floors": False} | more
    return ovbench.score(pred, gold, protocol, **given)  # type: ignore[arg-type]


def fpr(result: Result) -> tuple[float, ...]:
    found = (result.scores[name] for name in ("f1", "precision", "recall"))
    return tuple(NAN if value is None else value for value in found)


@pytest.mark.usefixtures("official")
@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize("protocol", ["ew-affectgpt-2025", "ew-mer2026"])
def test_one_odd_answer(case: str, protocol: str) -> None:
    answer, expected = ANSWERS[case]
    result = score({"a": answer}, {"a": ["happy", "sad"]}, protocol)
    if expected == CRASH:
        assert result.counts.unparsable == 1
        expected = NOTHING
    else:
        assert result.counts.unparsable == 0
    if protocol == "ew-mer2026":
        expected = tuple(0.0 if math.isnan(value) else value for value in expected)
    assert fpr(result) == pytest.approx(expected, abs=1e-9, nan_ok=True)


SCENARIOS: dict[str, tuple[Any, Any, tuple[float, ...], tuple[float, ...]]] = {
    "all predictions wrong": ({"a": "angry"}, {"a": "happy"}, NOTHING, (0.0, 0.0, 0.0)),
    "all gold unknown": ({"a": "happy"}, {"a": "neutral"}, (NAN, NAN, NAN), (0.0, 0.0, 0.0)),
    "one gold empty": ({"a": "happy", "b": "sad"}, {"a": "happy", "b": ""}, ALL, ALL),
    "neutral right beside one": (
        {"a": "happy", "b": "neutral"}, {"a": "happy", "b": "neutral"}, ALL, ALL,
    ),
    "unknown words are free": ({"a": "happy, blorp, zzz, qqq"}, {"a": "happy"}, ALL, ALL),
    "fear against fear": ({"a": "fear"}, {"a": "fear"}, ALL, ALL),
    "fear against afraid": ({"a": "afraid, scared"}, {"a": "fear"}, (NAN, 0.2, 0.2), ALL),
    "fear against joyful": ({"a": "joyful"}, {"a": "fear"}, (NAN, 0.4, 0.4), (0.0, 0.0, 0.0)),
}  # fmt: skip


@pytest.mark.usefixtures("official")
@pytest.mark.parametrize("case", SCENARIOS)
def test_scenarios(case: str) -> None:
    pred, gold, in_2025, in_2026 = SCENARIOS[case]
    assert fpr(score(pred, gold)) == pytest.approx(in_2025, abs=1e-9, nan_ok=True)
    assert fpr(score(pred, gold, "ew-mer2026")) == pytest.approx(in_2026, abs=1e-9, nan_ok=True)


HITS: dict[str, tuple[Any, Any, tuple[float, float]]] = {
    "several gold labels exceed 1": ("happy, sad, angry", "[happy, sad, angry]", (3.0, 0.0)),
    "capitalised gold is no candidate": ("happy", "Happy", (1.0, 0.0)),
    "lower case": ("happy", "happy", (1.0, 1.0)),
    "neutral only": ("neutral", "neutral", (NAN, NAN)),
    "every label listed": ("happy, sad, angry", "happy", (1.0, 1.0)),
    "fear, happy": ("happy", "fear", (0.4, 0.4)),
    "fear, afraid": ("afraid", "fear", (0.2, 0.2)),
    "fear, fearful": ("fearful", "fear", (0.2, 0.2)),
}


@pytest.mark.usefixtures("official")
@pytest.mark.parametrize("case", HITS)
def test_hit_rate(case: str) -> None:
    pred, gold, expected = HITS[case]
    result = score({"a": pred}, {"a": gold}, "hit-affectgpt-2025")
    found = [result.scores[name] for name in ("hit_rate", "mscore")]
    values = [NAN if value is None else value for value in found]
    assert values == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.usefixtures("official")
def test_over_prediction_costs_a_hit_rate_nothing() -> None:
    gold = {"a": "happy", "b": "sad", "c": "angry"}
    result = score(dict.fromkeys(gold, "happy, sad, angry"), gold, "hit-affectgpt-2025")
    assert result.scores["hit_rate"] == pytest.approx(1.0)
    assert result.scores["mscore"] == pytest.approx(1 / 3, abs=1e-9)


@pytest.mark.usefixtures("official")
def test_their_key_errors_are_messages() -> None:
    with pytest.raises(InputError, match="'b'"):
        score({"a": "happy"}, {"a": "happy", "b": ""})
    with pytest.raises(InputError, match="level9"):
        score({"a": "happy"}, {"a": "happy"}, ovbench.load_protocol("ew-mer2026").model_copy(
            update={"rings": ("wheel1/level9",)}
        ))  # type: ignore[arg-type]  # fmt: skip
    numbers = score({1: "happy"}, {"1": "happy"})  # type: ignore[dict-item]
    assert fpr(numbers) == ALL


SENTIMENTS = {
    "exact": ({"a": "positive", "b": "negative"}, {"a": 1.0, "b": -1.0}, 1.0),
    "case and period": ({"a": "Positive", "b": "positive."}, {"a": 1.0, "b": 1.0}, 0.0),
    "neutral is negative": ({"a": "neutral"}, {"a": -1.0}, 1.0),
}


@pytest.mark.parametrize("case", SENTIMENTS)
def test_sentiment(case: str) -> None:
    pred, gold, accuracy = SENTIMENTS[case]
    assert score(pred, gold, "sentiment-affectgpt").scores["accuracy"] == accuracy
