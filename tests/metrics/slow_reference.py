"""The set metrics written once more, slowly, from their definitions: Python sets and fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from ovbench.metrics.bits import SetCounts, ring_bits, set_counts

Sets = Sequence[set[int]]


@dataclass
class World:
    """A vocabulary on some rings, and label lists of items; a prediction of None is missing."""

    n_clusters: list[int]
    codes: np.ndarray  # (vocabulary, rings)
    gold: list[list[int]]
    pred: list[list[int] | None]

    def sets(self, lists: Sequence[list[int] | None], ring: int) -> list[set[int]]:
        column = self.codes[:, ring].tolist()
        return [{column[label] for label in labels or [] if column[label] >= 0} for labels in lists]

    def bits(self, lists: Sequence[list[int]]) -> list[np.ndarray]:
        labels, offsets = flat(lists)
        return [
            ring_bits(self.codes[:, r].copy(), labels, offsets, n)
            for r, n in enumerate(self.n_clusters)
        ]

    def counts(self) -> SetCounts:
        given = [labels for labels in self.pred if labels is not None]
        pred_index = np.full(len(self.pred), -1, dtype=np.int64)
        pred_index[[labels is not None for labels in self.pred]] = np.arange(len(given))
        items = np.arange(len(self.gold), dtype=np.int64)
        return set_counts(self.bits(self.gold), self.bits(given), items, pred_index)


def flat(lists: Sequence[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    labels = np.array([label for one in lists for label in one], dtype=np.int64)
    return labels, np.cumsum([0] + [len(one) for one in lists]).astype(np.int64)


def ones(n: int) -> np.ndarray:
    return np.ones(n, dtype=np.int64)


@st.composite
def worlds(draw: st.DrawFn, min_items: int = 0) -> World:
    n_clusters = draw(st.lists(st.integers(1, 200), min_size=1, max_size=3))
    size = draw(st.integers(1, 10))
    codes = [
        draw(st.lists(st.integers(-1, n - 1), min_size=size, max_size=size)) for n in n_clusters
    ]
    labels = st.lists(st.integers(0, size - 1), max_size=6)
    items = draw(st.lists(st.tuples(labels, st.none() | labels), min_size=min_items, max_size=12))
    gold, pred = [g for g, _ in items], [p for _, p in items]
    return World(n_clusters, np.array(codes, dtype=np.int32).T, gold, pred)


def mean(values: Sequence[Fraction]) -> float:
    return float(sum(values) / len(values)) if values else math.nan


def precision_recall(gold: Sets, pred: Sets) -> tuple[float, float]:
    """Official rule: gold without clusters is skipped, an empty prediction is 0 and 0."""
    precisions, recalls = [], []
    for g, p in zip(gold, pred, strict=True):
        if not g:
            continue
        precisions.append(Fraction(len(g & p), len(p)) if p else Fraction(0))
        recalls.append(Fraction(len(g & p), len(g)))
    return mean(precisions), mean(recalls)


def f1(precision: float, recall: float) -> float:
    total = precision + recall
    return 2 * precision * recall / total if total else math.nan


def hit_rate(gold: Sets, pred: Sets, *, count: bool) -> float:
    hits = [len(g & p) for g, p in zip(gold, pred, strict=True) if g]
    return mean([Fraction(hit if count else min(hit, 1)) for hit in hits])


def mscore(gold: Sets, pred: Sets, candidates: set[int]) -> float:
    found = []
    for g, p in zip(gold, pred, strict=True):
        if g:
            within = p & candidates
            found.append(Fraction(len(g & p), len(within)) if within else Fraction(0))
    return mean(found)
