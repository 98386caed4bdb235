"""Sums over a batch of items, and the evaluation that the sums of all batches make.

One :class:`Family` per kind of protocol. What it makes of the sums is, but for what belongs to a
single item, the :class:`~ovbench.scoring.evaluation.Evaluation` of all items in memory: every sum
is of integers, so batches, threads and machines cannot change it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels import Status
from ovbench.metrics.statistics import Finish, Statistics
from ovbench.scoring.evaluation import Evaluation
from ovbench.scoring.prepare import Prepared
from ovbench.scoring.stream_sides import Side
from ovbench.scoring.stream_tally import Tally

BLOCK = 1 << 17
"""Rows whose statistics are laid out at once."""


@dataclass
class Sums:
    """Sums over items; each family uses those that it needs.

    Attributes
    ----------
    items:
        Items in the evaluation, whether they enter the score or not.
    enters:
        Items that enter the score.
    status:
        How many predictions have which status.
    totals:
        Sums of the statistics' columns, int64 (of no columns before the first batch).
    tally:
        Distinct rows of statistics, where intervals are asked for.
    pairs:
        How many items have each pair of gold class and answer.
    rings:
        By ring and name of :class:`~ovbench.results.RingCounts`.
    choices:
        What the signature tells; the same for all batches.
    """

    items: int = 0
    enters: int = 0
    status: Counter[int] = field(default_factory=Counter)
    totals: NDArray[np.int64] | None = None
    tally: Tally = field(default_factory=Tally)
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)
    rings: Counter[tuple[str, str]] = field(default_factory=Counter)
    gold: Side = field(default_factory=Side)
    predicted: Side = field(default_factory=Side)
    choices: dict[str, object] = field(default_factory=dict)

    def merge(self, other: Sums) -> None:
        """Add another batch."""
        self.items += other.items
        self.enters += other.enters
        for name in ("status", "pairs", "rings"):
            getattr(self, name).update(getattr(other, name))
        if other.totals is not None:
            self.totals = other.totals if self.totals is None else self.totals + other.totals
        self.tally.merge(other.tally)
        self.gold.merge(other.gold)
        self.predicted.merge(other.predicted)
        self.choices.update(other.choices)

    def add_rows(self, rows: Statistics, *, keep: bool) -> None:
        """Add rows of statistics to the totals and, where they are to be kept, to the tally."""
        totals = rows.totals()
        self.totals = totals if self.totals is None else self.totals + totals
        if keep:
            self.tally.add(rows)

    def scores(self, finish: Finish) -> dict[str, float]:
        """Scores of the totals."""
        assert self.totals is not None
        found = finish(self.totals.astype(np.float64))
        return {name: float(value) for name, value in found.items()}


class Family(Interface):
    """How one kind of protocol is summed up."""

    def sums(self, items: Prepared) -> Sums:
        """The sums of a batch of at least one item."""
        ...

    def evaluation(self, sums: Sums) -> Evaluation:
        """The evaluation of all items from their sums."""
        ...


def count_status(status: NDArray[np.uint8]) -> Counter[int]:
    """How many items have which status."""
    return Counter(dict(enumerate(np.bincount(status, minlength=len(Status)).tolist())))


class Unnamed(Sequence[str]):
    """Stands for the ids of items whose names were not kept: only their number is known."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: object) -> str:
        raise NotImplementedError("the ids of streamed items are not kept")


def anonymous(
    sums: Sums,
    scores: dict[str, float],
    make_statistics: Callable[[], Statistics],
    choices: Mapping[str, object],
) -> Evaluation:
    """The evaluation of items of which only sums are known.

    Items stand in no order of the file: as many as were counted of each status, and so on.
    """
    status = np.array(sorted(sums.status), dtype=np.uint8)
    enters = np.zeros(sums.items, dtype=bool)
    enters[: sums.enters] = True
    nothing = np.zeros(0, dtype=np.int64)
    return Evaluation(
        ids=Unnamed(sums.items),
        scores=scores,
        make_statistics=make_statistics,
        row_of_item=nothing,
        status=np.repeat(status, [sums.status[int(one)] for one in status]),
        enters=enters,
        item_scores=lambda: nothing.astype(np.float64),
        choices=dict(choices),
    )
