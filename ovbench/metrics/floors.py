r"""Trivial baselines: what a constant answer and shuffled answers score on the same gold.

*Constant*: every item gets the same k labels; :func:`best_constant` looks for the best ones.
*Shuffled*: the system's own answers, dealt to the items at random. Its expectation needs no
shuffling: sums are linear, so every gold list meets every answer with equal weight,

.. math:: E\Big[\sum_i s(G_i, P_{\sigma(i)})\Big] = \frac1m \sum_i \sum_j s(G_i, P_j)

for m answers. What is returned is the score of the expected sums: the expected precision, recall
and hit rate exactly, and F of the expected precision and recall.

Example, one ring: gold {a}, {b}; answers {a}, {a, b}. Expected precision: (1 + 1/2 + 0 + 1/2) / 4
= 1/2; expected recall (1 + 1 + 0 + 1) / 4 = 3/4. Best constant of one label: a or b, P = R = 1/2.

Edge cases: an empty answer is an answer, 0 in ``pred_bits``. Labels with the same clusters on every
ring are one candidate, the first of them; labels unknown on every ring are none. A constant of
fewer than k labels is preferred where more do not score better (further labels of the same
clusters, or unknown ones, would change nothing).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.metrics.bits import popcount, ring_bits, words_for
from ovbench.metrics.rings import RingMetric

EXHAUSTIVE = 20_000
"""Up to this many combinations of labels all are tried."""
BEAM = 64
"""Beyond that, this many of the best are extended by every label."""
MOST_SETS = 1024
"""The search looks at so many of the gold's different sets per ring, the most frequent ones."""
_SMALL = 2**12  # rings of up to 12 clusters: their sets are counted in a table
_CELLS = 2**20  # pairs of gold and predicted sets held at once

Bits = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant answer: indices of its labels, ascending, and the sums of its statistics."""

    labels: tuple[int, ...]
    sums: NDArray[np.int64]


def constant_sums(
    gold_bits: Sequence[Bits],
    gold_weight: NDArray[np.int64],
    pred_bits: Sequence[Bits],
    metric: RingMetric,
) -> NDArray[np.int64]:
    """Sums of statistics where one answer is given to every item, for each of many answers.

    ``gold_bits`` holds (lists, words) and ``pred_bits`` (answers, words) per ring; ``gold_weight``
    counts the items of each gold list. Returns shape (answers, columns), for ``metric.finish``.
    """
    gold = [distinct_sets(bits, gold_weight) for bits in gold_bits]
    return _sums_over(gold, pred_bits, metric)


def distinct_sets(bits: Bits, weight: NDArray[np.int64]) -> tuple[Bits, NDArray[np.int64]]:
    """A ring's different sets, (sets, words), in ascending order, and the items of each."""
    if bits.shape[1] == 1 and bits.max(initial=0) < _SMALL:
        counts = np.zeros(_SMALL, dtype=np.int64)
        np.add.at(counts, bits[:, 0].astype(np.int64), weight)
        found = np.flatnonzero(counts)
        return found.astype(np.uint64)[:, None], counts[found]
    masks, of_list = np.unique(bits, axis=0, return_inverse=True)
    counts = np.zeros(len(masks), dtype=np.int64)
    np.add.at(counts, of_list.reshape(-1), weight)
    return masks, counts


def _sums_over(
    gold: Sequence[tuple[Bits, NDArray[np.int64]]], pred_bits: Sequence[Bits], metric: RingMetric
) -> NDArray[np.int64]:
    sums = np.zeros((len(pred_bits[0]), len(metric.rings) * metric.width), dtype=np.int64)
    for ring, ((masks, weight), pred) in enumerate(zip(gold, pred_bits, strict=True)):
        answers, of_answer = np.unique(pred, axis=0, return_inverse=True)
        of_mask = np.zeros((len(answers), metric.width), dtype=np.int64)
        step = max(1, _CELLS // max(len(masks), 1))
        for start in range(0, len(answers), step):
            block = answers[start : start + step]
            shared = popcount(block[:, None] & masks[None])
            columns = metric.columns(shared, popcount(masks)[None], popcount(block)[:, None])
            for at, column in enumerate(columns):
                of_mask[start : start + step, at] = np.broadcast_to(column, shared.shape) @ weight
        sums[:, ring * metric.width : (ring + 1) * metric.width] = of_mask[of_answer.reshape(-1)]
    return sums


def expected_shuffled(
    gold_bits: Sequence[Bits],
    gold_weight: NDArray[np.int64],
    pred_bits: Sequence[Bits],
    pred_weight: NDArray[np.int64],
    metric: RingMetric,
) -> NDArray[np.float64]:
    """Expected sums of statistics, shape (columns,), where the answers are dealt at random.

    Arguments as in :func:`constant_sums`; ``pred_weight`` counts how often each answer was given,
    missing ones (as an empty list) included.
    """
    if pred_weight.sum() == 0:
        raise InputError("no answers to shuffle", expected="at least one")
    sums = constant_sums(gold_bits, gold_weight, pred_bits, metric)
    # Python's integers: the products can pass 2**63, and their quotient is rounded once.
    answers = int(pred_weight.sum())
    weighted = pred_weight.astype(object) @ sums.astype(object)
    return np.array([total / answers for total in weighted], dtype=np.float64)


def shuffled_classes(totals: NDArray[np.int64]) -> NDArray[np.float64]:
    """The same for a closed set, from the totals of ``categorical.statistics``: E[TP] = S·A / n."""
    _, support, answers = totals.reshape(3, -1).astype(np.float64)
    return np.concatenate([support * answers / max(support.sum(), 1.0), support, answers])


def constant_class(totals: NDArray[np.int64], chosen: int) -> NDArray[np.float64]:
    """Sums for a closed set where every answer is the class with index ``chosen``."""
    _, support, _ = totals.reshape(3, -1).astype(np.float64)
    is_chosen = np.arange(len(support)) == chosen
    return np.concatenate([support * is_chosen, support, support.sum() * is_chosen])


def best_constant(
    gold_bits: Sequence[Bits],
    gold_weight: NDArray[np.int64],
    label_codes: NDArray[np.int32],
    n_clusters: Sequence[int],
    k: int,
    metric: RingMetric,
    name: str,
) -> Constant:
    """The constant answer of at most ``k`` labels with the best score.

    Every combination is tried where there are at most ``EXHAUSTIVE``, else a beam of ``BEAM`` is
    extended label by label, so that the result is a lower bound of the best.

    Parameters
    ----------
    gold_bits, gold_weight:
        As in :func:`constant_sums`.
    label_codes:
        Shape (labels, rings): the clusters of the labels to choose from, -1 where unknown. Of
        labels with equal clusters the first stands for all, so put the most usual first.
    n_clusters:
        Clusters of each ring.
    name:
        The score of ``metric`` to be made as large as possible: ``"f1"``, ``"hit_rate"``.
    """
    known = np.flatnonzero((label_codes >= 0).any(axis=1))
    if k < 1 or known.size == 0:
        raise InputError(
            f"{k} of {known.size} known labels for a constant answer", expected="at least 1 of 1"
        )
    _, first = np.unique(label_codes[known], axis=0, return_index=True)
    labels = known[np.sort(first)]
    each = np.arange(len(labels) + 1, dtype=np.int64)
    label_bits = [
        ring_bits(label_codes[labels, ring], each[:-1], each, n)
        for ring, n in enumerate(n_clusters)
    ]
    size = min(k, len(labels))
    every = sum(math.comb(len(labels), j) for j in range(1, size + 1))
    width = every if every <= EXHAUSTIVE else BEAM
    gold = [distinct_sets(bits, gold_weight) for bits in gold_bits]
    searched = [_most_frequent(*sets) for sets in gold]
    states = np.empty((1, 0), dtype=np.int64)
    best, best_score = states[0], -math.inf
    for _ in range(size):
        states = _extended(states, len(labels))
        answers = [_union(bits, states, n) for bits, n in zip(label_bits, n_clusters, strict=True)]
        sums = _sums_over(searched, answers, metric)
        scores = np.nan_to_num(metric.finish(sums.astype(np.float64))[name], nan=-1.0)
        order = np.argsort(-scores, kind="stable")[:width]
        if scores[order[0]] > best_score:
            best, best_score = states[order[0]], scores[order[0]]
        states = states[np.sort(order)]
    answer = [_union(b, best[None], n) for b, n in zip(label_bits, n_clusters, strict=True)]
    chosen = tuple(int(label) for label in labels[best])
    return Constant(chosen, _sums_over(gold, answer, metric)[0])


def _most_frequent(masks: Bits, weight: NDArray[np.int64]) -> tuple[Bits, NDArray[np.int64]]:
    kept = np.sort(np.argsort(-weight, kind="stable")[:MOST_SETS])
    return masks[kept], weight[kept]


def _extended(states: NDArray[np.int64], n_labels: int) -> NDArray[np.int64]:
    """Every state with one label more, each set once, in lexicographic order."""
    added = np.tile(np.arange(n_labels), len(states))[:, None]
    longer = np.concatenate([np.repeat(states, n_labels, axis=0), added], axis=1)
    new = (longer[:, :-1] != added).all(axis=1)
    # Without the counts np.unique loads numpy.ma, which takes longer than all that is done here.
    return np.unique(np.sort(longer[new], axis=1), axis=0, return_counts=True)[0]


def _union(label_bits: Bits, states: NDArray[np.int64], n_clusters: int) -> Bits:
    """The clusters of several labels together: shape (states, words)."""
    union = np.zeros((len(states), words_for(n_clusters)), dtype=np.uint64)
    for position in states.T:
        union |= label_bits[position]
    return union
