"""What is kept of every item to score it again, and the evaluation that this stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ovbench.errors import InputError
from ovbench.frozen import Frozen
from ovbench.metrics import group
from ovbench.metrics.bits import SetCounts
from ovbench.protocols import Protocol
from ovbench.protocols.schema import ClosedSetProtocol, SentimentProtocol, SynonymGroupsProtocol
from ovbench.scoring.classes import OTHER, class_evaluation
from ovbench.scoring.cluster_sets import item_f1, ring_counts, wheel_statistics
from ovbench.scoring.evaluation import Evaluation

Size = Annotated[int, Field(ge=0, le=65_535)]
"""Number of clusters or labels of one item."""


class SampleItem(Frozen):
    """Sufficient statistics of one item, as ``--samples`` keeps them.

    Set metrics have |G∩P|, |G| and |P| per ring in ``both``, ``gold`` and ``pred`` (and, for the
    official hit rate, ``in_candidates``: |P∩C|); class metrics have the gold class and the answer.
    """

    id: str
    status: Literal["ok", "empty", "unparsable", "out_of_set", "truncated", "error", "missing"]
    both: tuple[Size, ...] = ()
    gold: tuple[Size, ...] | str
    pred: tuple[Size, ...] | str | None
    in_candidates: tuple[Size, ...] = ()
    labels: Size | None = None
    """Number of predicted labels, known to the normalizer or not."""
    columns: dict[str, str] = Field(default_factory=dict)


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
        return _of_classes(items, classes, where)
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


def _of_classes(items: Sequence[SampleItem], classes: tuple[str, ...], where: str) -> Evaluation:
    """The evaluation of kept classes and answers.

    Raises
    ------
    InputError
        If an item's gold is not one of the classes.
    """
    code: dict[object, int] = {name: number for number, name in enumerate(classes)}
    for item in items:
        if item.gold not in code or not (item.pred is None or item.pred in code):
            raise InputError(
                f"item {item.id!r} has gold {item.gold!r:.40} and answer {item.pred!r:.40}",
                where=where,
                expected="classes of the header: " + ", ".join(classes),
            )
    gold = np.array([code[item.gold] for item in items], dtype=np.int64)
    answers = np.array([code.get(item.pred, OTHER) for item in items], dtype=np.int64)
    every = np.arange(len(items), dtype=np.int64)
    ones = np.ones(len(items), dtype=np.int64)
    return class_evaluation([item.id for item in items], gold, answers, ones, every, classes)
