"""Two systems on one task, side by side: where they differ, and whether that could be chance.

What is made here holds gold labels: it is for those who have the data set, not for pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ovbench.board.items import Answers, answers_to
from ovbench.board.pairs import (
    deviates,
    differing,
    leave_one_out,
    normal_as_student,
    slopes,
    student_as_normal,
    two_sided,
    variances,
)
from ovbench.board.store import Entry
from ovbench.errors import InputError
from ovbench.metrics.significance import paired
from ovbench.results import Comparison, PerClass
from ovbench.scoring.evaluation import number

SHOWN = 20
"""Items that are listed."""
_QUANTILE = 1.959963984540054  # of the normal distribution, for 95 %


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Sides(_Frozen):
    """One thing of both systems; ``support`` counts items of gold, so it is the same in both."""

    a: PerClass
    b: PerClass


class VersusItem(_Frozen):
    """An item on which the systems differ."""

    id: str
    score_a: float | None
    """A's own agreement with gold: mean F1 over the rings, or 1 and 0 for right and wrong."""
    score_b: float | None
    gold: tuple[str, ...]
    a: tuple[str, ...]
    """A's labels."""
    b: tuple[str, ...]
    traces: dict[str, dict[str, str | None]]
    """Label → ring → cluster (null: unknown there); empty for classes and sentiment."""


class Versus(_Frozen):
    """System A against system B on the same items under the same protocol."""

    a: str
    """Record id of A."""
    b: str
    name_a: str
    """Untrusted text."""
    name_b: str
    task: str
    split: str
    protocol: str
    headline: Comparison
    """A minus B: paired bootstrap interval, paired permutation test (one pair: no correction)."""
    scores: dict[str, tuple[float | None, float | None]]
    """Every score of A and of B, by ring too (``f1@wheel1/level1``)."""
    clusters: dict[str, dict[str, Sides]]
    """Ring of the first level → cluster → its precision, recall and F1, over the items whose gold
    has a cluster on that ring. For classes the one ring is called ``class``."""
    items: tuple[VersusItem, ...]
    """Those on which the systems' agreement with gold differs most, ties by id."""


def versus(a: Entry, b: Entry, *, shown: int = SHOWN, draws: int = 10_000) -> Versus:
    """Compare two records of one table whose predictions are inline.

    Parameters
    ----------
    shown:
        How many items to list.
    draws:
        Of the bootstrap, and of the permutation test.

    Raises
    ------
    InputError
        If the records are of different tables or have no predictions that fit the task, or the
        headline is none of the protocol's scores.
    OvbenchError
        If the task's gold or the protocol's tables are not here.
    """
    first, second = a.record, b.record
    same = first.table() == second.table() and first.protocol == second.protocol
    if not same or first.task.digest != second.task.digest:
        raise InputError(
            f"records {a.id} and {b.id} do not answer the same items by the same score",
            expected="two records of one table",
        )
    answers = answers_to([first, second])
    if len(answers.members) < 2:
        raise InputError(
            f"record {b.id if answers.members == (0,) else a.id} has no predictions of "
            f"{first.task.id}'s items",
            expected="predictions inline",
        )
    if first.headline not in answers.evaluation.scores:
        raise InputError(f"{first.headline!r:.60} is no score of {first.protocol}", where=a.id)
    flat = [_flat(answers, system) for system in (0, 1)]
    return Versus(
        a=a.id,
        b=b.id,
        name_a=first.system.name,
        name_b=second.system.name,
        task=first.task.id,
        split=first.task.split,
        protocol=first.protocol,
        headline=_headline(answers, first.headline, second.system.name, draws),
        scores={name: (number(flat[0][name]), number(flat[1][name])) for name in flat[0]},
        clusters=_clusters(answers, flat),
        items=_items(answers, shown),
    )


def _flat(answers: Answers, system: int) -> dict[str, float]:
    sums = answers.values(system).sum(axis=0).astype(np.float64)
    return {name: float(value) for name, value in answers.finish(sums).items()}


def _headline(answers: Answers, name: str, other: str, draws: int) -> Comparison:
    found = paired(answers.values(0), answers.values(1), answers.finish, draws=draws).of(name)
    return Comparison(
        other=other,
        metric=name,
        score=number(found.a),
        other_score=number(found.b),
        difference=number(found.difference),
        low=number(found.interval.low),
        high=number(found.interval.high),
        p=number(found.p),
        draws=draws,
        items=len(answers.ids),
    )


def _clusters(answers: Answers, flat: Sequence[dict[str, float]]) -> dict[str, dict[str, Sides]]:
    by_class = answers.evaluation.by_class
    if by_class is not None:
        one, two = by_class(flat[0]), by_class(flat[1])
        return {"class": {name: Sides(a=one[name], b=two[name]) for name in one}}
    trace = answers.evaluation.trace
    if trace is None:
        return {}
    sides = [[answers.describe(s, item) for item in range(len(answers.ids))] for s in (0, 1)]
    labels = {label for side in sides for pair in side for part in pair for label in part}
    places = {label: trace(label) for label in sorted(labels)}
    rings = [ring for ring in next(iter(places.values()), {}) if ring.endswith("/level1")]
    found = {}
    for ring in rings:
        place = {label: rings_of[ring] for label, rings_of in places.items()}
        one, two = (_per_cluster(side, place) for side in sides)
        found[ring] = {
            cluster: Sides(a=one.get(cluster, _NEVER), b=two.get(cluster, _NEVER))
            for cluster in sorted({*one, *two})
        }
    return found


_NEVER = PerClass(precision=0.0, recall=0.0, f1=0.0, support=0)


def _per_cluster(
    pairs: Iterable[tuple[tuple[str, ...], tuple[str, ...]]], place: dict[str, str | None]
) -> dict[str, PerClass]:
    """Precision, recall and F1 of every cluster that gold or prediction names on one ring."""
    support: Counter[str] = Counter()
    named: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for gold, prediction in pairs:
        wanted, given = ({c for label in s if (c := place[label])} for s in (gold, prediction))
        if wanted:
            support.update(wanted)
            named.update(given)
            both.update(wanted & given)
    return {
        cluster: PerClass(
            precision=both[cluster] / max(named[cluster], 1),
            recall=both[cluster] / max(support[cluster], 1),
            f1=2 * both[cluster] / (named[cluster] + support[cluster]),
            support=support[cluster],
        )
        for cluster in {*support, *named}
    }


def _items(answers: Answers, shown: int) -> tuple[VersusItem, ...]:
    own = answers.item_scores()
    gap = np.abs(own[0] - own[1])
    order = sorted(np.flatnonzero(gap > 0).tolist(), key=lambda i: (-gap[i], answers.ids[i]))
    trace = answers.evaluation.trace
    found = []
    for item in order[:shown]:
        (gold, one), (_, two) = answers.describe(0, item), answers.describe(1, item)
        labels = dict.fromkeys([*gold, *one, *two])
        found.append(
            VersusItem(
                id=answers.ids[item],
                score_a=number(own[0, item]),
                score_b=number(own[1, item]),
                gold=gold,
                a=one,
                b=two,
                traces={label: trace(label) for label in labels} if trace else {},
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class PairTests:
    """All pairs of a table's systems, row minus column; arrays of shape (systems, systems).

    ``low`` and ``high`` are the 95 % interval of ``difference``, ``p`` is two-sided and not
    corrected for the number of pairs. By :mod:`ovbench.board.pairs`, so without draws.
    """

    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]


def pair_tests(answers: Answers, score: str) -> PairTests:
    """Paired tests between all systems of ``answers`` in one score.

    Raises
    ------
    InputError
        If it is none of the protocol's scores.
    """
    if score not in answers.evaluation.scores:
        raise InputError(f"{score!r:.60} is no score of this protocol", where=answers.task.id)
    values, rows = answers.evaluation.statistics.values, answers.rows()
    scores, parts = leave_one_out(values, rows, answers.finish, score)
    degrees = max(parts.shape[1] - 1, 1)
    difference = scores[:, None] - scores[None, :]
    variance = np.maximum(variances(parts), variances(slopes(values, rows, answers.finish, score)))
    z = student_as_normal(deviates(difference, variance), degrees)
    least = np.minimum(1.0, 2.0 ** (1.0 - differing(values, rows)))
    half = normal_as_student(_QUANTILE, degrees) * np.sqrt(variance)
    p = np.maximum(two_sided(z.ravel()).reshape(z.shape), least)
    return PairTests(difference, difference - half, difference + half, p)
