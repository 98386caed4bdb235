"""Paired tests against exact enumeration and scipy; Holm against its definition; power."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from slow_reference import ones

from ovbench.errors import InputError, UnknownNameError
from ovbench.metrics import emotion_wheel, power, resampling, significance
from ovbench.metrics.bits import SetCounts
from ovbench.metrics.significance import holm, paired
from ovbench.metrics.statistics import Statistics


def mean_finish(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"mean": sums[..., 1] / sums[..., 0]}


def rows(values: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(values), values], axis=1).astype(np.int64)


def wheel(n: int, seed: int, quality: int) -> Statistics:
    rng = np.random.default_rng(seed)
    gold, pred = rng.integers(0, 4, (2, n, 2))
    both = np.minimum(rng.integers(0, quality, (n, 2)), np.minimum(gold, pred))
    return emotion_wheel.statistics(SetCounts(both, gold, pred), ones(n), ["a", "b"], zero="zero")


def exact_p(a: np.ndarray, b: np.ndarray, finish, name: str) -> float:
    """Every way to swap the rows of the items."""
    observed = finish(a.sum(0))[name] - finish(b.sum(0))[name]
    extreme = []
    for swap in itertools.product([False, True], repeat=len(a)):
        chosen = np.array(swap)[:, None]
        first, second = np.where(chosen, b, a).sum(0), np.where(chosen, a, b).sum(0)
        extreme.append(abs(finish(first)[name] - finish(second)[name]) >= abs(observed) - 1e-12)
    return float(np.mean(extreme))


# -- the permutation test


@pytest.mark.parametrize("seed", range(4))
def test_p_tends_to_the_exact_one(seed: int) -> None:
    a, b = wheel(9, seed, 5).values.astype(float), wheel(9, seed + 50, 3).values.astype(float)
    finish = wheel(9, seed, 5).finish
    made = paired(a.astype(np.int64), b.astype(np.int64), finish, draws=8_000)
    for name in ("f1", "precision@a"):
        exact = exact_p(a, b, finish, name)
        error = math.sqrt(exact * (1 - exact) / 8_000)
        assert made.of(name).p == pytest.approx(exact, abs=4 * error + 1e-4)


def test_p_agrees_with_scipy() -> None:
    rng = np.random.default_rng(8)
    a = rng.integers(0, 100, 60)
    b = a + rng.integers(-20, 28, 60)
    made = paired(rows(a), rows(b), mean_finish, draws=8_000)
    theirs = scipy_stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=8_000,
        rng=np.random.default_rng(1),
    )
    assert 0.01 < theirs.pvalue < 0.9
    error = math.sqrt(theirs.pvalue / 8_000)
    assert made.of("mean").p == pytest.approx(theirs.pvalue, abs=6 * error)
    assert made.of("mean").difference == pytest.approx((a - b).mean())


def test_the_example_of_the_significance_docstring() -> None:
    made = paired(rows(np.ones(3, int)), rows(np.zeros(3, int)), mean_finish, draws=8_000)
    assert made.of("mean").difference == 1
    assert made.of("mean").p == pytest.approx(1 / 4, abs=0.025)


def test_p_is_uniform_where_the_systems_are_alike() -> None:
    rng = np.random.default_rng(3)
    p = [
        paired(*(rows(rng.integers(0, 1000, 25)) for _ in "ab"), mean_finish, draws=199, seed=run)
        .of("mean")
        .p
        for run in range(150)
    ]
    assert scipy_stats.kstest(p, "uniform").pvalue > 1e-3


def test_equal_systems_do_not_differ() -> None:
    values = wheel(50, 1, 4).values
    made = paired(values, values, wheel(50, 1, 4).finish, draws=100)
    found = made.of("f1")
    assert (found.difference, found.p, found.interval.low, found.interval.high) == (0, 1, 0, 0)
    assert (made.units, made.differing) == (50, 0)


def test_items_on_which_the_systems_agree_do_not_change_p() -> None:
    a, b, same = (wheel(20, seed, 4).values for seed in (1, 2, 3))
    finish = wheel(1, 1, 4).finish
    made = paired(np.concatenate([a, same]), np.concatenate([b, same]), finish, draws=100)
    assert made.units == 40
    assert made.differing == np.count_nonzero((a != b).any(axis=1))
    # The difference of a mean is halved by as many equal items, and so is each swapped one.
    rng = np.random.default_rng(2)
    a, b = (rng.integers(0, 100, 30) for _ in "ab")
    alone = paired(rows(a), rows(b), mean_finish, draws=500).of("mean")
    more = (rows(np.concatenate([side, np.full(30, 50)])) for side in (a, b))
    among = paired(*more, mean_finish, draws=500).of("mean")
    assert among.difference == pytest.approx(alone.difference / 2)
    assert 0.02 < alone.p < 0.98
    assert among.p == alone.p


def test_ties_count_as_equal() -> None:
    # all 2**6 swaps of six items with d = 1/3 each: |d*| is one of few values, often |d| itself
    a, b = np.array([1, 1, 1, 1, 0, 0]), np.array([0, 0, 0, 0, 1, 1])
    exact = exact_p(rows(a).astype(float), rows(b).astype(float), mean_finish, "mean")
    made = paired(rows(a), rows(b), mean_finish, draws=8_000)
    assert made.of("mean").p == pytest.approx(exact, abs=0.025)


def test_swapping_the_systems_turns_the_sign_and_nothing_else() -> None:
    a, b, finish = wheel(300, 1, 5).values, wheel(300, 2, 3).values, wheel(1, 1, 4).finish
    there, back = (paired(*x, finish, draws=500).of("f1") for x in ((a, b), (b, a)))
    assert there.difference == -back.difference
    assert there.p == pytest.approx(back.p, abs=0.02)


def test_neither_order_nor_threads_change_a_bit() -> None:
    a, b, finish = wheel(1300, 1, 5).values, wheel(1300, 2, 3).values, wheel(1, 1, 4).finish
    order = np.random.default_rng(0).permutation(1300)
    first = paired(a, b, finish, draws=200, threads=1)
    assert first == paired(a[order], b[order], finish, draws=200, threads=4)


def test_undefined_draws_raise_p_and_an_undefined_difference_has_none() -> None:
    counted = np.array([[1, 1], [1, 1]])
    nothing = np.zeros((2, 2), dtype=np.int64)

    def finish(sums: np.ndarray) -> dict[str, np.ndarray]:
        out = np.full(sums.shape[:-1], np.nan)
        np.divide(sums[..., 1], sums[..., 0], out=out, where=np.asarray(sums[..., 0] > 0))
        return {"mean": out}

    assert math.isnan(paired(counted, nothing, finish, draws=50).of("mean").p)
    # each system has one counted item; half of the swaps leave one of them without any
    a, b = np.array([[1, 1], [0, 0]]), np.array([[0, 0], [1, 0]])
    assert paired(a, b, finish, draws=500).of("mean").p == 1


def test_clusters_are_swapped_whole() -> None:
    # three dialogues of ten clips, A better by the same in each: 2 of 8 swaps are as extreme
    a, b = np.full(30, 3), np.full(30, 1)
    dialogue = np.repeat(["x", "y", "z"], 10)
    clustered = paired(rows(a), rows(b), mean_finish, clusters=dialogue, draws=8_000)
    assert clustered.units == 3
    assert clustered.of("mean").p == pytest.approx(1 / 4, abs=0.025)
    assert clustered.of("mean").interval.method == "paired percentile over clusters"
    assert paired(rows(a), rows(b), mean_finish, draws=1000).of("mean").p < 0.01


@pytest.mark.parametrize(
    "weight", [[1] * 300, [40, 1, 259], [200, 60, 1, *[1] * 39], [1] * 65, [64, 1], [1] * 1089]
)
def test_swaps_are_fair_coins(weight: list[int]) -> None:
    items, draws = np.array(weight), 3000
    identity = np.eye(len(items), dtype=np.int64)
    swaps = resampling.resum(identity, items, resampling.swap_draw(items), draws=draws, seed=0)
    error = np.sqrt(items / 4 / draws)
    assert (np.abs(swaps.mean(axis=0) - items / 2) < 4.5 * error).all()
    assert swaps.var(axis=0) == pytest.approx(items / 4, rel=0.2)
    assert ((swaps >= 0) & (swaps <= items)).all()


# -- the interval of the difference


def test_the_paired_interval_is_that_of_the_differences() -> None:
    rng = np.random.default_rng(5)
    a = rng.integers(0, 100, 500)
    b = a + rng.integers(-5, 8, 500)
    made = paired(rows(a), rows(b), mean_finish, draws=4000).of("mean")
    error = (a - b).std() / math.sqrt(500)
    assert made.interval.standard_error == pytest.approx(error, rel=0.06)
    assert made.interval.low == pytest.approx((a - b).mean() - 1.96 * error, abs=0.15 * error)
    assert made.interval.high == pytest.approx((a - b).mean() + 1.96 * error, abs=0.15 * error)
    assert (made.a, made.b) == (pytest.approx(a.mean()), pytest.approx(b.mean()))


def test_options_of_the_paired_test() -> None:
    rng = np.random.default_rng(6)
    a, b = (rows(rng.integers(0, 100, 40)) for _ in "ab")
    usual = paired(a, b, mean_finish).of("mean")
    assert usual == paired(a, b, mean_finish, draws=10_000, seed=0, confidence=0.95).of("mean")
    assert (usual.interval.draws, usual.interval.confidence) == (10_000, 0.95)
    assert usual.interval.method == "paired percentile"
    half = paired(a, b, mean_finish, draws=1000, confidence=0.5).of("mean").interval
    assert (half.confidence, half.draws) == (0.5, 1000)
    error = half.standard_error
    assert half.high - half.low == pytest.approx(2 * 0.6745 * error, rel=0.15)
    other = paired(a, b, mean_finish, draws=1000, confidence=0.5, seed=1).of("mean")
    assert other.interval != half
    assert other.p != paired(a, b, mean_finish, draws=1000).of("mean").p


def test_the_least_p_is_that_of_the_observed_itself() -> None:
    # A is right on all of 60 items, B on none: no swap drawn here is as extreme
    made = paired(rows(np.ones(60, int)), rows(np.zeros(60, int)), mean_finish, draws=99)
    assert made.of("mean").p == 1 / 100


def test_swaps_and_bootstrap_take_streams_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = []

    def recording(*args: object, stream: int = 0, **options: object) -> np.ndarray:
        streams.append(stream)
        return resampling.resum(*args, stream=stream, **options)

    monkeypatch.setattr(significance, "resum", recording)
    paired(rows(np.arange(9)), rows(np.arange(9)[::-1]), mean_finish, draws=9)
    assert len(streams) == len(set(streams)) == 2


def test_misuse() -> None:
    with pytest.raises(InputError, match="same items"):
        paired(rows(np.arange(3)), rows(np.arange(4)), mean_finish)
    with pytest.raises(InputError, match="draws"):
        paired(rows(np.arange(3)), rows(np.arange(3)), mean_finish, draws=0)
    with pytest.raises(UnknownNameError, match="median"):
        paired(rows(np.arange(3)), rows(np.arange(3)), mean_finish, draws=9).of("median")


# -- Holm


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []
    assert holm([0.02, math.nan, 0.03]) == pytest.approx([0.04, math.nan, 0.04], nan_ok=True)


@given(
    st.lists(st.integers(0, 1000).map(lambda k: k / 1000), min_size=1, max_size=8),
    st.sampled_from([0.0105, 0.0505, 0.2005]),
)
def test_holm_rejects_what_its_procedure_rejects(p: list[float], alpha: float) -> None:
    rejected = set()
    for step, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[index] > alpha / (len(p) - step):
            break
        rejected.add(index)
    assert {i for i, value in enumerate(holm(p)) if value <= alpha} == rejected


# -- power


def test_detectable_differences_on_ov_merd_and_meld() -> None:
    # paired standard errors and what they can show, in points, measured on the real test sets
    for error, points in ((2.44, 6.8), (1.39, 3.9), (1.01, 2.8)):
        assert power.detectable_difference(error) == pytest.approx(points, abs=0.05)


def test_items_needed() -> None:
    assert power.items_needed(2.0, 2.44, 332) == 3879
    assert power.items_needed(-2.0, 2.44, 332) == 3879
    assert power.items_needed(1.0, 2.44, 332) == pytest.approx(4 * 3879, abs=4)
    assert power.items_needed(5.0, 0.0, 332) == 1


@given(
    st.floats(0.01, 5), st.floats(0.5, 5), st.integers(2, 3000), st.floats(0.001, 0.2),
    st.floats(0.5, 0.99),
)  # fmt: skip
def test_one_item_fewer_than_needed_is_too_few(difference, error, items, alpha, planned) -> None:
    needed = power.items_needed(difference, error, items, alpha=alpha, power=planned)
    least = [
        power.detectable_difference(error * math.sqrt(items / n), alpha=alpha, power=planned)
        for n in (needed, max(needed - 1, 1))
    ]
    assert least[0] <= difference * (1 + 1e-12)
    assert needed == 1 or least[1] > difference * (1 - 1e-12)


def test_usual_error_rates() -> None:
    # z of .975 and .8, from any table of the normal distribution
    assert power.detectable_difference(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-6)
    assert power.achieved_power(1.0, 1.0) == pytest.approx(
        scipy_stats.norm.sf(1.959964 - 1) + scipy_stats.norm.sf(1.959964 + 1), abs=1e-6
    )


@given(st.floats(0.001, 10), st.floats(0.001, 0.2), st.floats(0.5, 0.99))
def test_power_is_what_the_difference_was_planned_for(error, alpha, planned) -> None:
    difference = power.detectable_difference(error, alpha=alpha, power=planned)
    achieved = power.achieved_power(difference, error, alpha=alpha)
    assert achieved == pytest.approx(planned, abs=0.011)
    assert achieved >= planned - 1e-9  # the far tail adds a little


def test_power_by_simulation() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(1.7, 1.0, 200_000)
    assert power.achieved_power(1.7, 1.0) == pytest.approx(np.mean(np.abs(z) > 1.959964), abs=0.005)


def test_edges_of_power() -> None:
    assert power.achieved_power(0.0, 1.0) == pytest.approx(0.05)
    assert power.achieved_power(0.1, 0.0) == 1
    assert power.achieved_power(0.0, 0.0, alpha=0.01) == 0.01
    assert power.achieved_power(-1.0, 1.0) == power.achieved_power(1.0, 1.0)
    assert power.detectable_difference(0.0) == 0
    for name, value in itertools.product(("alpha", "power"), (0.0, 1.0, math.nan)):
        with pytest.raises(InputError, match=f"^{name} of {value}.*share"):
            power.detectable_difference(1.0, **{name: value})
    with pytest.raises(InputError, match="standard error"):
        power.detectable_difference(-1.0)
    with pytest.raises(InputError, match="standard error"):
        power.achieved_power(1.0, math.nan)
    with pytest.raises(InputError, match="difference"):
        power.items_needed(0.0, 1.0, 10)
