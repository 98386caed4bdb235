"""Sufficient statistics: integers per item, summed with any weights, then turned into scores.

Every metric here is a function of sums over items. Scores, intervals, paired tests and slices all
re-sum the same rows, and nothing is parsed or counted twice. The sums are sums of integers, so they
do not depend on the order of the items, on threads or on the machine. Ratios such as |G∩P|/|P| are
stored as whole numbers of 1/SCALE: with SCALE = lcm(1, …, 22) that is exact for every denominator
up to 22 and within 2.2e-9 for others. The sums are exact in int64 (39 billion items); in float64,
where scores are made of them, they are exact up to 2**53 (38 million items), and above that the
float64 nearest to the exact integer.

Example: two items with precision 1/2 and 1/3, the first seen twice, are the rows [116396280] and
[77597520] with weights 2 and 1; the sum is 310390080 = SCALE · 4/3, and the mean 4/9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError

SCALE = 232_792_560
"""lcm(1, …, 22): the unit in which ratios are stored as integers."""

Scores = dict[str, NDArray[np.float64]]
Finish = Callable[[NDArray[np.float64]], Scores]
"""Sums of shape (..., columns) to metric name → values of shape (...)."""

_TABLE = 64
_HASH = np.uint64(0x9E3779B97F4A7C15)


def scaled_ratio(part: NDArray[np.integer], whole: NDArray[np.integer]) -> NDArray[np.int64]:
    """``part / whole`` in units of 1/SCALE, rounded; 0 where ``whole`` is 0. Shapes broadcast."""
    most = max(int(whole.max(initial=0)), int(part.max(initial=0)))
    if most >= _TABLE:
        return _scaled(part, whole)
    # Set sizes are small, so every ratio that occurs stands in a small table.
    found: NDArray[np.int64] = _small_ratios().take(part.astype(np.int64) * _TABLE + whole)
    return found


@cache
def _small_ratios() -> NDArray[np.int64]:
    row, column = np.divmod(np.arange(_TABLE * _TABLE), _TABLE)
    return _scaled(row, column)


def _scaled(part: NDArray[np.integer], whole: NDArray[np.integer]) -> NDArray[np.int64]:
    share = np.where(whole > 0, part, 0) / np.maximum(whole, 1)
    scaled: NDArray[np.int64] = np.rint(share * SCALE).astype(np.int64)
    return scaled


def ratio(
    part: NDArray[np.float64], whole: NDArray[np.float64], empty: float
) -> NDArray[np.float64]:
    """``part / whole``, and ``empty`` where ``whole`` is 0; NaN in gives NaN out."""
    out = np.full(np.shape(part), empty)
    np.divide(part, whole, out=out, where=np.asarray(whole != 0))
    return out


def mean_of(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean of equally shaped arrays, added in the order given."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total / len(values)


def mean_of_defined(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean of those that are not NaN, added in the order given; NaN where all are."""
    total = np.zeros(np.shape(values[0]))
    count = np.zeros(np.shape(values[0]))
    for value in values:
        defined = ~np.isnan(value)
        total = total + np.where(defined, value, 0.0)
        count = count + defined
    return ratio(total, count, np.nan)


def row_keys(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A number per row of ``values`` (rows, columns); equal rows have equal ones, shape (rows,)."""
    key = np.zeros(len(values), dtype=np.uint64)
    for column in values.T:
        key = key * _HASH + column.astype(np.uint64)
    return key


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sufficient statistics of a metric.

    Attributes
    ----------
    values:
        Shape (rows, columns), dtype int64: what is summed over items.
    weight:
        Shape (rows,), dtype int64: how many items share the row.
    finish:
        Sums (..., columns), float64, to scores: metric name → values of shape (...).
        Values for one ring are named ``f1@wheel1/level1``, for one class ``recall@happy``.
    """

    values: NDArray[np.int64]
    weight: NDArray[np.int64]
    finish: Finish

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.weight.shape != self.values.shape[:1]:
            raise InputError(
                f"statistics of shape {self.values.shape} with weights {self.weight.shape}",
                expected="shapes (rows, columns) and (rows,)",
            )

    @property
    def items(self) -> int:
        """How many items the rows stand for."""
        return int(self.weight.sum())

    def totals(self) -> NDArray[np.int64]:
        """Weighted column sums, shape (columns,)."""
        sums: NDArray[np.int64] = self.values.T @ self.weight
        return sums

    def scores(self) -> dict[str, float]:
        """Metric name → value, NaN where the metric is undefined on these items."""
        finished = self.finish(self.totals().astype(np.float64))
        return {name: float(value) for name, value in finished.items()}

    def distinct(self) -> Statistics:
        """The same with equal rows merged, without rows of weight 0, in an order of their own.

        The order follows from the rows' values alone. What is drawn at random is drawn over these
        rows, so that it cannot depend on the order of the items.
        """
        present = self.weight > 0
        values, weight = self.values[present], self.weight[present]
        _, first, group = np.unique(row_keys(values), return_index=True, return_inverse=True)
        if not all(np.array_equal(c[first][group], c) for c in values.T):  # two rows, one key
            _, first, group = np.unique(values, axis=0, return_index=True, return_inverse=True)
        merged = np.zeros(len(first), dtype=np.int64)
        np.add.at(merged, group.reshape(-1), weight)
        return Statistics(values[first], merged, self.finish)

    def by_cluster(self, clusters: NDArray[np.integer] | NDArray[np.str_]) -> Statistics:
        """The same with one row, of weight 1, per cluster of items (a dialogue, a speaker).

        ``clusters`` has shape (rows,): the cluster's name or number for each row.
        """
        if clusters.shape != self.weight.shape:
            raise InputError(
                f"{len(clusters)} cluster names for {len(self.weight)} rows of statistics",
                expected="one for each row",
            )
        order = np.argsort(clusters, kind="stable")
        ordered = clusters[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
        weighted = (self.values * self.weight[:, None])[order]
        sums = np.add.reduceat(weighted, starts, axis=0) if len(starts) else weighted
        return Statistics(sums, np.ones(len(starts), dtype=np.int64), self.finish)
