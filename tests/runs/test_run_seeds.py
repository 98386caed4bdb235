"""Means, intervals and tests over seeds, against scipy and against worked cases."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ovbench.errors import InputError
from ovbench.metrics.significance import paired
from ovbench.runs.seeds import (
    SeedDifference,
    Stack,
    corrected,
    noise_floor,
    seed_difference,
    seed_score,
)
from ovbench.runs.student import quantile, two_sided_p


def accuracy(sums):  # type: ignore[no-untyped-def]
    return {"accuracy": sums[..., 0] / sums[..., 1]}


def stack(rights) -> Stack:  # type: ignore[no-untyped-def]
    """``rights``: per seed, a list of 0 and 1 per item."""
    return Stack(
        tuple(np.array([[r, 1] for r in seed], dtype=np.int64) for seed in rights), accuracy
    )


def harmonic(sums):  # type: ignore[no-untyped-def]
    """Not linear in the sums, as F1 is not."""
    p, r = sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2]
    return {"f": 2 * p * r / (p + r)}


RNG = np.random.default_rng(5)
A = stack((RNG.random((5, 60)) < 0.7).astype(int))
B = stack((RNG.random((5, 60)) < 0.6).astype(int))


@given(t=st.floats(0, 200), df=st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_students_t_is_scipys(t: float, df: int) -> None:
    assert two_sided_p(t, df) == pytest.approx(2 * stats.t.sf(t, df), abs=1e-12)
    assert two_sided_p(-t, df) == two_sided_p(t, df)


@given(share=st.floats(0.51, 0.9995), df=st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_quantiles_are_scipys(share: float, df: int) -> None:
    assert quantile(share, df) == pytest.approx(stats.t.ppf(share, df), rel=1e-9)


def test_students_t_refuses_nonsense() -> None:
    with pytest.raises(InputError, match="degrees of freedom"):
        two_sided_p(1.0, 0)
    with pytest.raises(InputError, match="share"):
        quantile(1.0, 3)


def test_the_mean_is_over_scores_not_over_sums() -> None:
    values = [np.array([[3, 1, 1], [1, 0, 1]]), np.array([[0, 1, 1], [1, 4, 1]])]
    found = seed_score(Stack(tuple(values), harmonic), "f", draws=50)
    each = [2 * 2 * 0.5 / 2.5, 2 * 0.5 * 2.5 / 3]
    assert found.by_seed == pytest.approx(each)
    assert found.mean == pytest.approx(sum(each) / 2)


def test_intervals_over_seeds_are_students() -> None:
    found = seed_score(A, "accuracy", draws=200)
    low, high = stats.t.interval(
        0.95, 4, loc=np.mean(found.by_seed), scale=stats.sem(found.by_seed)
    )
    assert found.seed_low == pytest.approx(low)
    assert found.seed_high == pytest.approx(high)
    assert found.sd == pytest.approx(np.std(found.by_seed, ddof=1))
    assert found.low < found.mean < found.high


def test_one_seed_has_no_spread_over_seeds() -> None:
    found = seed_score(A.cut([0]), "accuracy", draws=200)
    assert (found.sd, found.seed_low, found.seed_high) == (None, None, None)
    difference = seed_difference(A.cut([0]), B.cut([0]), "accuracy", draws=200)
    plain = paired(A.values[0], B.values[0], accuracy, draws=200).of("accuracy")
    assert (difference.p, difference.p_items, difference.p_seeds) == (plain.p, plain.p, None)
    assert (difference.low, difference.high) == (plain.interval.low, plain.interval.high)


def test_the_test_over_seeds_is_the_paired_t_test() -> None:
    found = seed_difference(A, B, "accuracy", draws=200)
    expected = stats.ttest_rel(A.by_seed("accuracy"), B.by_seed("accuracy"))
    assert found.p_seeds == pytest.approx(expected.pvalue)
    assert found.p == max(found.p_items, found.p_seeds or 0)
    assert found.difference == pytest.approx(np.mean(found.by_seed))


def test_the_test_over_items_keeps_an_items_seeds_together() -> None:
    """Against all 2^n exchanges of whole items, worked out one by one."""
    rng = np.random.default_rng(0)
    ours, theirs = stack(rng.integers(0, 2, (3, 8))), stack(rng.integers(0, 2, (3, 8)))
    gain = sum(a[:, 0] - b[:, 0] for a, b in zip(ours.values, theirs.values, strict=True))
    observed = abs(gain.sum())
    moved = [abs((gain * signs).sum()) for signs in product((1, -1), repeat=8)]
    exact = np.mean([m >= observed for m in moved])
    found = seed_difference(ours, theirs, "accuracy", draws=20_000)
    assert found.p_items == pytest.approx(exact, abs=0.015)


def test_repeating_a_seed_makes_no_difference_surer() -> None:
    """Were (seed, item) pairs exchanged one by one, p and the interval would shrink."""
    one = seed_difference(A.cut([0]), B.cut([0]), "accuracy", draws=2000)
    five = seed_difference(A.cut([0] * 5), B.cut([0] * 5), "accuracy", draws=2000)
    assert five.p_items == one.p_items
    assert (five.low, five.high) == pytest.approx((one.low, one.high), abs=0.03)


def test_a_large_test_set_does_not_turn_seed_noise_into_a_finding() -> None:
    """Two sets of models of one method: items alone would call them different, seeds do not."""
    rng = np.random.default_rng(3)
    levels = np.array([[0.60, 0.66, 0.55, 0.68, 0.61], [0.57, 0.58, 0.62, 0.60, 0.63]])
    ours, theirs = (stack((rng.random((5, 4000)) < row[:, None]).astype(int)) for row in levels)
    found = seed_difference(ours, theirs, "accuracy", draws=500)
    assert found.p_items < 0.01
    assert found.p > 0.05


def test_systems_without_seeds() -> None:
    """Every seed gives the same answers: only the items are random."""
    ours, theirs = stack([[1, 1, 0, 1]] * 3), stack([[1, 0, 0, 0]] * 3)
    found = seed_difference(ours, theirs, "accuracy", draws=500)
    assert (found.sd, found.p_seeds) == (0.0, 0.0)
    assert found.p == found.p_items
    same = seed_difference(ours, ours, "accuracy", draws=500)
    assert (same.difference, same.p, same.p_items, same.p_seeds) == (0.0, 1.0, 1.0, 1.0)


def test_holm_over_rows() -> None:
    def difference(p: float) -> SeedDifference:
        return SeedDifference(difference=0.1, low=0, high=0.2, by_seed=(0.1,), p_items=p, p=p)

    found = corrected([difference(p) for p in (0.01, 0.04, 0.03)])
    assert [one.p_holm for one in found] == pytest.approx([0.03, 0.06, 0.06])


def test_the_noise_floor_by_hand() -> None:
    first = stack([[1, 1, 1, 0], [1, 1, 0, 0]])
    second = stack([[1, 1, 0, 0], [1, 1, 1, 0]])
    found = noise_floor(first, second, "accuracy")
    assert found.by_seed == (0.25, -0.25)
    assert found.rms == 0.25
    assert found.floor == pytest.approx(4.302653 * 0.25 / math.sqrt(2), rel=1e-6)


def test_the_noise_floor_is_exceeded_in_five_percent_of_cases() -> None:
    """Differences of means over 5 seeds, beside the floor of 5 other pairs with the same noise."""
    rng = np.random.default_rng(1)
    exceeded = 0
    for _ in range(4000):
        pairs = rng.normal(0, 1, 5)
        floor = quantile(0.975, 5) * math.sqrt(np.mean(pairs**2)) / math.sqrt(5)
        exceeded += abs(rng.normal(0, 1, 5).mean()) > floor
    assert exceeded / 4000 == pytest.approx(0.05, abs=0.012)


def test_stacks_must_match() -> None:
    with pytest.raises(InputError, match="different items"):
        Stack((np.ones((3, 2), np.int64), np.ones((4, 2), np.int64)), accuracy)
    with pytest.raises(InputError, match="5 seeds beside 1"):
        seed_difference(A, B.cut([1]), "accuracy", draws=10)
