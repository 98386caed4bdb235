"""From aligned files, or from kept samples, to an evaluation: one way per family of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.metrics import group
from ovbench.metrics.bits import SetCounts
from ovbench.protocols import Protocol
from ovbench.protocols.schema import (
    ClosedSetProtocol,
    SentimentProtocol,
    SynonymGroupsProtocol,
)
from ovbench.scoring.classes import (
    class_evaluation_from_sample,
    evaluate_closed_set,
    evaluate_sentiment,
)
from ovbench.scoring.cluster_sets import item_f1, ring_counts, wheel_statistics
from ovbench.scoring.evaluation import Evaluation, SampleItem
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared
from ovbench.scoring.synonym_sets import evaluate_groups
from ovbench.scoring.wheels import evaluate_wheels


def evaluate(prepared: Prepared, protocol: Protocol, options: Options) -> Evaluation:
    """One system's items as sufficient statistics, by the protocol's metric."""
    if isinstance(protocol, SentimentProtocol):
        found = evaluate_sentiment(prepared, protocol)
    elif isinstance(protocol, ClosedSetProtocol):
        found = evaluate_closed_set(prepared, protocol, options)
    elif isinstance(protocol, SynonymGroupsProtocol):
        found = evaluate_groups(prepared, protocol, options)
    else:
        found = evaluate_wheels(prepared, protocol, options)
    told = {"missing": options.on_missing, "duplicates": options.keep or "error"}
    return replace(found, choices={**found.choices, **told})


def evaluation_from_sample(
    protocol: Protocol, items: Sequence[SampleItem], classes: tuple[str, ...], where: str
) -> Evaluation:
    """The evaluation that kept statistics stand for; labels and floors cannot be had from them.

    Raises
    ------
    InputError
        If an item's statistics do not fit the protocol, or are impossible.
    """
    if isinstance(protocol, SentimentProtocol | ClosedSetProtocol):
        return class_evaluation_from_sample(items, classes, where)
    rings = 1 if isinstance(protocol, SynonymGroupsProtocol) else len(protocol.rings)
    both, gold, pred = (_sizes(items, side, rings, where) for side in ("both", "gold", "pred"))
    impossible = np.flatnonzero(np.any(both > np.minimum(gold, pred), axis=1))
    if impossible.size:
        name = items[int(impossible[0])].id
        raise InputError(f"item {name!r} has |G∩P| above |G| or |P|", where=where)
    counts = SetCounts(both, gold, pred)
    weight = np.ones(len(items), dtype=np.int64)
    wheels = {}
    enters: NDArray[np.bool_] = gold.max(axis=1) > 0
    if isinstance(protocol, SynonymGroupsProtocol):
        enters = (gold > 0)[:, 0] | (pred == 0)[:, 0]
        statistics = group.statistics(counts, weight)
    else:
        relevant = None
        if protocol.metric == "hit-rate" and protocol.hit == "count":
            relevant = _sizes(items, "in_candidates", rings, where)
        statistics = wheel_statistics(protocol, counts, weight, relevant)
        labels = np.array([item.labels or 0 for item in items])
        wheels = ring_counts(protocol.rings, counts, weight, labels > 0)
    return Evaluation(
        ids=[item.id for item in items],
        scores=statistics.scores(),
        make_statistics=lambda: statistics,
        row_of_item=np.arange(len(items), dtype=np.int64),
        status=np.zeros(len(items), dtype=np.uint8),
        enters=enters,
        left_out=0,
        item_scores=lambda: item_f1(counts),
        wheels=wheels,
    )


def _sizes(
    items: Sequence[SampleItem], side: str, rings: int, where: str
) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Shape (items, rings): one side's set sizes."""
    for item in items:
        found = getattr(item, side)
        if not isinstance(found, tuple) or len(found) != rings:
            raise InputError(
                f"item {item.id!r} has {side!r} = {found!r:.60}",
                where=where,
                expected=f"{rings} numbers, one per ring",
            )
    return np.array([getattr(item, side) for item in items], dtype=np.int32)
