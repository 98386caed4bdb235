"""Paired comparisons: this system against others on the items that both are scored on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.metrics.power import detectable_difference
from ovbench.metrics.significance import holm, paired
from ovbench.results import Comparison
from ovbench.scoring.assemble import cluster_codes
from ovbench.scoring.evaluation import Evaluation, number
from ovbench.scoring.options import Options


def compare(
    ours: Evaluation,
    others: Sequence[tuple[str, Evaluation]],
    metric: str,
    options: Options,
) -> tuple[Comparison, ...]:
    """One comparison per other system, p corrected for their number (Holm)."""
    found = [_compare_one(ours, name, other, metric, options) for name, other in others]
    corrected = holm([np.nan if c.p is None else c.p for c in found])
    return tuple(
        c.model_copy(update={"p_holm": number(p)}) for c, p in zip(found, corrected, strict=True)
    )


def _compare_one(
    ours: Evaluation, name: str, other: Evaluation, metric: str, options: Options
) -> Comparison:
    mine, theirs = _shared_items(ours, other)
    if len(mine) == 0:
        raise InputError("no item is scored for both systems", where=name)
    units = cluster_codes(ours, options)
    if not options.draws:
        return _plain_difference(ours, name, other, metric, mine, theirs)
    found = paired(
        ours.item_statistics().values[mine],
        other.item_statistics().values[theirs],
        ours.statistics.finish,
        clusters=None if units is None else units[mine],
        draws=options.draws,
        seed=options.seed,
        confidence=options.confidence,
    ).of(metric)
    error = found.interval.standard_error
    return Comparison(
        other=name,
        metric=metric,
        score=number(found.a),
        other_score=number(found.b),
        difference=number(found.difference),
        low=number(found.interval.low),
        high=number(found.interval.high),
        p=number(found.p),
        p_holm=None,
        draws=found.interval.draws,
        items=_scored(ours, other, mine, theirs),
        detectable=None if np.isnan(error) else detectable_difference(error),
    )


def _plain_difference(
    ours: Evaluation,
    name: str,
    other: Evaluation,
    metric: str,
    mine: NDArray[np.int64],
    theirs: NDArray[np.int64],
) -> Comparison:
    """The difference without anything drawn at random."""
    finish = ours.statistics.finish
    a, b = (
        float(finish(system.item_statistics().values[rows].sum(axis=0).astype(np.float64))[metric])
        for system, rows in ((ours, mine), (other, theirs))
    )
    return Comparison(
        other=name,
        metric=metric,
        score=number(a),
        other_score=number(b),
        difference=number(a - b),
        draws=0,
        items=_scored(ours, other, mine, theirs),
    )


def _scored(
    ours: Evaluation, other: Evaluation, mine: NDArray[np.int64], theirs: NDArray[np.int64]
) -> int:
    """How many of the shared items enter both scores."""
    return int((ours.enters[mine] & other.enters[theirs]).sum())


def _shared_items(
    ours: Evaluation, other: Evaluation
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the shared items in both; the same everywhere when the ids are the same."""
    if ours.ids == other.ids:
        every = np.arange(len(ours.ids), dtype=np.int64)
        return every, every
    place = {name: index for index, name in enumerate(other.ids)}
    both = [(index, place[name]) for index, name in enumerate(ours.ids) if name in place]
    pairs = np.array(both, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
