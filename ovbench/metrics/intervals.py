"""Intervals by the percentile bootstrap over items, or over clusters of items.

From n items n are drawn with replacement, ``draws`` times; every score is worked out from each
draw's sums. The interval runs between the (1-c)/2 and (1+c)/2 quantiles of the draws (linear
between order statistics), for a confidence c. All rings and all scores share the draws. With
``clusters``, whole clusters (dialogues, speakers) are drawn, as many as there are, because clips of
one dialogue are not independent. Source: Efron and Tibshirani, An Introduction to the Bootstrap
(1993), chapter 13.

Example: with 2 items of accuracy 0 and 1, a draw has mean 0, 1/2 or 1 with chances 1/4, 1/2, 1/4,
so the 95 % interval of 10,000 draws is 0 to 1.

Edge cases: draws in which a score is NaN (no counted item, or P = R = 0 under the 2025 rule) are
left out of its quantiles, and their share is reported as ``undefined``. Without items, or where
every draw is NaN, the bounds are NaN. One item, or one cluster, gives an interval of width 0, which
says nothing. The same seed, data and draws give the same bits, in any order of items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError, UnknownNameError
from ovbench.metrics.resampling import bootstrap_draw, resum
from ovbench.metrics.statistics import Statistics


@dataclass(frozen=True)
class Interval:
    """An interval for one score.

    ``undefined`` is the share of draws, 0..1, in which the score was NaN; ``defined`` are the
    others, shape (draws,).
    """

    low: float
    high: float
    confidence: float
    method: str
    draws: int
    undefined: float
    defined: NDArray[np.float64] = field(repr=False, compare=False)

    @cached_property
    def standard_error(self) -> float:
        """Standard deviation of the defined draws; NaN for fewer than two."""
        if self.defined.size < 2:
            return math.nan
        # fsum takes Python's numbers several times as fast as NumPy's
        mean = math.fsum(self.defined.tolist()) / self.defined.size
        squares = math.fsum(((self.defined - mean) ** 2).tolist())
        return math.sqrt(squares / (self.defined.size - 1))


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Scores of every draw, metric name → shape (draws,), and the intervals they give."""

    replicates: dict[str, NDArray[np.float64]]
    confidence: float
    method: str
    seed: int
    units: int
    """How many items, or clusters, were drawn from."""

    def interval(self, name: str) -> Interval:
        """The interval of the score ``name``."""
        if name not in self.replicates:
            raise UnknownNameError("score", name, self.replicates)
        return self.intervals[name]

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The intervals of all scores."""
        return percentile_intervals(self.replicates, self.confidence, self.method)


def bootstrap(
    stats: Statistics,
    *,
    draws: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    clusters: NDArray[np.integer] | NDArray[np.str_] | None = None,
    threads: int | None = None,
) -> Bootstrap:
    """Bootstrap every score of ``stats``.

    Parameters
    ----------
    stats:
        Rows of any order; equal rows are drawn together, with the same distribution.
    draws, seed:
        How many draws, and the seed that fixes them all.
    confidence:
        Between 0 and 1.
    clusters:
        Shape (rows,): the cluster of each row; whole clusters are then drawn.
    threads:
        Default: one per processor. Changes the speed only.

    Raises
    ------
    InputError
        For fewer than one draw, a seed below 0, a confidence outside 0..1, or more items than add
        up exactly.
    """
    check_options(draws, seed, confidence)
    units = stats if clusters is None else stats.by_cluster(clusters)
    rows = units.distinct()
    draw = bootstrap_draw(rows.weight)
    sums = resum(rows.values, rows.weight, draw, draws=draws, seed=seed, threads=threads)
    method = "percentile" if clusters is None else "percentile over clusters"
    return Bootstrap(stats.finish(sums), confidence, method, seed, rows.items)


def percentile_intervals(
    replicates: Mapping[str, NDArray[np.float64]], confidence: float, method: str
) -> dict[str, Interval]:
    """The intervals between two quantiles of the draws that are defined.

    ``replicates`` are the draws of each score, all of one shape (draws,).
    """
    defined = {name: _defined(drawn) for name, drawn in replicates.items()}
    bounds: dict[str, NDArray[np.float64]] = {}
    tails = [(1 - confidence) / 2, 1 - (1 - confidence) / 2]
    # Scores with as many defined draws, mostly all, go together: NumPy's call costs as much as
    # its work for one.
    for size in {drawn.size for drawn in defined.values()} - {0}:
        names = [name for name, drawn in defined.items() if drawn.size == size]
        bounds |= zip(
            names, _quantiles(np.stack([defined[name] for name in names]), tails), strict=True
        )
    none = np.full(2, np.nan)
    found = {}
    for name, drawn in defined.items():
        low, high = bounds.get(name, none).tolist()
        draws = replicates[name].size
        undefined = 1 - drawn.size / draws
        found[name] = Interval(low, high, confidence, method, draws, undefined, drawn)
    return found


def _defined(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    missing = np.isnan(drawn)
    return drawn[~missing] if missing.any() else drawn


def _quantiles(drawn: NDArray[np.float64], shares: list[float]) -> NDArray[np.float64]:
    """The quantiles of each row, shape (rows, shares); the order within ``drawn`` is lost.

    The same bits as ``np.quantile``, which loads ``numpy.ma``: a fifteenth of a score's start-up.
    """
    last = drawn.shape[1] - 1
    at = np.array(shares) * last
    below = np.floor(at).astype(np.intp)
    above = np.minimum(below + 1, last)
    drawn.partition(np.concatenate([below, above]))
    low, high, part = drawn[:, below], drawn[:, above], at - below
    step = high - low
    found: NDArray[np.float64]
    found = np.where(part < 0.5, low + step * part, high - step * (1 - part))
    return found


def check_options(draws: int, seed: int, confidence: float) -> None:
    """Raise where no interval can come of these options."""
    if seed < 0:
        raise InputError(f"a seed of {seed}", expected="0 or more")
    if draws < 1:
        raise InputError(f"{draws} draws", expected="at least 1")
    if not 0 < confidence < 1:
        raise InputError(f"a confidence of {confidence}", expected="a share between 0 and 1")
