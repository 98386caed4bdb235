"""Trivial answers on the same gold: what a score is worth against no listening at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels import LabelLists
from ovbench.metrics import floors
from ovbench.metrics.rings import RingMetric
from ovbench.metrics.statistics import Statistics
from ovbench.results import Floor
from ovbench.scoring.cluster_sets import (
    Placed,
    WheelScorer,
    label_counts,
    one_list,
    ring_metric,
)

Floors = dict[str, tuple[Floor, dict[str, float]]]
"""Floor name → what it answers and how that scores."""

MOST_PAIRS = 2**31
"""Pairs of distinct gold and predicted sets per ring up to which shuffling is worked out."""


@dataclass(frozen=True)
class GoldSets:
    """The gold's distinct cluster sets: per ring bits (lists, words), and its number of items."""

    bits: list[NDArray[np.uint64]]
    weight: NDArray[np.int64]


def distinct_sets(placed: Placed, weight: NDArray[np.int64]) -> GoldSets:
    """Lists with the same clusters on every ring, once each; lists of no item are left out."""
    stacked = np.concatenate(placed.bits, axis=1).view(np.int64)
    rows = Statistics(stacked, weight, dict).distinct()
    edges = np.cumsum([bits.shape[1] for bits in placed.bits])[:-1]
    columns = np.ascontiguousarray(rows.values).view(np.uint64)
    return GoldSets(np.split(columns, edges, axis=1), rows.weight)


def wheel_floors(
    scorer: WheelScorer,
    gold: Placed,
    gold_weight: NDArray[np.int64],
    predicted: Placed | None,
    pred_weight: NDArray[np.int64],
    k: int,
    candidates: NDArray[np.int32] | None,
) -> Floors:
    """The floors of a wheel protocol.

    ``best_constant`` has up to ``k`` labels and is chosen on this gold, so it is an upper bound for
    constants of that length; ``label_shuffled`` is the exact expectation over all ways to deal the
    answers to the items (the gold's own lists where there are no predictions).
    """
    metric = ring_metric(scorer.protocol)
    sets = distinct_sets(gold, gold_weight)
    masks = _candidate_masks(scorer, candidates)
    words = _words_by_frequency(gold, gold_weight)
    codes = scorer.codes(words)

    def constant(labels: Sequence[str]) -> dict[str, float]:
        answer = scorer.place(single_list(labels))
        rows = np.arange(len(sets.weight), dtype=np.int64)
        only = Placed(gold.lists, gold.codes, sets.bits)
        first = np.zeros_like(rows)
        counts, in_candidates = scorer.count(only, answer, rows, first, candidates)
        return scorer.statistics(counts, sets.weight, in_candidates).scores()

    found: Floors = {}
    if (codes >= 0).any():
        clusters = [len(ring.clusters) for ring in scorer.rings]
        best = floors.best_constant(
            sets.bits, sets.weight, codes, clusters, k, metric, scorer.protocol.headline
        )
        chosen = tuple(words[i] for i in best.labels)
        note = f"the same labels for every item, at most {k}, chosen on this gold for its score"
        found["best_constant"] = Floor(description=note, labels=chosen), constant(chosen)
    note = "every label that occurs in the gold, for every item"
    found["all_labels"] = Floor(description=note), constant(words)
    neutral = ("neutral",)
    found["neutral"] = (
        Floor(description="neutral for every item", labels=neutral),
        constant(neutral),
    )
    dealt = sets if predicted is None else distinct_sets(predicted, pred_weight)
    if _pairs(sets, dealt) <= MOST_PAIRS:
        whose = "the gold's own lists" if predicted is None else "the system's own answers"
        note = f"{whose}, dealt to the items at random: the expected score"
        sums = _shuffled(sets, dealt, metric, masks, int(gold_weight.sum()))
        found["label_shuffled"] = Floor(description=note), metric.scores(sums)
    return found


def _pairs(gold: GoldSets, dealt: GoldSets) -> int:
    """The most pairs of distinct sets on one ring."""
    sides = zip(gold.bits, dealt.bits, strict=True)
    return max(len(np.unique(g, axis=0)) * len(np.unique(p, axis=0)) for g, p in sides)


def _shuffled(
    gold: GoldSets,
    dealt: GoldSets,
    metric: RingMetric,
    masks: list[NDArray[np.uint64]] | None,
    items: int,
) -> NDArray[np.float64]:
    """Expected sums where the answers are dealt at random; answers not given are empty ones."""
    silent = items - int(dealt.weight.sum())
    bits = [np.concatenate([b, np.zeros_like(b[:1])]) for b in dealt.bits]
    weight = np.append(dealt.weight, silent)
    sums = floors.expected_shuffled(gold.bits, gold.weight, bits, weight, metric)
    if masks is not None:
        within = [b & mask for b, mask in zip(bits, masks, strict=True)]
        precise = floors.expected_shuffled(gold.bits, gold.weight, within, weight, metric)
        sums[2::3] = precise[2::3]
    return sums


def _candidate_masks(
    scorer: WheelScorer, candidates: NDArray[np.int32] | None
) -> list[NDArray[np.uint64]] | None:
    if candidates is None:
        return None
    return [one_list(candidates[:, r], len(ring.clusters)) for r, ring in enumerate(scorer.rings)]


def single_list(labels: Sequence[str]) -> LabelLists:
    """One list of distinct labels."""
    distinct = list(dict.fromkeys(labels))
    return LabelLists(
        distinct,
        np.arange(len(distinct), dtype=np.int32),
        np.array([0, len(distinct)], dtype=np.int64),
        np.zeros(1, dtype=np.uint8),
    )


def _words_by_frequency(gold: Placed, weight: NDArray[np.int64]) -> list[str]:
    """The gold's labels, the most frequent first, ties in alphabetical order."""
    lists = gold.lists
    counts = label_counts(lists, weight)
    used = [(-counts[i], word) for i, word in enumerate(lists.vocabulary) if counts[i] > 0]
    return [word for _, word in sorted(used)]
