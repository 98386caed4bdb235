r"""HiT: how much of the gold a prediction hits, and the precision that the hit rate does not see.

On one ring, over the n items whose gold set G is not empty:

.. math::
    \text{hit rate} = \frac1n \sum_i h_i, \qquad
    h_i = |G_i \cap P_i| \ (\text{count}) \quad\text{or}\quad [\,G_i \cap P_i \ne \emptyset\,]\
    (\text{any}), \qquad
    \text{precision} = \frac1n \sum_i \frac{|G_i \cap P_i|}{|P_i|}

The official hit rate (AffectGPT, ``calculate_openset_onehot_hitrate``) takes ``hit="count"``; it
exceeds 1 where gold lists have several clusters, and it charges nothing for over-prediction: the
constant answer that names every class has hit rate 1. Its ``mscore``, which the authors compute and
discard, is a precision against the candidates: |G∩P| / |P∩C|, where C holds the clusters of the
distinct gold labels. Ours takes ``hit="any"``, stays within 0..1 and shows precision beside it.

Example, one ring, C = {happy, sad, mad}: G = {happy}, P = {happy, sad, scared}: hit 1, precision
1/3, mscore 1/2. G = {sad, mad}, P = {sad, mad}: hit 2 (count) or 1 (any), precision and mscore 1.
Hit rate 3/2 or 1, precision 2/3, mscore 3/4.

Edge cases: a gold set without clusters is not counted; with the official tables that drops every
``neutral`` item, with ours neutral is a cluster. An empty prediction is a miss with precision 0.
Where no item is counted on a ring, all is NaN there; ours (``hit="any"``) leaves such a ring out of
the means, the official one is NaN then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ovbench.metrics.bits import SetCounts
from ovbench.metrics.rings import Counts, RingMetric, averaged, check_rings
from ovbench.metrics.statistics import SCALE, Scores, Statistics, ratio, scaled_ratio

Hit = Literal["count", "any"]


def metric(
    rings: Sequence[str],
    *,
    hit: Hit,
    precision: Literal["precision", "mscore"] = "precision",
    headline: Sequence[str] | None = None,
) -> RingMetric:
    """The metric on ``rings``, averaged over those in ``headline`` (default: all).

    Scores: ``hit_rate`` and, under the name ``precision`` gives, |G∩P| / |P|; each with
    ``_level1`` and so on over one level; each with ``@ring``. For ``mscore`` the counts' ``pred``
    must be |P∩C|, as :func:`statistics` sets it.
    """
    check_rings(rings, headline)
    finish = partial(
        _finish, rings=tuple(rings), precision=precision, headline=headline, omit=hit == "any"
    )
    return RingMetric(tuple(rings), 3, _columns_any if hit == "any" else _columns_count, finish)


def statistics(
    counts: SetCounts,
    weight: NDArray[np.int64],
    rings: Sequence[str],
    *,
    hit: Hit,
    in_candidates: NDArray[np.int32] | None = None,
    headline: Sequence[str] | None = None,
    counted: NDArray[np.bool_] | None = None,
) -> Statistics:
    """Statistics of :func:`metric`: per ring whether counted, hit, precision.

    ``in_candidates``, shape (rows, rings), is |P∩C|; where it is given the second score is
    ``mscore`` instead of ``precision``.
    """
    if in_candidates is None:
        return metric(rings, hit=hit, headline=headline).statistics(counts, weight, counted)
    official = metric(rings, hit=hit, precision="mscore", headline=headline)
    return official.statistics(replace(counts, pred=in_candidates), weight, counted)


def _columns_count(both: Counts, gold: Counts, pred: Counts) -> tuple[NDArray[np.integer], ...]:
    return (gold > 0).astype(np.int64), both, scaled_ratio(both, pred)


def _columns_any(both: Counts, gold: Counts, pred: Counts) -> tuple[NDArray[np.integer], ...]:
    return (gold > 0).astype(np.int64), (both > 0).astype(np.int64), scaled_ratio(both, pred)


def _finish(
    sums: NDArray[np.float64],
    *,
    rings: tuple[str, ...],
    precision: str,
    headline: Sequence[str] | None,
    omit: bool,
) -> Scores:
    by_ring: dict[str, list[NDArray[np.float64]]] = {"hit_rate": [], precision: []}
    for ring in range(len(rings)):
        n = sums[..., 3 * ring]
        by_ring["hit_rate"].append(ratio(sums[..., 3 * ring + 1], n, np.nan))
        by_ring[precision].append(ratio(sums[..., 3 * ring + 2], n * SCALE, np.nan))
    return averaged(by_ring, rings, headline, omit_undefined=omit)
