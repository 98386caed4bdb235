"""Classes and sentiment, with scikit-learn as the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from slow_reference import ones

from ovbench.errors import InputError
from ovbench.metrics import categorical, sentiment

CLASSES = ("angry", "happy", "neutral", "sad")
codes = st.integers(-1, len(CLASSES) - 1)


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-12)


def scores_of(gold: list[int], predicted: list[int]) -> dict[str, float]:
    arrays = np.array(gold, dtype=np.int64), np.array(predicted, dtype=np.int64)
    return categorical.statistics(*arrays, ones(len(gold)), CLASSES).scores()


def test_the_example_of_the_categorical_docstring() -> None:
    scores = scores_of([0, 0, 1, 2], [0, 1, 1, -1])
    assert scores["accuracy"] == close(1 / 2)
    assert scores["balanced_accuracy"] == close(1 / 2)
    assert scores["macro_f1"] == close(4 / 9)
    assert scores["weighted_f1"] == close(1 / 2)


@settings(max_examples=50)
@given(st.lists(st.tuples(codes, codes), min_size=1, max_size=40))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    scored = [(g, p) for g, p in pairs if g >= 0]
    scores = scores_of([g for g, _ in pairs], [p for _, p in pairs])
    if not scored:
        assert math.isnan(scores["accuracy"])
        return
    gold, predicted = ([pair[side] for pair in scored] for side in (0, 1))
    seen = sorted({code for pair in scored for code in pair if code >= 0})
    assert scores["accuracy"] == close(sk.accuracy_score(gold, predicted))
    macro = {"average": "macro", "zero_division": 0}
    in_gold = sorted(set(gold))
    assert scores["balanced_accuracy"] == close(
        sk.recall_score(gold, predicted, labels=in_gold, **macro)
    )
    assert scores["macro_f1"] == close(sk.f1_score(gold, predicted, labels=seen, **macro))
    assert scores["weighted_f1"] == close(
        sk.f1_score(gold, predicted, labels=seen, average="weighted", zero_division=0)
    )
    per_class = sk.precision_recall_fscore_support(
        gold, predicted, labels=range(len(CLASSES)), zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1", "support"), per_class, strict=True):
        for label, value in zip(CLASSES, values, strict=True):
            assert scores[f"{name}@{label}"] == close(value)


@given(st.lists(st.tuples(codes, codes, st.integers(0, 5)), max_size=40))
def test_confusion_and_weights(rows: list[tuple[int, int, int]]) -> None:
    gold, predicted, weight = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    expected = np.zeros((4, 5), dtype=np.int64)
    for g, p, w in rows:
        if g >= 0:
            expected[g, p if p >= 0 else 4] += w
    found = categorical.confusion(gold, predicted, weight, 4)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)
    stats = categorical.statistics(gold, predicted, weight, CLASSES)
    assert stats.values.dtype == np.int64
    right, support, answers = stats.totals().reshape(3, 4)
    assert np.array_equal(right, np.diag(expected))
    assert np.array_equal(support, expected.sum(axis=1))
    assert np.array_equal(answers, expected[:, :4].sum(axis=0))


def test_many_sums_at_once_finish_as_one_by_one() -> None:
    sums = np.random.default_rng(0).integers(0, 5, (7, 12)).astype(float)
    together = categorical.finish_classes(sums, classes=CLASSES)
    for row, one in enumerate(sums):
        alone = categorical.finish_classes(one, classes=CLASSES)
        for name, value in alone.items():
            assert float(value) == float(together[name][row])


def test_codes_outside_the_classes_are_refused() -> None:
    for gold, predicted in (([4], [0]), ([0], [4]), ([-2], [0]), ([0], [-2])):
        with pytest.raises(InputError, match="class code"):
            scores_of(gold, predicted)
    with pytest.raises(InputError, match="2 gold classes and 1 answers"):
        categorical.statistics(np.array([0, 1]), np.array([0]), ones(2), CLASSES)


# -- sentiment

ANSWERS = [sentiment.NEGATIVE, sentiment.NEUTRAL, sentiment.POSITIVE, sentiment.OTHER]


@pytest.mark.parametrize(("rule", "accuracy"), [("affectgpt", 1), ("non0", 1 / 3), ("has0", 1 / 4)])
def test_the_example_of_the_sentiment_docstring(rule, accuracy) -> None:
    gold = np.array([1.5, -2, 0, -1])
    answers = np.array([1, 0, -1, 2])
    assert sentiment.statistics(gold, answers, ones(4), rule).scores()["accuracy"] == close(
        accuracy
    )


values = st.sampled_from([-3.0, -0.2, -0.0, 0.0, 0.4, 3.0])
items = st.lists(st.tuples(values, st.sampled_from(ANSWERS)), min_size=1, max_size=30)


@settings(max_examples=50)
@given(items)
def test_affectgpt_rule_is_the_official_code(pairs: list[tuple[float, int]]) -> None:
    gold, answers = (np.array(column) for column in zip(*pairs, strict=True))
    scores = sentiment.statistics(gold, answers, ones(len(gold)), "affectgpt").scores()
    # evaluation-scoreonly.py: unknown answers become 0, zero gold is dropped, then > 0 on both
    value = np.where(answers == sentiment.OTHER, 0, answers)
    kept = gold != 0
    if not kept.any():
        assert math.isnan(scores["weighted_f1"])
        return
    truth, answer = gold[kept] > 0, value[kept] > 0
    assert scores["accuracy"] == close(sk.accuracy_score(truth, answer))
    assert scores["weighted_f1"] == close(
        sk.f1_score(truth, answer, average="weighted", zero_division=0)
    )


@settings(max_examples=50)
@given(items)
def test_other_rules_count_non_answers_as_wrong(pairs: list[tuple[float, int]]) -> None:
    gold, answers = (np.array(column) for column in zip(*pairs, strict=True))
    for rule in ("non0", "has0"):
        scores = sentiment.statistics(gold, answers, ones(len(gold)), rule).scores()
        kept = gold != 0 if rule == "non0" else np.full(len(gold), True)
        names = {-1: "negative", 1: "positive", 2: "neither"}
        names[0] = "neither" if rule == "non0" else "positive"
        truth = ["positive" if g > 0 or (g == 0 and rule == "has0") else "negative" for g in gold]
        truth = [t for t, k in zip(truth, kept, strict=True) if k]
        answer = [names[a] for a, k in zip(answers.tolist(), kept, strict=True) if k]
        if not truth:
            assert math.isnan(scores["accuracy"])
            continue
        assert scores["accuracy"] == close(sk.accuracy_score(truth, answer))
        weighted = sk.f1_score(truth, answer, average="weighted", zero_division=0)
        assert scores["weighted_f1"] == close(weighted)


@pytest.mark.parametrize(
    ("rule", "of_0"), [("affectgpt", "positive"), ("non0", "positive"), ("has0", "nonnegative")]
)
def test_names_of_the_two_classes(rule: sentiment.Rule, of_0: str) -> None:
    # two of three negative items right, and the one that is above 0
    gold, answers = np.array([-1.0, -0.1, -2.0, 3.0]), np.array([-1, -1, 1, 1])
    scores = sentiment.statistics(gold, answers, ones(4), rule).scores()
    assert {name for name in scores if "@" in name} == {
        f"{what}@{name}"
        for what in ("precision", "recall", "f1", "support")
        for name in ("negative", of_0)
    }
    assert (scores["recall@negative"], scores["support@negative"]) == (close(2 / 3), 3)
    assert (scores[f"recall@{of_0}"], scores[f"precision@{of_0}"]) == (1, close(1 / 2))


def test_unusable_sentiments() -> None:
    scores = sentiment.statistics(np.array([np.nan, 1.0]), np.array([1, 1]), ones(2), "has0")
    assert scores.scores()["support@nonnegative"] == 1
    with pytest.raises(InputError, match="sentiment code"):
        sentiment.answer_codes(np.array([3]), "non0")
