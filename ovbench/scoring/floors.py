"""Trivial answers on the same gold: what a score is worth against no listening at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels import LabelLists
from ovbench.metrics import emotion_wheel, floors
from ovbench.protocols.schema import EmotionWheelProtocol
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
    words = _words_by_frequency(gold, gold_weight)
    marginals = None
    if isinstance(scorer.protocol, EmotionWheelProtocol):
        marginals = emotion_wheel.gold_marginals(gold.bits, gold_weight)

    def constant(labels: Sequence[str]) -> dict[str, float]:
        answer = scorer.place(single_list(labels))
        if marginals is not None:
            once = np.ones(1, dtype=np.int64)
            return metric.scores(emotion_wheel.expected_sums(marginals, answer.bits, once))
        rows = np.arange(len(gold_weight), dtype=np.int64)
        first = np.zeros_like(rows)
        counts, in_candidates = scorer.count(gold, answer, rows, first, candidates)
        return scorer.scores(counts, gold_weight, in_candidates)

    found: Floors = {}
    chosen = _best_constant(scorer, gold, gold_weight, words, k)
    if chosen:
        note = f"the same labels for every item, at most {k}, chosen on this gold for its score"
        found["best_constant"] = Floor(description=note, labels=chosen), constant(chosen)
    note = "every label that occurs in the gold, for every item"
    found["all_labels"] = Floor(description=note), constant(words)
    neutral = Floor(description="neutral for every item", labels=("neutral",))
    found["neutral"] = neutral, constant(neutral.labels)
    whose = "the gold's own lists" if predicted is None else "the system's own answers"
    note = f"{whose}, dealt to the items at random: the expected score"
    dealt, dealt_weight = (gold, gold_weight) if predicted is None else (predicted, pred_weight)
    silent = int(gold_weight.sum() - dealt_weight.sum())
    bits = [np.concatenate([b, np.zeros_like(b[:1])]) for b in dealt.bits]
    weight = np.append(dealt_weight, silent)
    if marginals is not None:
        sums = emotion_wheel.expected_sums(marginals, bits, weight)
    else:
        sums = _shuffled(scorer, gold, gold_weight, bits, weight, candidates)
    found["label_shuffled"] = Floor(description=note), metric.scores(sums)
    return found


def _best_constant(
    scorer: WheelScorer, gold: Placed, weight: NDArray[np.int64], words: Sequence[str], k: int
) -> tuple[str, ...]:
    """The constant answer with the best headline; only the rings it is the mean of matter."""
    protocol = scorer.protocol
    keys = set(protocol.averaged_rings)
    rings = [r for r, ring in enumerate(scorer.rings) if ring.key in keys]
    codes = scorer.codes(words)[:, rings]
    if not (codes >= 0).any():
        return ()
    best = floors.best_constant(
        [gold.bits[r] for r in rings],
        weight,
        codes,
        [len(scorer.rings[r].clusters) for r in rings],
        k,
        ring_metric(protocol.model_copy(update={"rings": protocol.averaged_rings})),
        protocol.headline,
    )
    return tuple(words[i] for i in best.labels)


def _shuffled(
    scorer: WheelScorer,
    gold: Placed,
    gold_weight: NDArray[np.int64],
    bits: list[NDArray[np.uint64]],
    weight: NDArray[np.int64],
    candidates: NDArray[np.int32] | None,
) -> NDArray[np.float64]:
    """Expected sums of a hit rate where the answers are dealt at random."""
    metric = ring_metric(scorer.protocol)
    sums = floors.expected_shuffled(gold.bits, gold_weight, bits, weight, metric)
    masks = _candidate_masks(scorer, candidates)
    if masks is not None:
        within = [b & mask for b, mask in zip(bits, masks, strict=True)]
        precise = floors.expected_shuffled(gold.bits, gold_weight, within, weight, metric)
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
