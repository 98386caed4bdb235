r"""WF: precision, recall and F1 of sets of emotion-wheel clusters.

On one ring, over the n items whose gold set G is not empty, with P the predicted set:

.. math::
    \bar P = \frac1n \sum_i \frac{|G_i \cap P_i|}{|P_i|}, \qquad
    \bar R = \frac1n \sum_i \frac{|G_i \cap P_i|}{|G_i|}, \qquad
    F = \frac{2 \bar P \bar R}{\bar P + \bar R}

In words: precision and recall are averaged over items first, and F is taken of the two averages
(it is not the mean of the items' F). The score is the unweighted mean over rings, so the mean F is
not the harmonic mean of the mean P and the mean R. Source: AffectGPT, ``wheel.py``,
``calculate_openset_overlap_rate`` and ``wheel_metric_calculation``.

Example, one ring: G = {happy, sad}, P = {happy}: precision 1, recall 1/2. G = {mad},
P = {mad, sad, scared}: precision 1/3, recall 1. P̄ = 2/3, R̄ = 3/4, F = 2 · (1/2) / (17/12) = 12/17.

Edge cases: a gold set without clusters is not counted, so n differs between rings. An empty
prediction has precision 0 and recall 0. Unknown labels are in no set and cost nothing here. Where
P̄ + R̄ = 0 the official scorers of 2025 give NaN on that ring and so in the mean (``zero="nan"``),
that of 2026 gives 0 (``zero="zero"``); where no item is counted, likewise for P, R and F. Ours
(``zero="omit"``) gives 0 for P̄ + R̄ = 0, and leaves a ring on which no item is counted out of the
means: nothing was asked there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.metrics.bits import SetCounts, cluster_sums, popcount
from ovbench.metrics.rings import Counts, RingMetric, averaged, check_rings
from ovbench.metrics.statistics import SCALE, Scores, Statistics, ratio, scaled_ratio

Zero = Literal["nan", "zero", "omit"]


def metric(
    rings: Sequence[str], *, zero: Zero, headline: Sequence[str] | None = None
) -> RingMetric:
    """The metric on ``rings``, averaged over those in ``headline`` (default: all).

    Scores: ``f1``, ``precision``, ``recall`` over the headline rings; each with ``_level1`` and so
    on over one level; each with ``@ring``. MER2025's mean of S1 and S2 is the mean over the five
    rings of each level; OV-MER's M-avg is the mean over its twelve rings.
    """
    check_rings(rings, headline)
    finish = partial(_finish, rings=tuple(rings), zero=zero, headline=headline)
    return RingMetric(tuple(rings), 3, _columns, finish)


def statistics(
    counts: SetCounts,
    weight: NDArray[np.int64],
    rings: Sequence[str],
    *,
    zero: Zero,
    headline: Sequence[str] | None = None,
    counted: NDArray[np.bool_] | None = None,
) -> Statistics:
    """Statistics of :func:`metric`: per ring whether counted, precision, recall."""
    return metric(rings, zero=zero, headline=headline).statistics(counts, weight, counted)


def _columns(both: Counts, gold: Counts, pred: Counts) -> tuple[NDArray[np.integer], ...]:
    counted = (gold > 0).astype(np.int64)
    return counted, scaled_ratio(both, pred), scaled_ratio(both, gold)


def _finish(
    sums: NDArray[np.float64],
    *,
    rings: tuple[str, ...],
    zero: Zero,
    headline: Sequence[str] | None,
) -> Scores:
    nothing = 0.0 if zero == "zero" else np.nan
    no_overlap = np.nan if zero == "nan" else 0.0
    by_ring: dict[str, list[NDArray[np.float64]]] = {"f1": [], "precision": [], "recall": []}
    for ring in range(len(rings)):
        n = sums[..., 3 * ring] * SCALE
        precision = ratio(sums[..., 3 * ring + 1], n, nothing)
        recall = ratio(sums[..., 3 * ring + 2], n, nothing)
        by_ring["f1"].append(ratio(2 * precision * recall, precision + recall, no_overlap))
        by_ring["precision"].append(precision)
        by_ring["recall"].append(recall)
    return averaged(by_ring, rings, headline, omit_undefined=zero == "omit")


@dataclass(frozen=True)
class GoldMarginals:
    """What a ring's gold gives to the score of answers that do not depend on the item.

    ``counted`` is the number of items with a gold cluster, ``has`` per cluster the items whose gold
    has it, ``share`` the sum of 1/|G| over them (in units of 1/SCALE).
    """

    counted: int
    has: list[int]
    share: list[int]


def gold_marginals(
    gold_bits: Sequence[NDArray[np.uint64]], gold_weight: NDArray[np.int64]
) -> list[GoldMarginals]:
    """Marginals per ring, of bits (lists, words) and the items of each list, shape (lists,)."""
    found = []
    for gold in gold_bits:
        size = popcount(gold)
        found.append(
            GoldMarginals(
                int(gold_weight[size > 0].sum()),
                cluster_sums(gold, gold_weight),
                cluster_sums(gold, gold_weight * scaled_ratio(_ONE, size)),
            )
        )
    return found


_ONE = np.ones(1, dtype=np.int64)


def expected_sums(
    gold: Sequence[GoldMarginals],
    pred_bits: Sequence[NDArray[np.uint64]],
    pred_weight: NDArray[np.int64],
) -> NDArray[np.float64]:
    r"""Expected sums of the statistics where the answers are dealt to the items at random.

    Every gold list then meets every answer, and as |G∩P| is a sum over clusters,

    .. math:: E\Big[\sum_i \frac{|G_i \cap P|}{|P|}\Big]
        = \frac1m \sum_c \#\{i: c \in G_i\} \cdot \sum_{j: c \in P_j} \frac1{|P_j|}

    for m answers, and likewise for recall: no pair need be looked at. With one answer that is what
    the constant answer scores.

    Parameters
    ----------
    gold:
        Marginals per ring.
    pred_bits:
        Per ring, shape (lists, words), from :func:`ovbench.metrics.bits.ring_bits`.
    pred_weight:
        Shape (lists,): how often each answer was given (missing ones, as an empty list, included).

    Returns
    -------
    Shape (3 * rings,), for the ``finish`` of :func:`metric` on the same rings.

    Raises
    ------
    InputError
        If there are no answers.
    """
    answers = int(pred_weight.sum())
    if answers == 0:
        raise InputError("no answers to deal", expected="at least one")
    sums: list[float] = []
    for ring, pred in zip(gold, pred_bits, strict=True):
        has = cluster_sums(pred, pred_weight)
        share = cluster_sums(pred, pred_weight * scaled_ratio(_ONE, popcount(pred)))
        # Python's integers: the products can pass 2**63, and the quotient is rounded once.
        precision = sum(g * p for g, p in zip(ring.has, share, strict=True))
        recall = sum(g * p for g, p in zip(ring.share, has, strict=True))
        sums += [ring.counted, precision / answers, recall / answers]
    return np.array(sums, dtype=np.float64)
