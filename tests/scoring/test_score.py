"""Scoring as a user calls it: ids, choices, what stands beside a score, what must not matter."""

from __future__ import annotations

import json
import random
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ovbench
from ovbench.errors import InputError, UnknownNameError
from ovbench.results import Result

GOLD = {"a": ["joyful"], "b": ["sad", "angry"], "c": ["afraid"], "d": ["neutral"]}
PRED = {"a": "joyful", "b": "[sad]", "c": "['happy', 'scared']", "d": "neutral"}
WORDS = ["happy", "sad", "angry", "afraid", "surprised", "neutral", "disgusted", "proud", "blorp"]


def score(
    pred: object = PRED, gold: object = GOLD, protocol: str = "ew-open-1", **options: object
) -> Result:
    given: dict[str, object] = {"draws": 0, "floors": False} | options
    return ovbench.score(pred, gold, protocol, **given)  # type: ignore[arg-type]


def test_a_case_worked_by_hand() -> None:
    """Per wheel: P = 1, 1, 1/2, 1; R = 1, 1/2, 1, 1 (both gold labels of b are clusters)."""
    result = score()
    for wheel in ("wheel1", "wheel2", "wheel3", "wheel4", "wheel5"):
        found = result.by_wheel[wheel]["level1"]
        assert found["precision"] == pytest.approx(3.5 / 4)
        assert found["recall"] == pytest.approx(3.5 / 4)
        assert found["f1"] == pytest.approx(3.5 / 4)
    assert result.scores["f1"] == pytest.approx(3.5 / 4)
    assert result.headline == "f1"


def test_hit_rate_with_the_precision_it_lacks() -> None:
    result = score(protocol="hit-open-1")
    assert result.scores["hit_rate"] == 1.0
    assert result.scores["precision"] == pytest.approx(3.5 / 4)


def test_missing_predictions_are_an_error_until_told_otherwise() -> None:
    fewer = {key: value for key, value in PRED.items() if key != "c"}
    with pytest.raises(InputError, match=r"'c'|\bc\b"):
        score(fewer)
    wrong, skipped = score(fewer, on_missing="wrong"), score(fewer, on_missing="skip")
    assert (wrong.counts.scored, skipped.counts.scored) == (4, 3)
    assert wrong.counts.missing == skipped.counts.missing == 1
    assert wrong.counts.missing_ids == ("c",)
    assert wrong.scores["recall"] == pytest.approx(2.5 / 4)
    assert skipped.scores["recall"] == pytest.approx(2.5 / 3)
    assert len({wrong.signature, skipped.signature, score().signature}) == 3
    assert any("left out" in warning for warning in skipped.warnings)


def test_extra_ids_are_counted_and_change_nothing() -> None:
    result = score({**PRED, "z": "angry"})
    assert result.scores == score().scores
    assert (result.counts.extra, result.counts.extra_ids) == (1, ("z",))


def test_duplicates_are_an_error_until_told_which_counts() -> None:
    twice = [*PRED.items(), ("a", "sad")]
    with pytest.raises(InputError, match="keep"):
        score(twice)
    assert score(twice, keep="first").scores == score().scores
    assert score(twice, keep="last").scores != score().scores
    assert score(twice, keep="first").signature != score().signature
    assert score(twice, keep="first").counts.duplicate_ids == ("a",)


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(InputError):
        score({"x": "happy"}, on_missing="skip")


def test_statuses_are_counted() -> None:
    odd = {**PRED, "a": "", "c": "The speaker sounds as if he were about to cry, I think."}
    counts = score(odd).counts
    assert (counts.empty, counts.unparsable, counts.scored) == (1, 1, 4)
    assert score(odd).scores["precision"] == pytest.approx(2 / 4)


def test_extract_finds_words_in_sentences_and_stands_in_the_signature() -> None:
    chatty = {**PRED, "c": "The speaker sounds scared and not happy at all."}
    plain, extracted = score(chatty), score(chatty, extract=True)
    assert plain.counts.unparsable == 1
    assert extracted.counts.unparsable == 0
    assert extracted.scores["precision"] == pytest.approx(1.0)
    assert plain.signature != extracted.signature
    with pytest.raises(InputError, match="extract"):
        score(chatty, protocol="group-mer2024", extract=True)


def test_unknown_words_are_listed_with_their_number() -> None:
    result = score({**PRED, "a": "blorp, happy", "b": "blorp"})
    assert result.labels is not None
    unknown = result.labels.prediction
    assert unknown.top == {"blorp": 2}
    assert (unknown.unknown, unknown.occurrences) == (2, 6)
    assert result.wheels["wheel1"]["level1"].prediction_unknown == 1


def test_floors() -> None:
    floors = score(floors=True).floors
    assert set(floors) == {"best_constant", "all_labels", "neutral", "label_shuffled"}
    assert floors["all_labels"]["recall"] == 1.0
    assert floors["neutral"]["precision"] == pytest.approx(1 / 4)
    best = score(floors=True).floor_notes["best_constant"].labels
    constant = score({name: list(best) for name in GOLD})
    assert constant.scores == floors["best_constant"]


def test_shuffled_floor_is_the_mean_over_all_ways_to_deal() -> None:
    """Checked by dealing every answer to every item, which has the same expectation."""
    dealt = [score(dict.fromkeys(GOLD, answer)).scores for answer in PRED.values()]
    shuffled = score(floors=True).floors["label_shuffled"]
    for name in ("precision", "recall"):
        expected = sum(row[name] or 0.0 for row in dealt) / len(dealt)
        assert shuffled[name] == pytest.approx(expected, abs=1e-9)


def big(n: int, seed: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    draw = random.Random(seed)
    gold = {f"i{k}": draw.sample(WORDS[:8], draw.randint(1, 3)) for k in range(n)}
    pred = {
        name: labels if draw.random() < 0.5 else draw.sample(WORDS, draw.randint(1, 3))
        for name, labels in gold.items()
    }
    return gold, pred


def test_intervals_hold_the_score_and_narrow_with_more_items() -> None:
    widths = []
    for n in (50, 800):
        gold, pred = big(n, 1)
        result = score(pred, gold, draws=1000)
        for name, value in result.scores.items():
            interval = result.intervals[name]
            assert value is not None
            assert interval.low is not None
            assert interval.high is not None
            assert interval.low <= value <= interval.high
        f1 = result.intervals["f1"]
        widths.append((f1.high or 0) - (f1.low or 0))
        assert result.interval_method is not None
        assert result.interval_method.units == n
        assert result.detectable_difference is not None
    assert widths[1] < widths[0] / 2.5


def test_comparison_of_a_system_with_itself_and_with_a_worse_one() -> None:
    gold, pred = big(300, 2)
    worse = {name: ["surprised"] for name in gold}
    result = ovbench.score(pred, gold, against=[pred, worse], draws=1000, floors=False)
    same, other = result.comparisons
    assert (same.difference, same.p) == (0.0, 1.0)
    assert other.difference is not None
    assert other.difference > 0.2
    assert other.low is not None
    assert other.low > 0
    assert other.p is not None
    assert other.p_holm == pytest.approx(min(1.0, 2 * other.p))
    assert other.score == result.scores["f1"]


def test_groups_and_clusters(tmp_path: Path) -> None:
    gold, pred = big(60, 3)
    table = tmp_path / "gold.jsonl"
    rows = [
        {"id": name, "labels": labels, "speaker": "AB"[k % 2], "dialogue": f"d{k // 30}"}
        for k, (name, labels) in enumerate(gold.items())
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    result = score(pred, table, draws=500, by="speaker", cluster_by="dialogue")
    assert set(result.groups) == {"A", "B"}
    assert result.groups["A"].items == 30
    alone = score(
        {k: v for i, (k, v) in enumerate(pred.items()) if i % 2 == 0},
        {k: v for i, (k, v) in enumerate(gold.items()) if i % 2 == 0},
    )
    assert result.groups["A"].scores == alone.scores
    assert result.groups["A"].by_wheel == alone.by_wheel
    assert result.groups["A"].warning is None
    assert result.interval_method is not None
    assert (result.interval_method.unit, result.interval_method.units) == ("dialogue", 2)
    small = score(pred, table, by="dialogue", draws=10).groups
    assert {g.items for g in small.values()} == {30}
    rows = rows[:10]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    few = score(pred, table, by="speaker", draws=10)
    assert few.groups["A"].warning is not None
    assert few.groups["A"].intervals == {}
    with pytest.raises(InputError, match="speaker"):
        score(pred, table, by="speakr")


def test_errors_lists_the_worst_items_with_their_traces() -> None:
    worst = score({**PRED, "b": "blorp, proud"}, errors=2).errors
    assert worst[0].id == "b"
    assert worst[0].score == 0.0
    assert worst[0].traces["blorp"]["wheel1/level1"] is None
    assert worst[0].traces["sad"]["wheel1/level1"] == "sad"
    assert worst[1].score is not None
    assert worst[1].score > 0


words = st.lists(st.sampled_from(WORDS), min_size=0, max_size=4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=12), st.randoms())
def test_what_must_not_matter(
    pairs: list[tuple[list[str], list[str]]], draw: random.Random
) -> None:
    gold = {f"i{k}": pair[0] for k, pair in enumerate(pairs)}
    pred = {f"i{k}": pair[1] for k, pair in enumerate(pairs)}
    usual = score(pred, gold, draws=200, floors=True)

    def moved(table: dict[str, list[str]]) -> dict[str, list[str]]:
        names = list(table)
        draw.shuffle(names)
        return {
            name: [word.upper() for word in draw.sample(table[name], len(table[name]))] * 2
            for name in names
        }

    other = score(moved(pred), moved(gold), draws=200, floors=True)
    assert other.scores == usual.scores
    assert other.by_wheel == usual.by_wheel
    assert other.intervals == usual.intervals
    assert {k: v for k, v in other.floors.items() if k != "best_constant"} == {
        k: v for k, v in usual.floors.items() if k != "best_constant"
    }
    swapped = score(gold, pred)
    for wheel, levels in usual.by_wheel.items():
        both = usual.wheels[wheel]["level1"]
        if both.gold_unknown == 0 and swapped.wheels[wheel]["level1"].gold_unknown == 0:
            assert swapped.by_wheel[wheel]["level1"]["recall"] == levels["level1"]["precision"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=9), st.integers(1, 4))
def test_the_stateful_metric_does_not_depend_on_batches(
    pairs: list[tuple[list[str], list[str]]], size: int
) -> None:
    gold = {f"i{k}": pair[0] for k, pair in enumerate(pairs)}
    pred = {f"i{k}": pair[1] for k, pair in enumerate(pairs)}
    metric = ovbench.EmotionWheelF1("ew-open-1")
    for start in range(0, len(pairs), size):
        batch = pairs[start : start + size]
        metric.update([p for _, p in batch], [g for g, _ in batch])
    assert metric.items == len(pairs)
    found = {name: None if isnan(value) else value for name, value in metric.compute().items()}
    assert found == score(pred, gold).scores
    metric.reset()
    assert metric.items == 0


def test_the_stateful_metric_refuses_what_it_cannot_score() -> None:
    with pytest.raises(InputError, match="emotion-wheel"):
        ovbench.EmotionWheelF1("hit-open-1")
    with pytest.raises(InputError, match="2 predictions for 1"):
        ovbench.EmotionWheelF1().update(["a", "b"], ["a"])


def test_closed_set_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = random.Random(4)
    names = ["happy", "sad", "angry", "neutral"]
    gold = {f"i{k}": draw.choice(names) for k in range(200)}
    pred = {name: draw.choice([*names[:3], value]) for name, value in gold.items()}
    result = score(pred, gold, "closed-set", floors=True)
    truth, answers = list(gold.values()), list(pred.values())
    assert result.scores["accuracy"] == metrics.accuracy_score(truth, answers)
    assert result.scores["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(truth, answers), abs=1e-12
    )
    for kind in ("macro", "weighted"):
        expected = metrics.f1_score(truth, answers, average=kind)
        assert result.scores[f"{kind}_f1"] == pytest.approx(expected, abs=1e-12)
    assert result.confusion is not None
    matrix = metrics.confusion_matrix(truth, answers, labels=list(result.confusion.rows))
    assert [list(row[:-1]) for row in result.confusion.counts] == matrix.tolist()
    assert result.floors["majority"]["balanced_accuracy"] == pytest.approx(0.25)


def test_closed_set_answers_outside_the_classes() -> None:
    gold = {"a": "joy", "b": "anger", "c": "sadness"}
    result = score({"a": "happy", "b": "angry, sad", "c": "blorp"}, gold, "closed-set")
    assert result.scores["accuracy"] == pytest.approx(1 / 3)
    assert result.counts.out_of_set == 2
    with pytest.raises(InputError, match="one class"):
        score({"a": "happy"}, {"a": "happy, sad"}, "closed-set")
    with pytest.raises(InputError, match="declared"):
        score(gold, gold, "closed-set", classes="joy,anger")


@pytest.mark.parametrize(
    ("protocol", "right", "scored"),
    [("sentiment-affectgpt", 3, 4), ("sentiment-non0", 3, 4), ("sentiment-has0", 4, 5)],
)
def test_sentiment_rules(protocol: str, right: int, scored: int) -> None:
    gold = {"a": 1.5, "b": -2, "c": 0, "d": -0.5, "e": 0.2}
    pred = {"a": "positive", "b": "negative", "c": "neutral", "d": "neutral", "e": "Positive."}
    if protocol == "sentiment-has0":
        pred["d"] = "mixed"
    result = score(pred, gold, protocol)
    assert result.counts.scored == scored
    assert result.scores["accuracy"] == pytest.approx(right / scored)


def test_all_zero_gold_is_an_error_not_a_crash() -> None:
    with pytest.raises(InputError, match="zero"):
        score({"a": "positive"}, {"a": 0.0}, "sentiment-affectgpt")


def test_an_undefined_score_is_none_and_strict_json(tmp_path: Path) -> None:
    result = score({"a": "blorp"}, {"a": "blorp"}, draws=50, floors=True)
    assert result.scores["f1"] is None
    hit = score({"a": "blorp"}, {"a": "blorp"}, "hit-open-1", draws=50)
    assert hit.scores["hit_rate"] is None
    assert json.loads(hit.to_json(), parse_constant=pytest.fail)["scores"]["hit_rate"] is None


def test_results_round_trip_and_are_the_same_bytes_each_time() -> None:
    gold, pred = big(40, 5)
    results = [score(pred, gold, draws=100, floors=True, errors=3) for _ in range(2)]
    assert results[0].to_json() == results[1].to_json()
    assert Result.model_validate_json(results[0].to_json()) == results[0]


def test_wrong_names_are_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="ew-open-1"):
        score(protocol="ew-open")
    with pytest.raises(TypeError):
        score(drws=3)


def test_groups_resample_clusters_too(tmp_path: Path) -> None:
    gold, pred = big(60, 6)
    table = tmp_path / "gold.jsonl"
    rows = [
        {"id": name, "labels": labels, "all": "x", "dialogue": f"d{k // 10}"}
        for k, (name, labels) in enumerate(gold.items())
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    result = score(pred, table, draws=300, by="all", cluster_by="dialogue")
    assert result.groups["x"].intervals == result.intervals
    assert result.groups["x"].intervals != score(pred, table, draws=300, by="all").intervals
    assert any("values of dialogue (6)" in warning for warning in result.warnings)


def test_gold_that_is_not_scored_is_told() -> None:
    gold = {
        **GOLD,
        "e": "",
        "f": "The speaker sounds as if he were about to cry, I think.",
        "g": "blorp",
    }
    result = score({**PRED, "e": "sad", "f": "sad", "g": "sad"}, gold)
    counts = result.counts
    assert (counts.gold, counts.scored, counts.left_out) == (7, 4, 3)
    assert (counts.gold_empty, counts.gold_unparsable) == (1, 1)
    assert len([w for w in result.warnings if "gold items are" in w]) == 2
    twice = [*GOLD.items(), ("a", "sad")]
    assert score(PRED, twice, keep="first").counts.gold_duplicates == 1


def test_a_wheel_without_gold_is_left_out_and_told() -> None:
    """Disgust has no place on wheels 3 and 5; a perfect answer must not score 60."""
    gold = {f"i{k}": ["disgusted"] for k in range(3)}
    result = score(gold, gold)
    assert result.wheels["wheel3"]["level1"].scored == 0
    assert result.scores["f1"] == 1.0
    assert score(gold, gold, "hit-open-1").scores["hit_rate"] == 1.0
    assert any("wheel3/level1" in warning for warning in result.warnings)


def test_without_draws_nothing_is_drawn() -> None:
    comparison = ovbench.score(PRED, GOLD, against=[PRED], draws=0).comparisons[0]
    assert comparison.difference == 0.0
    assert (comparison.low, comparison.p, comparison.draws) == (None, None, 0)


def test_the_worst_items_do_not_depend_on_the_order() -> None:
    gold, pred = big(80, 7)
    names = sorted(gold, reverse=True)
    usual = score(pred, gold, errors=6).errors
    turned = score({n: pred[n] for n in names}, {n: gold[n] for n in names}, errors=6).errors
    assert usual == turned


def test_floors_of_class_protocols_deal_the_gold_s_classes() -> None:
    from ovbench.scoring import Options, floors_of

    gold = {"a": 1.0, "b": 2.0, "c": -1.0, "d": 0.0}
    report = floors_of(gold, "sentiment-affectgpt", Options())
    assert report.items == 3
    assert report.floors["label_shuffled"]["accuracy"] == pytest.approx((4 + 1) / 9)
    assert "gold" in report.notes["label_shuffled"].description
    with pytest.raises(InputError, match="labels"):
        floors_of(gold, "sentiment-affectgpt", Options(), 2)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "x", None, True])
def test_gold_sentiment_must_be_a_finite_number(value: object) -> None:
    with pytest.raises(InputError, match="sentiment"):
        score({"a": "positive"}, {"a": value}, "sentiment-has0")


def test_named_classes_serve_a_closed_set() -> None:
    gold = {"a": "joy", "b": "anger"}
    result = score(gold, gold, "closed-set", classes="meld")
    assert result.confusion is not None
    assert len(result.confusion.rows) == 7
