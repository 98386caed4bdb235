"""Floors: constants by brute force, shuffled answers by every possible shuffle."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from slow_reference import World, f1, ones, precision_recall, worlds
from slow_reference import hit_rate as slow_hit_rate

from ovbench.errors import InputError
from ovbench.metrics import categorical, emotion_wheel, floors, hit_rate

CLASSES = ("a", "b", "c")


def wheel_metric(world: World):
    return emotion_wheel.metric([f"r{r}" for r in range(len(world.n_clusters))], zero="zero")


def slow_f1(world: World, labels: tuple[int, ...]) -> float:
    total = 0.0
    for r in range(len(world.n_clusters)):
        gold = world.sets(world.gold, r)
        scores = precision_recall(gold, world.sets([list(labels)] * len(gold), r))
        value = f1(*scores)
        total += 0.0 if math.isnan(value) else value
    return total / len(world.n_clusters)


def best(world: World, k: int, metric, name: str) -> floors.Constant:
    return floors.best_constant(
        world.bits(world.gold),
        ones(len(world.gold)),
        world.codes,
        world.n_clusters,
        k,
        metric,
        name,
    )


@settings(max_examples=40)
@given(worlds(min_items=1), st.integers(1, 3))
def test_the_best_constant_is_the_best_of_all(world: World, k: int) -> None:
    assume((world.codes >= 0).any())
    metric = wheel_metric(world)
    found = best(world, k, metric, "f1")
    every = [
        slow_f1(world, labels)
        for size in range(1, k + 1)
        for labels in itertools.combinations(range(len(world.codes)), size)
    ]
    score = metric.scores(found.sums.astype(float))["f1"]
    assert score == pytest.approx(max(every), abs=1e-12)
    assert score == pytest.approx(slow_f1(world, found.labels), abs=1e-12)
    assert 1 <= len(found.labels) <= k


# No gold on the second ring, which is then left out of the mean.
@example(World([1, 1], np.array([[0, -1]], dtype=np.int32), [[0]], [None]), 1)
@settings(max_examples=20)
@given(worlds(min_items=1), st.integers(1, 3))
def test_the_best_constant_for_hits(world: World, k: int) -> None:
    assume((world.codes >= 0).any())
    rings = [f"r{r}" for r in range(len(world.n_clusters))]
    metric = hit_rate.metric(rings, hit="any")
    score = metric.scores(best(world, k, metric, "hit_rate").sums.astype(float))["hit_rate"]
    every = []
    for size in range(1, k + 1):
        for labels in itertools.combinations(range(len(world.codes)), size):
            of_rings = []
            for r in range(len(rings)):
                gold = world.sets(world.gold, r)
                pred = world.sets([list(labels)] * len(gold), r)
                of_rings.append(slow_hit_rate(gold, pred, count=False))
            defined = [one for one in of_rings if not math.isnan(one)]
            every.append(sum(defined) / len(defined) if defined else math.nan)
    assert score == pytest.approx(max(every), abs=1e-12, nan_ok=True)


def many_labels(seed: int) -> World:
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, 12, (40, 2)).astype(np.int32)
    gold = [rng.integers(0, 40, rng.integers(1, 5)).tolist() for _ in range(200)]
    return World([12, 12], codes, gold, list(gold))


@pytest.mark.parametrize("seed", range(3))
def test_the_beam_finds_what_all_combinations_have(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = many_labels(seed)
    metric = wheel_metric(world)
    exact = best(world, 3, metric, "f1")  # 10,700 combinations
    monkeypatch.setattr(floors, "EXHAUSTIVE", 0)
    beam = best(world, 3, metric, "f1")
    scores = [metric.scores(c.sums.astype(float))["f1"] for c in (exact, beam)]
    assert scores[1] <= scores[0]
    assert scores[1] == pytest.approx(scores[0], rel=0.01)


def cover() -> World:
    """Label 0 is in the gold of four of six items; 1 and 2, in three each, are in all six."""
    gold = [[0, 1], [0, 1], [0, 2], [0, 2], [1], [2]]
    return World([3], np.arange(3, dtype=np.int32)[:, None], gold, [[]] * 6)


@pytest.mark.parametrize(("most", "labels"), [(6, (1, 2)), (5, (0, 1))])
def test_as_many_combinations_as_are_allowed_are_tried(
    most: int, labels: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three labels at most two make six; one fewer allowed, and a beam of one goes astray."""
    monkeypatch.setattr(floors, "EXHAUSTIVE", most)
    monkeypatch.setattr(floors, "BEAM", 1)
    metric = hit_rate.metric(["r"], hit="any")
    assert best(cover(), 2, metric, "hit_rate").labels == labels


def test_a_beam_keeps_as_many_as_it_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "EXHAUSTIVE", 0)
    metric = hit_rate.metric(["r"], hit="any")
    for width, labels in ((1, (0, 1)), (2, (1, 2))):
        monkeypatch.setattr(floors, "BEAM", width)
        assert best(cover(), 2, metric, "hit_rate").labels == labels


def test_the_fewest_labels_of_equal_answers() -> None:
    world = World([2], np.array([[0], [1]], dtype=np.int32), [[0, 1], [0]], [[], []])
    metric = hit_rate.metric(["r"], hit="any")
    assert best(world, 2, metric, "hit_rate").labels == (0,)


@pytest.mark.parametrize("k", [1, 2])
def test_the_first_of_equal_answers(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([40], np.arange(40, dtype=np.int32)[:, None], [[i] for i in range(40)], [[]] * 40)
    metric = hit_rate.metric(["r"], hit="any")
    assert best(world, k, metric, "hit_rate").labels == tuple(range(k))
    monkeypatch.setattr(floors, "EXHAUSTIVE", 0)
    monkeypatch.setattr(floors, "BEAM", 3)
    assert best(world, k, metric, "hit_rate").labels == tuple(range(k))
    monkeypatch.setattr(floors, "MOST_SETS", k)  # of equally frequent sets, the first
    assert best(world, k, metric, "hit_rate").labels == tuple(range(k))


def test_the_first_of_many_that_are_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    # 300 labels, every other one right twice: here NumPy's usual sort begins with the last of them
    codes = np.arange(300, dtype=np.int32)[:, None]
    gold = [[label] for label in range(300) for _ in range(label % 2 + 1)]
    world = World([300], codes, gold, [[]] * len(gold))
    metric = hit_rate.metric(["r"], hit="any")
    assert best(world, 1, metric, "hit_rate").labels == (1,)
    # Of equally frequent sets those of the smallest masks are looked at: no cluster below 256.
    monkeypatch.setattr(floors, "MOST_SETS", 1)
    assert best(world, 1, metric, "hit_rate").labels == (257,)


def test_the_search_looks_at_the_most_frequent_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    # 0 alone is the most frequent set, but 1 is in more items
    gold = [[0], [0], [0], [1, 2], [1, 2], [1, 3], [1, 3], [2]]
    world = World([4], np.arange(4, dtype=np.int32)[:, None], gold, [[]] * 8)
    metric = hit_rate.metric(["r"], hit="any")
    assert best(world, 1, metric, "hit_rate").labels == (1,)
    monkeypatch.setattr(floors, "MOST_SETS", 1)
    found = best(world, 1, metric, "hit_rate")
    assert found.labels == (0,)
    assert metric.scores(found.sums.astype(float))["hit_rate"] == 3 / 8


@pytest.mark.parametrize("n", [1, 2, 5])
def test_states_are_all_sets_of_a_size_in_order(n: int) -> None:
    states = np.empty((1, 0), dtype=np.int64)
    for size in range(1, n + 1):
        states = floors._extended(states, n)
        assert [tuple(state) for state in states] == [*itertools.combinations(range(n), size)]


def test_sums_are_of_all_gold_even_where_the_search_looks_at_a_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = many_labels(1)
    monkeypatch.setattr(floors, "MOST_SETS", 5)
    metric = wheel_metric(world)
    found = best(world, 2, metric, "f1")
    assert metric.scores(found.sums.astype(float))["f1"] == pytest.approx(
        slow_f1(world, found.labels), abs=1e-12
    )


def test_labels_with_equal_clusters_are_one_candidate() -> None:
    codes = np.array([[-1], [1], [0], [1], [0]], dtype=np.int32)
    world = World([2], codes, [[1], [3], [1, 2]], [[], [], []])
    assert best(world, 1, wheel_metric(world), "f1").labels == (1,)
    # a second label lowers F here, and three labels are not needed where one is best
    assert best(world, 3, wheel_metric(world), "f1").labels == (1,)


def test_an_undefined_score_is_not_the_best() -> None:
    world = World([2], np.array([[0], [1]], dtype=np.int32), [[1], [1]], [[], []])
    metric = emotion_wheel.metric(["r"], zero="nan")  # answering label 0 scores NaN
    assert best(world, 1, metric, "f1").labels == (1,)


def test_no_label_to_choose() -> None:
    world = World([2], np.array([[-1]], dtype=np.int32), [[0]], [[]])
    with pytest.raises(InputError, match="constant answer"):
        best(world, 1, wheel_metric(world), "f1")


@pytest.mark.parametrize(
    "masks",
    [
        [[4095], [1], [4095], [0], [2]],
        [[4096], [1], [4095], [4096]],  # cluster 12: one too many for a table of twelve
        [[2**63], [2**63 + 1], [2**63]],
        [[1, 0], [0, 1], [1, 2], [0, 1], [1, 0], [0, 0]],  # few clusters, in both words
    ],
    ids=["table", "just beyond", "high", "two words"],
)
def test_different_sets_and_their_items(masks: list[list[int]]) -> None:
    weight = 2**53 + 1 + np.arange(len(masks))
    expected: dict[tuple[int, ...], int] = {}
    for mask, items in zip(masks, weight.tolist(), strict=True):
        expected[tuple(mask)] = expected.get(tuple(mask), 0) + items
    sets, counts = floors.distinct_sets(np.array(masks, dtype=np.uint64), weight)
    found = dict(zip(map(tuple, sets.tolist()), counts.tolist(), strict=True))
    assert list(found) == sorted(expected)
    assert found == expected
    assert (sets.dtype, counts.dtype) == (np.uint64, np.int64)


def test_no_sets() -> None:
    for words in (1, 2):
        nothing = np.zeros((0, words), dtype=np.uint64)
        sets, counts = floors.distinct_sets(nothing, ones(0))
        assert (sets.shape, counts.shape) == ((0, words), (0,))


# -- shuffled answers


@settings(max_examples=25)
@given(worlds(min_items=1).filter(lambda w: len(w.gold) <= 5))
def test_the_expectation_is_the_mean_over_all_shuffles(world: World) -> None:
    metric, n = wheel_metric(world), len(world.gold)
    pred = [labels or [] for labels in world.pred]
    gold_bits, pred_bits = world.bits(world.gold), world.bits(pred)
    expected = floors.expected_shuffled(gold_bits, ones(n), pred_bits, ones(n), metric)
    every = [
        metric.statistics(
            World(world.n_clusters, world.codes, world.gold, [pred[i] for i in order]).counts(),
            ones(n),
        ).totals()
        for order in itertools.permutations(range(n))
    ]
    assert expected == pytest.approx(np.mean(every, axis=0), rel=1e-12)


@settings(max_examples=50)
@given(worlds(min_items=1))
def test_sums_by_cluster_are_the_sums_by_pair(world: World) -> None:
    n = len(world.gold)
    gold_bits = world.bits(world.gold)
    pred_bits = world.bits([labels or [] for labels in world.pred])
    weight = np.arange(1, n + 1) * 1000
    by_pair = floors.expected_shuffled(
        gold_bits, weight, pred_bits, weight[::-1], wheel_metric(world)
    )
    by_cluster = emotion_wheel.expected_sums(
        emotion_wheel.gold_marginals(gold_bits, weight), pred_bits, weight[::-1]
    )
    assert by_cluster == pytest.approx(by_pair, rel=1e-12)


def test_expectations_are_rounded_once_however_many_items() -> None:
    # products above 2**63: gold {0, 1}, {0}, {}; answers {0, 2}, {0, 1, 2}, {}
    world = World(
        [3], np.arange(3, dtype=np.int32)[:, None], [[0, 1], [0], []], [[0, 2], [0, 1, 2], []]
    )
    gold_weight = np.array([2**34 + 3, 2**33 + 5, 7], dtype=np.int64)
    pred_weight = np.array([2**31 + 1, 2**34 + 9, 11], dtype=np.int64)
    (both, only, _), (a, b, c) = (list(map(int, w)) for w in (gold_weight, pred_weight))
    half, third, scale = (emotion_wheel.SCALE // k for k in (2, 3, 1))
    precision = a * (both + only) * half + b * (both * 2 + only) * third
    recall = a * (both * half + only * scale) + b * (both * scale + only * scale)
    expected = [both + only, *(float(Fraction(total, a + b + c)) for total in (precision, recall))]
    gold_bits, pred_bits = world.bits(world.gold), world.bits(world.pred)
    marginals = emotion_wheel.gold_marginals(gold_bits, gold_weight)
    assert emotion_wheel.expected_sums(marginals, pred_bits, pred_weight).tolist() == expected
    by_pair = floors.expected_shuffled(
        gold_bits, gold_weight, pred_bits, pred_weight, wheel_metric(world)
    )
    assert by_pair.tolist() == expected
    constants = floors.constant_sums(gold_bits, gold_weight, pred_bits, wheel_metric(world))
    assert constants.dtype == np.int64
    assert constants[0].tolist() == [
        both + only, (both + only) * half, both * half + only * scale
    ]  # fmt: skip


def test_the_example_of_the_floors_docstring() -> None:
    world = World([2], np.array([[0], [1]], dtype=np.int32), [[0], [1]], [[0], [0, 1]])
    metric = wheel_metric(world)
    bits = world.bits(world.gold), world.bits(world.pred)
    scores = metric.scores(floors.expected_shuffled(bits[0], ones(2), bits[1], ones(2), metric))
    assert scores["precision"] == pytest.approx(1 / 2)
    assert scores["recall"] == pytest.approx(3 / 4)
    constant = best(world, 1, metric, "f1")
    assert constant.labels == (0,)
    assert metric.scores(constant.sums.astype(float))["f1"] == pytest.approx(1 / 2)


def test_no_answers_to_shuffle() -> None:
    world = World([1], np.array([[0]], dtype=np.int32), [[0]], [[0]])
    bits = world.bits(world.gold)
    nothing = np.zeros(1, dtype=np.int64)
    with pytest.raises(InputError, match="no answers"):
        floors.expected_shuffled(bits, ones(1), bits, nothing, wheel_metric(world))
    with pytest.raises(InputError, match="no answers"):
        emotion_wheel.expected_sums(emotion_wheel.gold_marginals(bits, ones(1)), bits, nothing)


# -- closed sets


def test_constant_and_shuffled_classes() -> None:
    gold, predicted = np.array([0, 0, 0, 1]), np.array([0, 1, -1, 1])
    stats = categorical.statistics(gold, predicted, ones(4), CLASSES)
    for code in range(3):
        constant = categorical.statistics(gold, np.full(4, code), ones(4), CLASSES)
        sums = floors.constant_class(stats.totals(), code)
        assert np.array_equal(sums, constant.totals())
    every = [
        categorical.statistics(gold, predicted[list(order)], ones(4), CLASSES).totals()
        for order in itertools.permutations(range(4))
    ]
    assert floors.shuffled_classes(stats.totals()) == pytest.approx(np.mean(every, axis=0))
    one = categorical.statistics(gold[:1], predicted[:1], ones(1), CLASSES).totals()
    assert floors.shuffled_classes(one).tolist() == one.tolist(), "one answer is dealt to its item"
    nothing = np.zeros(9, dtype=np.int64)
    assert floors.shuffled_classes(nothing).tolist() == [0.0] * 9
