"""Metrics that are worked out ring by ring from |G∩P|, |G| and |P|, then averaged over rings.

A ring metric turns the three counts of one ring into a few integer columns, and the sums of all
rings' columns into scores. The average over rings is unweighted and takes each ring's own n: an
item whose gold labels have no cluster on a ring is not counted on that ring, and is counted on the
others. Ring names are ``wheel1/level1``; what follows the last slash is the level, and every level
gets its own average (``f1_level1``) beside the headline one.

Edge cases: a ring whose value is NaN makes every average that it belongs to NaN, unless undefined
rings are left out of averages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError, UnknownNameError
from ovbench.metrics.bits import SetCounts
from ovbench.metrics.statistics import Finish, Scores, Statistics, mean_of, mean_of_defined

BLOCK = 1 << 15
"""Rows whose statistics are held at once where only their sums are wanted."""

Counts = NDArray[np.integer]
Columns = Callable[[Counts, Counts, Counts], tuple[NDArray[Any], ...]]
"""|G∩P|, |G|, |P| of one ring, of shapes that broadcast, to the ring's columns of integers."""


@dataclass(frozen=True)
class RingMetric:
    """A metric of one or more rings: ``width`` columns per ring, and the way from sums to scores.

    ``finish`` takes sums of shape (..., rings * width), ring after ring.
    """

    rings: tuple[str, ...]
    width: int
    columns: Columns
    finish: Finish

    def statistics(
        self,
        counts: SetCounts,
        weight: NDArray[np.int64],
        counted: NDArray[np.bool_] | None = None,
    ) -> Statistics:
        """One row of statistics per row of ``counts``.

        ``counted``, shape (rows,), says which rows take part (default: all); a row that does not
        is kept, with zeros, so that rows stay aligned with the caller's.
        """
        rows, rings = counts.both.shape
        if rings != len(self.rings):
            raise InputError(f"counts on {rings} rings", expected=f"the {len(self.rings)} named")
        values = np.empty((rings * self.width, rows), dtype=np.int64)
        for ring in range(rings):
            of_ring = (counts.both[:, ring], counts.gold[:, ring], counts.pred[:, ring])
            for at, column in enumerate(self.columns(*of_ring), start=ring * self.width):
                values[at] = column
        if counted is not None:
            values[:, ~counted] = 0
        return Statistics(values.T, weight, self.finish)

    def totals(self, counts: SetCounts, weight: NDArray[np.int64]) -> NDArray[np.int64]:
        """``statistics(counts, weight).totals()`` without holding the statistics of all rows.

        Returns shape (rings * width,). For the scores of many items it takes a tenth of the memory.
        """
        sums = np.zeros(len(self.rings) * self.width, dtype=np.int64)
        for start in range(0, len(weight), BLOCK):
            rows = slice(start, start + BLOCK)
            block = SetCounts(counts.both[rows], counts.gold[rows], counts.pred[rows])
            sums += self.statistics(block, weight[rows]).totals()
        return sums

    def scores(self, sums: NDArray[np.float64]) -> dict[str, float]:
        """Scores of one vector of sums, shape (rings * width,)."""
        return {name: float(value) for name, value in self.finish(sums).items()}


def averaged(
    by_ring: Mapping[str, Sequence[NDArray[np.float64]]],
    rings: Sequence[str],
    headline: Sequence[str] | None,
    *,
    omit_undefined: bool,
) -> Scores:
    """Name the values of each ring and average them.

    ``by_ring`` holds, per metric, one array per ring. The plain name gets the mean over the
    ``headline`` rings (all where it is None), ``name_level`` the mean over one level's rings, and
    ``name@ring`` the ring's own value. With ``omit_undefined`` rings whose value is NaN are left
    out of the averages (an average of none is NaN).
    """
    average = mean_of_defined if omit_undefined else mean_of
    chosen = range(len(rings)) if headline is None else [rings.index(ring) for ring in headline]
    levels: dict[str, list[int]] = {}
    for index, ring in enumerate(rings):
        if "/" in ring:
            levels.setdefault(ring.rpartition("/")[2], []).append(index)
    scores = {name: average([values[r] for r in chosen]) for name, values in by_ring.items()}
    for level, members in levels.items():
        for name, values in by_ring.items():
            scores[f"{name}_{level}"] = average([values[r] for r in members])
    for name, values in by_ring.items():
        for ring, value in zip(rings, values, strict=True):
            scores[f"{name}@{ring}"] = value
    return scores


def check_rings(rings: Sequence[str], headline: Sequence[str] | None) -> None:
    """Raise where there is no ring to average over, or an unknown one."""
    if not rings or (headline is not None and not headline):
        raise InputError("no ring to average over", expected="at least one")
    for ring in headline or ():
        if ring not in rings:
            raise UnknownNameError("ring", ring, rings)
