r"""Two systems on the same items: the difference, its interval, and how surprising it would be.

*Interval*: paired bootstrap; both systems' rows of an item are drawn together, and the difference
of the scores is taken per draw. *p*: paired permutation test (approximate randomization). If the
systems were alike, each item's two rows could be swapped; ``draws`` times a fair coin per item (or
per cluster) decides, and

.. math:: p = \frac{1 + \#\{|d^*| \ge |d|\}}{1 + \text{draws}}

two-sided. Sources: Noreen, Computer-Intensive Methods for Testing Hypotheses (1989); Holm, A simple
sequentially rejective multiple test procedure (1979), for :func:`holm`.

Example: accuracy on 3 items, A right on all, B on none: d = 1. Of the 8 ways to swap, 2 have
\|d*\| = 1, so p tends to 1/4. Holm on p = .01, .04, .03: .03, .06, .06.

Edge cases: an item on which the systems' rows are equal changes no d* and is left out of the
permutation; where no item differs, p = 1. Equal differences that rounding sets apart by less than
1e-12 count as equal. A draw with an undefined d* counts as one at least as large (p errs upwards),
and is left out of the interval; where d itself is undefined, p is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError, UnknownNameError
from ovbench.metrics.intervals import Interval, check_options, percentile_intervals
from ovbench.metrics.resampling import bootstrap_draw, resum, swap_draw
from ovbench.metrics.statistics import Finish, Scores, Statistics

TOLERANCE = 1e-12
_SWAPS = 1  # the stream of random numbers for swaps; the bootstrap's is 0


@dataclass(frozen=True)
class Difference:
    """Score of A minus score of B, with the interval and the two-sided p of that difference."""

    a: float
    b: float
    difference: float
    interval: Interval
    p: float


@dataclass(frozen=True)
class Paired:
    """All differences between two systems, metric name → :class:`Difference`."""

    differences: dict[str, Difference]
    units: int
    """Items, or clusters, that were drawn and swapped."""
    differing: int
    """Those on which the two systems' statistics differ."""

    def of(self, name: str) -> Difference:
        """The difference in the score ``name``."""
        if name not in self.differences:
            raise UnknownNameError("score", name, self.differences)
        return self.differences[name]


def paired(
    values_a: NDArray[np.int64],
    values_b: NDArray[np.int64],
    finish: Finish,
    *,
    clusters: NDArray[np.integer] | NDArray[np.str_] | None = None,
    draws: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    threads: int | None = None,
) -> Paired:
    """Compare two systems on the same items.

    Parameters
    ----------
    values_a, values_b:
        Shape (items, columns): statistics of each item, in the same order; see
        :class:`ovbench.metrics.statistics.Statistics`, which also explains ``finish``.
    clusters:
        Shape (items,): whole clusters are drawn and swapped.
    draws, seed, confidence, threads:
        As in :func:`ovbench.metrics.intervals.bootstrap`; ``draws`` of each kind.
    """
    check_options(draws, seed, confidence)
    if values_a.shape != values_b.shape:
        raise InputError(
            f"statistics of shapes {values_a.shape} and {values_b.shape}",
            expected="the same items and columns",
        )
    width = values_a.shape[1]
    ones = np.ones(len(values_a), dtype=np.int64)
    both = Statistics(np.concatenate([values_a, values_b], axis=1), ones, finish)
    rows = (both if clusters is None else both.by_cluster(clusters)).distinct()
    sums = resum(
        rows.values,
        rows.weight,
        bootstrap_draw(rows.weight),
        draws=draws,
        seed=seed,
        threads=threads,
    )
    drawn_a, drawn_b = finish(sums[:, :width]), finish(sums[:, width:])

    totals = rows.totals().astype(np.float64)
    gain = rows.values[:, width:] - rows.values[:, :width]
    swaps = Statistics(gain, rows.weight * gain.any(axis=1), finish).distinct()
    moved = resum(
        swaps.values,
        swaps.weight,
        swap_draw(swaps.weight),
        draws=draws,
        seed=seed,
        stream=_SWAPS,
        threads=threads,
    )
    swapped_a, swapped_b = finish(totals[:width] + moved), finish(totals[width:] - moved)
    score_a, score_b = finish(totals[:width]), finish(totals[width:])

    method = "paired percentile" + (" over clusters" if clusters is not None else "")
    drawn = {name: drawn_a[name] - drawn_b[name] for name in score_a}
    differences = {}
    for name, interval in percentile_intervals(drawn, confidence, method).items():
        a, b = float(score_a[name]), float(score_b[name])
        p = _p_value(a - b, name, swapped_a, swapped_b)
        differences[name] = Difference(a, b, a - b, interval, p)
    return Paired(differences, units=rows.items, differing=swaps.items)


def _p_value(observed: float, name: str, swapped_a: Scores, swapped_b: Scores) -> float:
    if np.isnan(observed):
        return float("nan")
    swapped = np.abs(swapped_a[name] - swapped_b[name])
    smaller = int(np.count_nonzero(swapped < abs(observed) - TOLERANCE))
    return (1 + swapped.size - smaller) / (1 + swapped.size)


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """p-values corrected for their number, in the order given; NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted
