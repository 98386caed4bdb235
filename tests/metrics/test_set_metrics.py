"""WF, HiT and MER2024's metric: by hand, against the slow reference, and their invariances."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_reference import World, f1, mscore, ones, precision_recall, worlds
from slow_reference import hit_rate as slow_hit_rate

from ovbench.errors import InputError, UnknownNameError
from ovbench.metrics import emotion_wheel, floors, group, hit_rate
from ovbench.metrics.bits import SetCounts, set_counts
from ovbench.metrics.rings import averaged

NAN = pytest.approx(math.nan, nan_ok=True)


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-12, nan_ok=True)


def counts_of(rows: list[tuple[int, int, int]]) -> SetCounts:
    """|G∩P|, |G|, |P| of items on one ring."""
    table = np.array(rows, dtype=np.int32).reshape(-1, 3)
    return SetCounts(table[:, :1], table[:, 1:2], table[:, 2:])


def wheel(counts: SetCounts, zero: str = "nan", rings: int = 1, **more: object) -> dict[str, float]:
    names = [f"wheel{r + 1}/level1" for r in range(rings)]
    weight = ones(len(counts.both))
    return emotion_wheel.statistics(counts, weight, names, zero=zero, **more).scores()


# -- the emotion-wheel metric


def test_the_example_of_the_emotion_wheel_docstring() -> None:
    scores = wheel(counts_of([(1, 2, 1), (1, 1, 3)]))
    assert scores["precision"] == close(2 / 3)
    assert scores["recall"] == close(3 / 4)
    assert scores["f1"] == close(12 / 17)


@settings(max_examples=50)
@given(worlds())
def test_emotion_wheel_equals_its_definition(world: World) -> None:
    rings = len(world.n_clusters)
    scores = wheel(world.counts(), rings=rings)
    found = []
    for r in range(rings):
        p, q = precision_recall(world.sets(world.gold, r), world.sets(world.pred, r))
        found.append((f1(p, q), p, q))
        for name, value in zip(("f1", "precision", "recall"), found[-1], strict=True):
            assert scores[f"{name}@wheel{r + 1}/level1"] == close(value)
    for name, values in zip(("f1", "precision", "recall"), zip(*found, strict=True), strict=True):
        assert scores[name] == close(sum(values) / rings)
        assert scores[f"{name}_level1"] == close(sum(values) / rings)


@settings(max_examples=50)
@given(worlds())
def test_our_rule_leaves_out_the_rings_on_which_nothing_was_asked(world: World) -> None:
    rings = len(world.n_clusters)
    scores = wheel(world.counts(), "omit", rings)
    kept: list[tuple[float, float, float]] = []
    for r in range(rings):
        gold, pred = world.sets(world.gold, r), world.sets(world.pred, r)
        found = precision_recall(gold, pred)
        ring = f"wheel{r + 1}/level1"
        if any(gold):
            value = f1(*found)
            kept.append((0.0 if math.isnan(value) else value, *found))
            assert scores[f"f1@{ring}"] == close(kept[-1][0])
        else:
            assert scores[f"f1@{ring}"] == NAN
    for at, name in enumerate(("f1", "precision", "recall")):
        expected = sum(values[at] for values in kept) / len(kept) if kept else math.nan
        assert (scores[name], scores[f"{name}_level1"]) == (close(expected), close(expected))


@settings(max_examples=50)
@given(worlds())
def test_zero_rule_differs_from_nan_rule_only_where_that_is_nan(world: World) -> None:
    rings = len(world.n_clusters)
    nan, zero = (wheel(world.counts(), rule, rings) for rule in ("nan", "zero"))
    for name in nan:
        if "@" in name:
            assert zero[name] == (0.0 if math.isnan(nan[name]) else nan[name])


@pytest.mark.parametrize(
    ("rows", "nan_rule", "zero_rule"),
    [
        ([(0, 1, 1)], (NAN, 0, 0), (0, 0, 0)),  # all wrong
        ([(0, 2, 0)], (NAN, 0, 0), (0, 0, 0)),  # nothing answered
        ([(0, 0, 2)], (NAN, NAN, NAN), (0, 0, 0)),  # no gold item counted
        ([], (NAN, NAN, NAN), (0, 0, 0)),
        ([(0, 0, 2), (1, 1, 1)], (1, 1, 1), (1, 1, 1)),  # gold without clusters is skipped
    ],
)
def test_edges_of_the_emotion_wheel(rows, nan_rule, zero_rule) -> None:
    for rule, expected in (("nan", nan_rule), ("zero", zero_rule)):
        scores = wheel(counts_of(rows), rule)
        assert (scores["f1"], scores["precision"], scores["recall"]) == expected


def test_headline_and_levels() -> None:
    # F per ring: 1, 1/2, 0 (precision and recall equal on each)
    counts = SetCounts(np.array([[2, 1, 0]]), np.array([[2, 2, 2]]), np.array([[2, 2, 2]]))
    rings = ["a/level1", "b/level1", "a/level2"]
    score = lambda **more: emotion_wheel.statistics(  # noqa: E731
        counts, ones(1), rings, zero="zero", **more
    ).scores()
    assert score()["f1"] == close(1 / 2)
    assert score(headline=["a/level1", "b/level1"])["f1"] == close(3 / 4)
    assert score(headline=["a/level2"])["f1"] == 0
    assert (score()["f1_level1"], score()["f1_level2"]) == (close(3 / 4), 0)
    with pytest.raises(UnknownNameError, match="a/level3"):
        score(headline=["a/level3"])
    with pytest.raises(InputError, match="no ring"):
        score(headline=[])
    for none in (None, []):
        with pytest.raises(InputError, match="no ring"):
            emotion_wheel.metric([], zero="zero", headline=none)
        with pytest.raises(InputError, match="no ring"):
            hit_rate.metric([], hit="any", headline=none)


def test_the_level_is_what_follows_the_last_slash() -> None:
    by_ring = {"f1": [np.array(float(k)) for k in range(4)]}
    rings = ["a/b/level1", "c/level1", "a/b/level2", "plain"]
    scores = averaged(by_ring, rings, ["c/level1"], omit_undefined=False)
    assert {name: float(value) for name, value in scores.items()} == {
        "f1": 1,
        "f1_level1": 1 / 2,
        "f1_level2": 2,
        "f1@a/b/level1": 0,
        "f1@c/level1": 1,
        "f1@a/b/level2": 2,
        "f1@plain": 3,
    }


def test_undefined_rings_in_averages() -> None:
    values = {"f1": [np.array([1.0, np.nan]), np.array([np.nan, np.nan]), np.array([0.5, 2.0])]}
    for omit, expected in ((False, [np.nan, np.nan]), (True, [0.75, 2.0])):
        for names in (["a/l", "b/l", "c/l"], ["a", "b", "c"]):
            scores = averaged(values, names, None, omit_undefined=omit)
            assert scores["f1"].tolist() == pytest.approx(expected, nan_ok=True)
            assert np.isnan(averaged(values, names, names[1:2], omit_undefined=omit)["f1"]).all()
            if "/" in names[0]:
                assert scores["f1_l"].tolist() == pytest.approx(expected, nan_ok=True)


def test_counts_and_rings_must_agree() -> None:
    with pytest.raises(InputError, match="rings"):
        wheel(counts_of([(1, 1, 1)]), rings=2)


def test_a_row_that_is_not_counted_is_kept_and_changes_nothing() -> None:
    counts = counts_of([(1, 1, 1), (0, 1, 2), (1, 2, 2)])
    part = emotion_wheel.statistics(
        counts, ones(3), ["r"], zero="nan", counted=np.array([True, False, True])
    )
    assert len(part.values) == 3
    assert part.scores() == wheel_of([(1, 1, 1), (1, 2, 2)])


def wheel_of(rows: list[tuple[int, int, int]]) -> dict[str, float]:
    return emotion_wheel.statistics(counts_of(rows), ones(len(rows)), ["r"], zero="nan").scores()


@settings(max_examples=50)
@given(worlds(min_items=1), st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_matter(world: World, rng) -> None:
    rings = len(world.n_clusters)
    before = wheel(world.counts(), rings=rings)
    items = list(zip(world.gold, world.pred, strict=True))
    rng.shuffle(items)

    def again(labels: list[int] | None) -> list[int] | None:
        if labels is None:
            return None
        doubled = labels + labels[:2]
        rng.shuffle(doubled)
        return doubled

    shuffled = replace(world, gold=[again(g) for g, _ in items], pred=[again(p) for _, p in items])
    after = wheel(shuffled.counts(), rings=rings)
    assert repr(after) == repr(before)  # to the bit, NaN included


@settings(max_examples=50)
@given(worlds(min_items=1))
def test_swapping_gold_and_prediction_swaps_precision_and_recall(world: World) -> None:
    full = [(g, p or []) for g, p in zip(world.gold, world.pred, strict=True)]
    one, other = world.codes[:, 0], world
    both_known = [
        (g, p)
        for g, p in full
        if any(one[label] >= 0 for label in g) and any(one[label] >= 0 for label in p)
    ]
    there = replace(other, gold=[g for g, _ in both_known], pred=[p for _, p in both_known])
    back = replace(other, gold=there.pred, pred=there.gold)
    scores = [wheel(w.counts(), rings=len(w.n_clusters)) for w in (there, back)]
    ring = "wheel1/level1"
    assert scores[0][f"precision@{ring}"] == close(scores[1][f"recall@{ring}"])
    assert scores[0][f"f1@{ring}"] == close(scores[1][f"f1@{ring}"])


@settings(max_examples=50)
@given(worlds(min_items=1), st.integers(0, 9), st.integers(0, 11))
def test_a_further_label_never_lowers_recall_and_a_wrong_one_never_raises_precision(
    world: World, label: int, item: int
) -> None:
    label, item = label % len(world.codes), item % len(world.gold)
    more = [list(p or []) for p in world.pred]
    more[item].append(label)
    rings = len(world.n_clusters)
    before = wheel(world.counts(), rings=rings)
    after = wheel(replace(world, pred=more).counts(), rings=rings)
    for r in range(rings):
        name = f"wheel{r + 1}/level1"
        if math.isnan(before[f"recall@{name}"]):
            continue
        assert after[f"recall@{name}"] >= before[f"recall@{name}"]
        if world.codes[label, r] not in world.sets(world.gold, r)[item]:
            assert after[f"precision@{name}"] <= before[f"precision@{name}"]


# -- the hit rate


def test_the_example_of_the_hit_rate_docstring() -> None:
    counts, within = counts_of([(1, 1, 3), (2, 2, 2)]), np.array([[2], [2]])
    official = hit_rate.statistics(counts, ones(2), ["r"], hit="count", in_candidates=within)
    ours = hit_rate.statistics(counts, ones(2), ["r"], hit="any")
    assert official.scores()["hit_rate"] == close(3 / 2)
    assert official.scores()["mscore"] == close(3 / 4)
    assert ours.scores()["hit_rate"] == close(1)
    assert ours.scores()["precision"] == close(2 / 3)
    assert "precision" not in official.scores()


@settings(max_examples=50)
@given(worlds(), st.sets(st.integers(0, 199)))
def test_hit_rate_equals_its_definition(world: World, candidates: set[int]) -> None:
    counts = world.counts()
    n, rings = len(world.gold), [f"w{r}/level1" for r in range(len(world.n_clusters))]
    sets = [(world.sets(world.gold, r), world.sets(world.pred, r)) for r in range(len(rings))]
    within = np.array([[len(p & candidates) for p in pred] for _, pred in sets], dtype=int).T
    official = hit_rate.statistics(
        counts, ones(n), rings, hit="count", in_candidates=within.reshape(n, len(rings))
    ).scores()
    ours = hit_rate.statistics(counts, ones(n), rings, hit="any").scores()
    for ring, (gold, pred) in zip(rings, sets, strict=True):
        assert official[f"hit_rate@{ring}"] == close(slow_hit_rate(gold, pred, count=True))
        assert official[f"mscore@{ring}"] == close(mscore(gold, pred, candidates))
        assert ours[f"hit_rate@{ring}"] == close(slow_hit_rate(gold, pred, count=False))
        assert ours[f"precision@{ring}"] == close(precision_recall(gold, pred)[0])
    # A ring on which no item has a gold cluster is left out of the mean.
    defined = [s for r in rings if not np.isnan(s := ours[f"hit_rate@{r}"])]
    assert ours["hit_rate"] == close(sum(defined) / len(defined) if defined else np.nan)


def test_naming_every_class_hits_everything_and_shows_in_the_precision() -> None:
    # seven classes, one gold class per item, all seven answered
    counts = counts_of([(1, 1, 7)] * 4)
    scores = hit_rate.statistics(counts, ones(4), ["r"], hit="any").scores()
    assert scores["hit_rate"] == 1
    assert scores["precision"] == close(1 / 7)


def hits(counts: SetCounts, **options: object) -> dict[str, float]:
    rows, rings = counts.both.shape
    return hit_rate.statistics(counts, ones(rows), ["a", "b"][:rings], **options).scores()


def two_rings() -> tuple[SetCounts, np.ndarray]:
    """Two items on rings a and b, and |P∩C|: hits 1/2 and 1, precisions 1/2 and 3/4."""
    both, pred = np.array([[1, 1], [0, 2]]), np.array([[1, 2], [2, 2]])
    return SetCounts(both, np.array([[1, 1], [1, 2]]), pred), np.array([[1, 1], [1, 2]])


@pytest.mark.parametrize(("hit", "hits_of_b"), [("count", 3 / 2), ("any", 1)])
def test_headline_of_the_hit_rate(hit: hit_rate.Hit, hits_of_b: float) -> None:
    counts, within = two_rings()
    for candidates, name, precision in ((None, "precision", 3 / 4), (within, "mscore", 1)):
        score = partial(hits, counts, hit=hit, in_candidates=candidates)
        assert score()["hit_rate"] == close((1 / 2 + hits_of_b) / 2)
        assert score(headline=["b"])["hit_rate"] == close(hits_of_b)
        assert score(headline=["b"])[name] == close(precision)
        assert score(headline=["b"])["hit_rate@a"] == close(1 / 2)
        assert score(counted=np.array([True, False]))["hit_rate@a"] == 1
        assert score(counted=np.array([False, True]))["hit_rate@a"] == 0
        with pytest.raises(UnknownNameError, match="c"):
            score(headline=["c"])


def test_a_ring_without_gold_ends_the_official_mean_and_not_ours() -> None:
    counts, within = two_rings()
    counts = replace(counts, gold=counts.gold * [1, 0], both=counts.both * [1, 0])
    official = hits(counts, hit="count", in_candidates=within)
    ours = hits(counts, hit="any")
    assert (official["hit_rate"], official["mscore"]) == (NAN, NAN)
    assert (ours["hit_rate"], ours["precision"]) == (1 / 2, 1 / 2)


# -- MER2024's group metric


def test_the_example_of_the_group_docstring() -> None:
    scores = group.statistics(counts_of([(1, 2, 1), (1, 1, 2)]), ones(2)).scores()
    assert scores == {"precision": close(3 / 4), "recall": close(3 / 4), "score": close(3 / 4)}


def test_group_score_is_an_arithmetic_mean() -> None:
    scores = group.statistics(counts_of([(1, 4, 1)]), ones(1)).scores()
    assert scores["score"] == close((1 + 1 / 4) / 2)


def test_edges_of_the_group_metric() -> None:
    empty_prediction = group.statistics(counts_of([(1, 1, 1), (0, 2, 0)]), ones(2)).scores()
    assert empty_prediction["score"] == close(1 / 2)
    empty_gold = group.statistics(counts_of([(1, 1, 1), (0, 0, 3)]), ones(2)).scores()
    assert empty_gold["score"] == close(1)
    both_empty = group.statistics(counts_of([(1, 1, 1), (0, 0, 0)]), ones(2)).scores()
    assert both_empty["score"] == close(1 / 2)
    left_out = np.array([True, False])
    assert group.statistics(counts_of([(1, 1, 1), (0, 2, 0)]), ones(2), left_out).scores() == (
        group.statistics(counts_of([(1, 1, 1)]), ones(1)).scores()
    )
    everybody = np.array([True, True])
    assert group.statistics(counts_of([(1, 1, 1), (0, 0, 3)]), ones(2), everybody).scores() == (
        empty_gold
    )
    assert group.statistics(counts_of([]), ones(0)).scores()["score"] == NAN


def test_group_metric_has_no_rings() -> None:
    two = np.ones((1, 2), dtype=np.int32)
    with pytest.raises(InputError, match=r"\(rows, 1\)"):
        group.statistics(SetCounts(two, two, two), ones(1))


# -- sums


@settings(max_examples=25)
@given(worlds(min_items=1), st.lists(st.integers(0, 5), min_size=12, max_size=12))
def test_weights_stand_for_repeated_rows(world: World, repeats: list[int]) -> None:
    counts, rings = world.counts(), [f"r{r}" for r in range(len(world.n_clusters))]
    weight = np.array(repeats[: len(world.gold)], dtype=np.int64)
    rows = np.repeat(np.arange(len(weight)), weight)
    repeated = SetCounts(counts.both[rows], counts.gold[rows], counts.pred[rows])
    metric = emotion_wheel.metric(rings, zero="nan")
    weighted = metric.statistics(counts, weight)
    spelled_out = metric.statistics(repeated, ones(len(rows)))
    assert np.array_equal(weighted.totals(), spelled_out.totals())
    assert np.array_equal(weighted.distinct().totals(), spelled_out.totals())
    assert np.array_equal(metric.totals(counts, weight), spelled_out.totals())


def test_sums_are_exact_beyond_the_integers_of_floats() -> None:
    # 16 times an odd number, above 2**57: no float64 holds it
    counts, weight = counts_of([(1, 3, 7), (2, 2, 2)]), np.array([2**33 + 1, 2**31 + 1])
    third, seventh, whole = (emotion_wheel.SCALE // k for k in (3, 7, 1))
    n = [int(w) for w in weight]
    expected = [sum(n), n[0] * seventh + n[1] * whole, n[0] * third + n[1] * whole]
    metric = emotion_wheel.metric(["r"], zero="nan")
    assert metric.totals(counts, weight).tolist() == expected
    for stats in (
        metric.statistics(counts, weight),
        group.statistics(counts, weight),
    ):
        assert stats.values.dtype == np.int64
        assert stats.totals().tolist() == expected
        assert stats.distinct().totals().tolist() == expected
    hits = hit_rate.statistics(counts, weight, ["r"], hit="count")
    assert hits.totals().tolist() == [sum(n), n[0] + 2 * n[1], expected[1]]


def test_a_ring_on_one_side_only_is_an_error_and_not_left_out() -> None:
    one, two = ([np.array([[k]], dtype=np.uint64)] * k for k in (1, 2))
    at = np.array([0])
    metric = emotion_wheel.metric(["a", "b"], zero="nan")
    for gold, pred in ((one, two), (two, one)):
        with pytest.raises(ValueError, match="zip"):
            set_counts(gold, pred, at, at)
        with pytest.raises(ValueError, match="zip"):
            emotion_wheel.expected_sums(emotion_wheel.gold_marginals(gold, ones(1)), pred, ones(1))
        with pytest.raises(ValueError, match="zip"):
            floors.constant_sums(gold, ones(1), pred, metric)
    wide = [np.array([[1, 0]], dtype=np.uint64)]  # a ring of other size
    with pytest.raises(ValueError, match="zip"):
        emotion_wheel.expected_sums(emotion_wheel.gold_marginals(one, ones(1)), wide, ones(1))
    with pytest.raises(ValueError, match="zip"):
        floors.best_constant(two, ones(1), np.array([[0, 0]], dtype=np.int32), [1], 1, metric, "f1")
    with pytest.raises(ValueError, match="zip"):
        averaged({"f1": [np.array(1.0)]}, ["a", "b"], ["a"], omit_undefined=False)


def test_totals_of_more_rows_than_a_block() -> None:
    rng = np.random.default_rng(0)
    gold, pred = rng.integers(0, 9, (2, 70_000, 2))
    counts = SetCounts(np.minimum(gold, pred), gold, pred)
    metric = emotion_wheel.metric(["a", "b"], zero="nan")
    weight = rng.integers(0, 3, 70_000)
    assert np.array_equal(metric.totals(counts, weight), metric.statistics(counts, weight).totals())
