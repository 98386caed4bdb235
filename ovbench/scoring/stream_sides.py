"""What is kept of one side's label lists, gold or predicted, when there are too many to hold.

Labels and floors are sums over lists, and each sum looks at one label or at one ring at a time. So
it is enough to count how often each label occurs and, ring by ring, how many items have which set
of clusters; which label stood beside which, and which sets an item has on two rings, may be
forgotten. :meth:`Side.stand_in` makes a few lists with these counts, for the code that scores lists
in memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels import LabelLists, Status
from ovbench.metrics.floors import distinct_sets
from ovbench.scoring.cluster_sets import Placed, WheelScorer, label_counts, status_counts

_WAITING = 1_000_000
_FEW = 4096
"""Sets that :func:`~ovbench.metrics.floors.distinct_sets` counts in a table."""


@dataclass
class RingSets:
    """How many items have each set of clusters on one ring.

    Attributes
    ----------
    sets, items:
        Runs of sets, shape (sets, words), uint64, and their items, shape (sets,), int64.
    """

    sets: list[NDArray[np.uint64]] = field(default_factory=list)
    items: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, sets: NDArray[np.uint64], items: NDArray[np.int64]) -> None:
        """Add so many items of each of these sets."""
        self.sets.append(sets)
        self.items.append(items)
        if sum(map(len, self.items[1:])) >= max(_WAITING, len(self.items[0])):
            self.merged()

    def merged(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Every set once, in ascending order, and its items."""
        if len(self.sets) > 1:
            sets, items = _each_once(np.concatenate(self.sets), np.concatenate(self.items))
            self.sets, self.items = [sets], [items]
        return self.sets[0], self.items[0]


@dataclass
class Side:
    """The label lists of one side, summed over items.

    Attributes
    ----------
    items:
        How many items have a list.
    labels:
        How many labels they hold together.
    occurrences:
        How often each label occurs.
    rings:
        The sets of each scored ring; none where nobody asks for floors.
    """

    items: int = 0
    labels: int = 0
    occurrences: Counter[str] = field(default_factory=Counter)
    status: Counter[Status] = field(default_factory=Counter)
    rings: list[RingSets] = field(default_factory=list)

    @classmethod
    def of(cls, placed: Placed, weight: NDArray[np.int64], *, sets: bool) -> Side:
        """The sums of a batch, of which so many items have each list."""
        lists = placed.lists
        counts = label_counts(lists, weight)
        used = np.flatnonzero(counts)
        occurrences = Counter(
            dict(zip([lists.vocabulary[i] for i in used], counts[used].tolist(), strict=True))
        )
        side = cls(
            int(weight.sum()),
            int(np.diff(lists.offsets) @ weight),
            occurrences,
            status_counts(lists.status, weight),
        )
        if sets:
            given = weight > 0
            for bits in placed.bits:
                found, items = _each_once(bits[given], weight[given])
                side.rings.append(RingSets([found], [items]))
        return side

    def merge(self, other: Side) -> None:
        """Add the sums of other items."""
        self.items += other.items
        self.labels += other.labels
        self.occurrences.update(other.occurrences)
        self.status.update(other.status)
        if not self.rings:
            self.rings = other.rings
        elif other.rings:
            for ours, theirs in zip(self.rings, other.rings, strict=True):
                for sets, items in zip(theirs.sets, theirs.items, strict=True):
                    ours.add(sets, items)

    @property
    def mean_length(self) -> float | None:
        """Mean number of labels per item."""
        return self.labels / self.items if self.items else None

    def stand_in(
        self, scorer: WheelScorer, *, sets: bool = True
    ) -> tuple[Placed, NDArray[np.int64]]:
        """Lists and weights with the same items, label counts and, on every ring, sets.

        One list per label holds that label and no clusters; further lists hold the sets and no
        labels (none without ``sets``). The last list is empty; its weight, mostly below 0, takes
        back the items that the lists with labels are too many.
        """
        vocabulary = sorted(self.occurrences)
        counts = np.array([self.occurrences[label] for label in vocabulary], dtype=np.int64)
        rings, weight = _coupled([ring.merged() for ring in self.rings] if sets else [])
        n = len(vocabulary)
        offsets = np.concatenate([np.arange(n + 1), np.full(len(weight) + 1, n)]).astype(np.int64)
        bits = [
            np.concatenate([np.zeros((n, b.shape[1]), np.uint64), b, np.zeros_like(b[:1])])
            for b in rings
        ]
        empty = self.items - int(counts.sum()) - int(weight.sum())
        lists = LabelLists(
            vocabulary,
            np.arange(n, dtype=np.int32),
            offsets,
            np.zeros(len(offsets) - 1, dtype=np.uint8),
        )
        return Placed(lists, scorer.codes(vocabulary), bits), np.concatenate(
            [counts, weight, [empty]]
        )


def _each_once(
    sets: NDArray[np.uint64], items: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Every set once, in ascending order, and its items."""
    if sets.shape[1] > 1 or sets.max(initial=0) < _FEW:
        return distinct_sets(sets, items)
    order = np.argsort(sets[:, 0])  # of numbers: much quicker than of rows
    ordered = sets[order]
    first = np.flatnonzero(np.append(True, ordered[1:, 0] != ordered[:-1, 0]))
    return ordered[first], np.add.reduceat(items[order], first)


def _coupled(
    rings: list[tuple[NDArray[np.uint64], NDArray[np.int64]]],
) -> tuple[list[NDArray[np.uint64]], NDArray[np.int64]]:
    """Lists that have on every ring these sets as often as these items do.

    All rings count the same items, so they are laid out side by side and cut wherever the set of
    any ring changes. With the rarest sets first the cuts fall together, which keeps them few.
    """
    if not rings:
        return [], np.zeros(0, dtype=np.int64)
    ordered = []
    for sets, items in rings:
        order = np.argsort(items, kind="stable")
        ordered.append((sets[order], np.cumsum(items[order])))
    cuts = np.sort(np.concatenate([ends for _, ends in ordered]))
    cuts = cuts[np.append(cuts[1:] != cuts[:-1], True)]
    bits = [sets[np.searchsorted(ends, cuts)] for sets, ends in ordered]
    return bits, np.diff(cuts, prepend=0)
