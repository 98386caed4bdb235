"""What every family of metrics hands to the layers above: statistics, and who stands where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels import Status
from ovbench.metrics.statistics import Statistics
from ovbench.results import (
    ByWheel,
    Confusion,
    Floor,
    Labels,
    PerClass,
    RingCounts,
    Scores,
)

if TYPE_CHECKING:
    from ovbench.scoring.options import Options


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One system's items as sufficient statistics.

    Attributes
    ----------
    ids:
        The scored items, in gold order.
    scores:
        The scores of all items, by flat name (``f1``, ``f1@wheel1/level1``).
    make_statistics:
        Gives ``statistics``: one row per distinct pair of gold and prediction, with how many items
        share it. For a million items that is a quarter of a gigabyte, so it is made when an
        interval, a group or a comparison asks for it.
    row_of_item:
        Shape (items,), int64: the row of each item.
    status:
        Shape (items,), uint8: :class:`~ovbench.io.labels.Status` of each prediction.
    enters:
        Shape (items,), bool: whether the item enters the score.
    item_scores:
        Shape (items,), float64: each item's own agreement, for finding the largest disagreements
        (nan where the item counts nowhere).
    """

    ids: Sequence[str]
    scores: dict[str, float]
    make_statistics: Callable[[], Statistics]
    row_of_item: NDArray[np.int64]
    status: NDArray[np.uint8]
    enters: NDArray[np.bool_]
    item_scores: Callable[[], NDArray[np.float64]]
    choices: dict[str, object] = field(default_factory=dict)
    """What the signature must tell beside the protocol's fields."""
    gold_status: Counter[Status] = field(default_factory=Counter)
    """How many gold items have which status, where gold is parsed."""
    classes: tuple[str, ...] = ()
    """Of class metrics, in the order of their codes."""
    notes: tuple[str, ...] = ()
    """What a reader of the score must know."""
    labels: Labels | None = None
    wheels: dict[str, dict[str, RingCounts]] = field(default_factory=dict)
    by_class: Callable[[dict[str, float]], dict[str, PerClass]] | None = None
    confusion: Confusion | None = None
    floors: Callable[[], dict[str, tuple[Floor, dict[str, float]]]] | None = None
    """Trivial answers and their scores, worked out only when asked for."""
    describe: Callable[[int], tuple[tuple[str, ...], tuple[str, ...]]] | None = None
    """Gold and predicted labels of an item by its position."""
    trace: Callable[[str], dict[str, str | None]] | None = None
    """A label's cluster on each scored ring."""
    columns: dict[str, NDArray[np.str_]] = field(default_factory=dict)
    sample: Callable[[], dict[str, list[object]]] = dict
    """The sufficient statistics per item as they are written by ``--samples``."""

    @cached_property
    def statistics(self) -> Statistics:
        """One row of statistics per distinct pair of gold and prediction."""
        return self.make_statistics()

    def with_handling(self, options: Options) -> Evaluation:
        """The same, whose signature tells what became of missing and repeated predictions."""
        told = {"missing": options.on_missing, "duplicates": options.keep or "error"}
        return replace(self, choices={**self.choices, **told})

    def item_statistics(self) -> Statistics:
        """One row per item, in the order of ``ids``."""
        weight = np.ones(len(self.row_of_item), dtype=np.int64)
        values = self.statistics.values[self.row_of_item]
        return Statistics(values, weight, self.statistics.finish)

    def subset(self, items: NDArray[np.bool_]) -> Statistics:
        """Statistics of the items where ``items`` is true."""
        weight = np.bincount(self.row_of_item[items], minlength=len(self.statistics.values))
        return Statistics(self.statistics.values, weight, self.statistics.finish)


def distinct_pairs(
    gold_cell: NDArray[np.int64], pred_cell: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Items that share gold and prediction, once each.

    Returns
    -------
    gold, prediction, weight, row_of_item:
        Cell indices of each distinct pair (prediction -1: missing), how many items share it, and
        the pair of each item.
    """
    width = int(pred_cell.max(initial=0)) + 2
    keys, row_of_item, weight = np.unique(
        gold_cell * width + (pred_cell + 1), return_inverse=True, return_counts=True
    )
    return keys // width, keys % width - 1, weight.astype(np.int64), row_of_item.astype(np.int64)


def item_status(pred_cell: NDArray[np.int64], status: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The status of each item's prediction (``MISSING`` where there is none)."""
    known = np.append(status, np.uint8(Status.MISSING))
    return known[pred_cell]


def number(value: float) -> float | None:
    """A score as results hold it: None where it is undefined."""
    return None if np.isnan(value) else float(value)


def split_scores(flat: dict[str, float]) -> tuple[Scores, ByWheel]:
    """``f1@wheel1/level1`` → by wheel and level; plain names → overall. nan becomes None.

    Where all rings are of one level, its averages (``f1_level1``) repeat the overall ones and are
    left out.
    """
    overall: Scores = {}
    wheels: ByWheel = {}
    only = only_level(flat)
    for key, value in flat.items():
        name, _, ring = key.partition("@")
        if "/" in ring:
            wheel, _, level = ring.partition("/")
            wheels.setdefault(wheel, {}).setdefault(level, {})[name] = number(value)
        elif not ring and not (only and name.endswith(f"_{only}")):
            overall[name] = number(value)
    return overall, wheels


def only_level(keys: Iterable[str]) -> str | None:
    """The level of all rings among score names, or None where there are several or none."""
    levels = {key.rpartition("/")[2] for key in keys if "/" in key}
    return levels.pop() if len(levels) == 1 else None
