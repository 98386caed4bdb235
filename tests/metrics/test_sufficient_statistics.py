"""Rows of integers and their sums."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ovbench.errors import InputError
from ovbench.metrics.statistics import SCALE, Statistics, ratio, scaled_ratio


def plain(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"first": sums[..., 0]}


def rows(values: list[list[int]], weight: list[int] | None = None) -> Statistics:
    table = np.array(values, dtype=np.int64)
    chosen = [1] * len(table) if weight is None else weight
    return Statistics(table, np.array(chosen, dtype=np.int64), plain)


def test_ratios_are_exact_up_to_22() -> None:
    for whole in range(1, 23):
        for part in range(whole + 1):
            scaled = int(scaled_ratio(np.array([part]), np.array([whole]))[0])
            assert Fraction(scaled, SCALE) == Fraction(part, whole)


def test_ratios_beyond_22_are_within_half_a_unit() -> None:
    part, whole = (grid.ravel() for grid in np.meshgrid(np.arange(201), np.arange(1, 201)))
    scaled = scaled_ratio(part.astype(np.uint8), whole.astype(np.uint8))
    error = [abs(Fraction(int(s), SCALE) - Fraction(int(p), int(w)))
             for s, p, w in zip(scaled, part, whole, strict=True)]  # fmt: skip
    assert max(error) <= Fraction(1, 2 * SCALE)


@pytest.mark.parametrize("most", [1, 63, 64, 65])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_ratios_at_the_edge_of_the_table(most: int, kind: type) -> None:
    part, whole = (grid.ravel() for grid in np.meshgrid(*[np.arange(most + 1)] * 2))
    for larger, smaller in ((part, np.minimum(whole, 5)), (np.minimum(part, 5), whole)):
        scaled = scaled_ratio(larger.astype(kind), smaller.astype(kind))
        assert scaled.dtype == np.int64
        exact = [round(Fraction(SCALE * int(p), int(w))) if w else 0
                 for p, w in zip(larger, smaller, strict=True)]  # fmt: skip
        assert scaled.tolist() == exact
    assert scaled_ratio(np.array([], kind), np.array([], kind)).tolist() == []


def test_a_ratio_over_nothing() -> None:
    assert scaled_ratio(np.array([3, 0]), np.array([0, 0])).tolist() == [0, 0]
    assert np.isnan(ratio(np.array(1.0), np.array(0.0), np.nan))
    assert ratio(np.array([1.0, 1.0]), np.array([0.0, 2.0]), 0.0).tolist() == [0.0, 0.5]


def test_the_example_of_the_statistics_docstring() -> None:
    stats = rows([[116396280], [77597520]], [2, 1])
    assert Fraction(int(stats.totals()[0]), SCALE) == Fraction(4, 3)
    assert stats.items == 3


def test_distinct_merges_equal_rows_in_an_order_of_their_own() -> None:
    values = np.random.default_rng(3).integers(-2, 3, (500, 3))
    weight = np.random.default_rng(4).integers(0, 4, 500)
    stats = Statistics(values, weight, plain)
    merged = stats.distinct()
    expected: dict[tuple[int, ...], int] = {}
    for row, w in zip(values.tolist(), weight.tolist(), strict=True):
        if w:
            expected[tuple(row)] = expected.get(tuple(row), 0) + w
    found = dict(zip(map(tuple, merged.values.tolist()), merged.weight.tolist(), strict=True))
    assert found == expected
    assert len(merged.values) == len(expected)
    order = np.random.default_rng(5).permutation(500)
    again = Statistics(values[order], weight[order], plain).distinct()
    assert np.array_equal(again.values, merged.values)
    assert np.array_equal(again.weight, merged.weight)


def test_the_order_of_distinct_rows_stays_what_it_was() -> None:
    """It decides what a seed draws: another order would give a published result other digits."""
    values = np.random.default_rng(8).integers(-(2**40), 2**40, (200, 3))

    def key(row: list[int]) -> int:
        found = 0
        for value in row:
            found = (found * 0x9E3779B97F4A7C15 + value) % 2**64
        return found

    merged = rows(values.tolist()).distinct()
    assert merged.values.tolist() == sorted(values.tolist(), key=key)


def test_rows_that_share_a_hash_key_stay_apart() -> None:
    # key = first * 0x9E37… + second modulo 2**64, so these two rows collide
    multiplier = 0x9E3779B97F4A7C15 - 2**64
    stats = rows([[1, 0], [0, multiplier], [1, 0]])
    merged = stats.distinct()
    found = dict(zip(map(tuple, merged.values.tolist()), merged.weight.tolist(), strict=True))
    assert found == {(1, 0): 2, (0, multiplier): 1}


def test_clusters_are_summed_whatever_their_order() -> None:
    stats = rows([[1, 10], [2, 20], [4, 30], [7, 90]], [1, 2, 1, 1])
    by_name = stats.by_cluster(np.array(["b", "a", "b", "c"]))
    assert sorted(by_name.values.tolist()) == [[4, 40], [5, 40], [7, 90]]
    assert by_name.weight.tolist() == [1, 1, 1]
    assert by_name.weight.dtype == np.int64
    assert np.array_equal(by_name.totals(), stats.totals())
    assert by_name.scores() == stats.scores() == {"first": 16}
    with pytest.raises(InputError, match="one for each row"):
        stats.by_cluster(np.array(["a"]))


def test_no_rows() -> None:
    nothing = Statistics(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), plain)
    assert nothing.totals().tolist() == [0, 0]
    assert nothing.distinct().items == 0
    assert nothing.by_cluster(np.array([], dtype=np.int64)).items == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match="statistics of shape"):
        rows([[1], [2]], [1])
