"""Paired comparisons: this system against others on the items that both are scored on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ovbench.errors import InputError
from ovbench.metrics.power import detectable_difference
from ovbench.metrics.significance import Paired, holm
from ovbench.results import Comparison
from ovbench.scoring.assemble import cluster_codes
from ovbench.scoring.evaluation import Evaluation
from ovbench.scoring.options import Options


def compare(
    ours: Evaluation,
    others: Sequence[tuple[str, Evaluation]],
    metric: str,
    options: Options,
) -> tuple[Comparison, ...]:
    """One comparison per other system, p corrected for their number (Holm)."""
    found = [_compare_one(ours, name, other, metric, options) for name, other in others]
    tested = [c.p for c in found if c.p is not None]
    corrected = iter(holm(tested))
    return tuple(
        c.model_copy(update={"p_holm": float(next(corrected))}) if c.p is not None else c
        for c in found
    )


def _compare_one(
    ours: Evaluation, name: str, other: Evaluation, metric: str, options: Options
) -> Comparison:
    mine, theirs = _shared_items(ours, other)
    if len(mine) == 0:
        raise InputError("no item is scored for both systems", where=name)
    units = cluster_codes(ours, options)
    pair = Paired(
        ours.item_statistics().values[mine],
        other.item_statistics().values[theirs],
        ours.statistics.finish,
        clusters=None if units is None else units[mine],
    )
    a, b = pair.scores()
    difference = a[metric] - b[metric]
    known = not np.isnan(difference)
    interval = (
        pair.bootstrap(
            metric,
            draws=options.draws or options.permutations,
            seed=options.seed,
            confidence=options.confidence,
        )
        if known
        else None
    )
    return Comparison(
        other=name,
        metric=metric,
        score=_number(a[metric]),
        other_score=_number(b[metric]),
        difference=_number(difference),
        low=_number(interval.low) if interval else None,
        high=_number(interval.high) if interval else None,
        p=pair.permutation_p(metric, draws=options.permutations, seed=options.seed)
        if known
        else None,
        p_holm=None,
        permutations=options.permutations,
        items=len(mine),
        detectable=detectable_difference(interval.standard_error) if interval else None,
    )


def _shared_items(
    ours: Evaluation, other: Evaluation
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Positions of the shared items in both; the same everywhere when the ids are the same."""
    if list(ours.ids) == list(other.ids):
        every = np.arange(len(ours.ids), dtype=np.int64)
        return every, every
    place = {name: index for index, name in enumerate(other.ids)}
    both = [(index, place[name]) for index, name in enumerate(ours.ids) if name in place]
    pairs = np.array(both, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
