"""Trivial answers on the same gold: what a score is worth against no listening at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ovbench.metrics import floors
from ovbench.results import Floor
from ovbench.scoring.cluster_sets import Placed, WheelScorer

Floors = dict[str, tuple[Floor, dict[str, float]]]
"""Floor name → what it answers and how that scores."""


def wheel_floors(
    scorer: WheelScorer,
    gold: Placed,
    gold_weight: NDArray[np.float64],
    mean_labels: float | None,
    predicted: Placed,
    pred_weight: NDArray[np.float64],
) -> Floors:
    """The floors of a wheel protocol.

    ``best_constant`` has as many labels as the system gives on average (rounded, at least one) and
    is chosen on this gold, so it is an upper bound for constants of that length;
    ``label_shuffled`` is the exact expectation over all ways to deal the predictions to the items.
    """
    used = np.flatnonzero(gold_weight > 0)
    weight = gold_weight[used].astype(np.int64)
    scored = [bits[used] for bits in gold.bits]

    def constant(labels: Sequence[str]) -> dict[str, float]:
        answer = scorer.place(_single_list(labels))
        rows = np.arange(len(used), dtype=np.int64)
        only = Placed(gold.lists, gold.codes, scored)
        counts, relevant = scorer.count(
            only, answer, rows, np.zeros_like(rows), gold.codes if scorer.counts_hits else None
        )
        return scorer.statistics(counts, weight, relevant).scores()

    words = _gold_words(gold, gold_weight)
    k = max(1, round(mean_labels or 1))
    best = floors.best_constant(
        scored, weight, scorer.codes(words), [len(r.clusters) for r in scorer.rings], k,
        scorer.objective,
    )
    chosen = tuple(words[i] for i in best)
    note = "the same labels for every item, chosen on this gold"
    return {
        "best_constant": (
            Floor(description=f"{note} for the best score with {k} label(s)", labels=chosen),
            constant(chosen),
        ),
        "all_labels": (
            Floor(description="every label that occurs in the gold, for every item"),
            constant(words),
        ),
        "neutral": (
            Floor(description="neutral for every item", labels=("neutral",)),
            constant(["neutral"]),
        ),
        "label_shuffled": (
            Floor(description="the system's own answers dealt to the items at random, expected"),
            _shuffled(scorer, scored, weight, predicted, pred_weight),
        ),
    }
