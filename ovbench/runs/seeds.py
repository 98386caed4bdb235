r"""Methods over several training seeds: means, intervals, differences and the noise floor.

A method is trained once per seed, and every trained model answers the same items. Two things are
random then: which items are in the test set, and which seeds were drawn. They are kept apart and
both are told.

*Score*: the mean over seeds of each model's score. Its interval over items is a percentile
bootstrap in which an item is drawn with all its seeds; its interval over seeds is Student's t
interval of the per-seed scores.

*Difference* of a row A to a row B, paired by seed and by item (seed s of A beside seed s of B):

- over items: paired bootstrap and paired permutation test
  (:func:`ovbench.metrics.significance.paired`), where an item is one unit with all its seeds: an
  item that suits a method suits it under most seeds, so its seeds are not independent. This asks:
  would *these trained models* differ on other items?
- over seeds: Student's paired t test of the per-seed differences, S - 1 degrees of freedom. This
  asks: would *other seeds* differ on these items?
- p is the larger of the two (intersection-union test): a difference is told from chance only where
  both kinds of chance are ruled out. With one seed, p is that over items, and says so.

p is then corrected for the number of rows (Holm), within each metric.

*Noise floor*: one method trained again under the same seeds with another batch order. For the
per-seed differences d of the two, whose mean is 0 by construction, the floor

.. math:: t_{.975, S} \sqrt{\tfrac1S \sum_s d_s^2} / \sqrt S

is the difference between two means over S seeds that batch order alone exceeds in 5 % of cases.

Edge cases: per-seed differences that are all equal have no spread; the t test then gives p = 0 for
a difference and p = 1 for none (trivial systems, whose answers have no seed).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.frozen import Frozen
from ovbench.metrics.intervals import bootstrap
from ovbench.metrics.significance import holm, paired
from ovbench.metrics.statistics import Finish, Scores, Statistics
from ovbench.runs.student import quantile, two_sided_p


class SeedScore(Frozen):
    """One metric of one method over its seeds."""

    mean: float
    low: float
    """Lower end of the interval over items."""
    high: float
    by_seed: tuple[float, ...]
    """In the order of the seeds."""
    sd: float | None = None
    """Standard deviation over seeds; null with one seed."""
    seed_low: float | None = None
    """Lower end of the t interval over seeds."""
    seed_high: float | None = None


class SeedDifference(Frozen):
    """One metric of one method against another's, paired by seed and item."""

    difference: float
    low: float
    """Lower end of the paired bootstrap interval over items."""
    high: float
    by_seed: tuple[float, ...]
    sd: float | None = None
    """Standard deviation of the per-seed differences; null with one seed."""
    p_items: float
    """Paired permutation test over items."""
    p_seeds: float | None = None
    """Paired t test over seeds; null with one seed."""
    p: float
    """The larger of the two."""
    p_holm: float | None = None
    """``p`` corrected for the number of rows."""


class NoiseFloor(Frozen):
    """What batch order alone does to one metric of one method."""

    by_seed: tuple[float, ...]
    """Score with one batch order minus score with the other."""
    rms: float
    """Root mean square of those: the size of a single pair's difference."""
    floor: float
    """The difference between two means over as many seeds that batch order alone exceeds in 5 % of
    cases."""


@dataclass(frozen=True)
class Stack:
    """One method's answers under one protocol: every item's statistics under every seed.

    Attributes
    ----------
    values:
        One array (items, columns), int64, per seed, with the items in the same order.
    finish:
        Of the protocol; see :class:`ovbench.metrics.statistics.Statistics`.
    """

    values: tuple[NDArray[np.int64], ...]
    finish: Finish

    def __post_init__(self) -> None:
        if len({values.shape for values in self.values}) != 1:
            raise InputError(
                "the seeds are scored on different items", expected="the same items for every seed"
            )

    def cut(self, seeds: Sequence[int]) -> Stack:
        """The same with only the seeds at these positions."""
        return Stack(tuple(self.values[s] for s in seeds), self.finish)

    @property
    def joined(self) -> NDArray[np.int64]:
        """Shape (items, seeds · columns)."""
        return np.concatenate(self.values, axis=1)

    def mean(self, sums: NDArray[np.float64]) -> Scores:
        """Sums of ``joined`` to scores: the mean over the seeds of each seed's score."""
        width = self.values[0].shape[1]
        seeds = [
            self.finish(sums[..., start : start + width])
            for start in range(0, sums.shape[-1], width)
        ]
        return {name: _mean([scores[name] for scores in seeds]) for name in seeds[0]}

    def by_seed(self, metric: str) -> tuple[float, ...]:
        """The score of each seed's model."""
        sums = [values.sum(axis=0).astype(np.float64) for values in self.values]
        return tuple(float(self.finish(one)[metric]) for one in sums)


def _mean(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """In a fixed order; NaN where a seed's score is undefined."""
    total = np.zeros(np.shape(values[0]))
    for value in values:
        total = total + value
    return total / len(values)


def seed_score(stack: Stack, metric: str, *, draws: int = 10_000, seed: int = 0) -> SeedScore:
    """A method's score over its seeds; its intervals are of 95 %."""
    values = stack.joined
    ones = np.ones(len(values), dtype=np.int64)
    items = Statistics(values, ones, stack.mean)
    found = bootstrap(items, draws=draws, seed=seed).interval(metric)
    each = stack.by_seed(metric)
    mean = math.fsum(each) / len(each)
    sd = _sd(each)
    reach = None if sd is None else _reach(sd, len(each))
    return SeedScore(
        mean=mean,
        low=found.low,
        high=found.high,
        by_seed=each,
        sd=sd,
        seed_low=None if reach is None else mean - reach,
        seed_high=None if reach is None else mean + reach,
    )


def seed_difference(
    ours: Stack, theirs: Stack, metric: str, *, draws: int = 10_000, seed: int = 0
) -> SeedDifference:
    """Score of ``ours`` minus score of ``theirs``; seed s of one stands beside seed s of the other.

    Raises
    ------
    InputError
        If the two have other numbers of seeds or items.
    """
    if len(ours.values) != len(theirs.values):
        raise InputError(
            f"{len(ours.values)} seeds beside {len(theirs.values)}", expected="the same seeds"
        )
    found = paired(ours.joined, theirs.joined, ours.mean, draws=draws, seed=seed).of(metric)
    each = tuple(a - b for a, b in zip(ours.by_seed(metric), theirs.by_seed(metric), strict=True))
    p_seeds = _paired_t(each)
    return SeedDifference(
        difference=found.difference,
        low=found.interval.low,
        high=found.interval.high,
        by_seed=each,
        sd=_sd(each),
        p_items=found.p,
        p_seeds=p_seeds,
        p=found.p if p_seeds is None else max(found.p, p_seeds),
    )


def corrected(differences: Sequence[SeedDifference]) -> list[SeedDifference]:
    """The same with ``p_holm``, for as many comparisons as there are."""
    adjusted = holm([one.p for one in differences])
    return [
        one.model_copy(update={"p_holm": float(p)})
        for one, p in zip(differences, adjusted, strict=True)
    ]


def noise_floor(first: Stack, second: Stack, metric: str) -> NoiseFloor:
    """What another batch order did, seed by seed.

    Raises
    ------
    InputError
        If the two have other numbers of seeds.
    """
    pairs = zip(first.by_seed(metric), second.by_seed(metric), strict=True)
    each = tuple(a - b for a, b in pairs)
    rms = math.sqrt(math.fsum(d * d for d in each) / len(each))
    return NoiseFloor(
        by_seed=each, rms=rms, floor=quantile(0.975, len(each)) * rms / math.sqrt(len(each))
    )


def _sd(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _reach(sd: float, seeds: int) -> float:
    return quantile(0.975, seeds - 1) * sd / math.sqrt(seeds)


_NO_SPREAD = 1e-12
"""Spreads and differences that rounding alone can make."""


def _paired_t(differences: Sequence[float]) -> float | None:
    sd = _sd(differences)
    if sd is None:
        return None
    mean = math.fsum(differences) / len(differences)
    if sd < _NO_SPREAD:
        return 0.0 if abs(mean) > _NO_SPREAD else 1.0
    return two_sided_p(mean / (sd / math.sqrt(len(differences))), len(differences) - 1)
