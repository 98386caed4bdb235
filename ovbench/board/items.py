"""Many systems' answers to the same items, scored at once.

The records of one table are put one after another and go through the scorer as if they were one
system's: every distinct answer is parsed and placed once, whoever gave it. What comes out is split
into systems again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ovbench.board.record import PredictionEntry, Record
from ovbench.board.rescore import answered, cell
from ovbench.errors import InputError
from ovbench.io.records import Cell, Records, to_cell
from ovbench.metrics.statistics import Finish
from ovbench.protocols import load_protocol
from ovbench.scoring import Options
from ovbench.scoring.evaluate import evaluate
from ovbench.scoring.evaluation import Evaluation
from ovbench.scoring.prepare import MISSING, prepare, read_gold
from ovbench.tasks import Task, load_task

_OPTIONS = Options(on_missing="wrong")


@dataclass(frozen=True)
class Answers:
    """Systems on the same items under one protocol.

    Attributes
    ----------
    task:
        The task that was answered.
    headline:
        The protocol's own: key of the score that a table is ranked by.
    ids:
        The scored items, in gold order.
    evaluation:
        Of all systems, one after another: item i of system s is its item s * len(ids) + i.
    members:
        Which of the records the systems are, by their places among those given; the others'
        predictions do not fit the task.
    """

    task: Task
    headline: str
    ids: tuple[str, ...]
    evaluation: Evaluation
    members: tuple[int, ...]

    @property
    def finish(self) -> Finish:
        """Sums of statistics to scores."""
        return self.evaluation.statistics.finish

    def rows(self) -> NDArray[np.int64]:
        """Shape (systems, items): row of ``evaluation.statistics`` of each answer."""
        return self.evaluation.row_of_item.reshape(len(self.members), -1)

    def values(self, system: int) -> NDArray[np.int64]:
        """Shape (items, columns): the statistics of one system's items."""
        found: NDArray[np.int64] = self.evaluation.statistics.values[self.rows()[system]]
        return found

    def item_scores(self) -> NDArray[np.float64]:
        """Shape (systems, items): each item's own agreement; NaN where it counts nowhere."""
        return self.evaluation.item_scores().reshape(len(self.members), -1)

    def describe(self, system: int, item: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Gold and predicted labels."""
        assert self.evaluation.describe is not None
        return self.evaluation.describe(system * len(self.ids) + item)


def answers_to(records: Sequence[Record]) -> Answers:
    """Score the predictions of records that share task, split, digest and protocol.

    Raises
    ------
    MissingDataError
        If the task's files are not here.
    OvbenchError
        If there is no such task or protocol, or its tables are not here; if the gold here is not
        the one that the records were scored on; or if no record's predictions fit it.
    """
    first = records[0]
    task = load_task(first.task.id, first.task.split, clips=False)
    if task.digest() != first.task.digest:
        raise InputError("the gold here is not the one of the records", where=task.id)
    protocol = load_protocol(first.protocol)
    gold = read_gold(task.gold_source(protocol), protocol, _OPTIONS)
    cells = Cells(task, gold.ids)
    found = {place: cells.codes(record) for place, record in enumerate(records)}
    codes = {place: own for place, own in found.items() if own is not None}
    if not codes:
        raise InputError("there are no predictions of the task's items", where=task.id)
    nobody = Records("predictions", gold.ids, gold.codes, gold.cells, {}, "", "", None)
    one = prepare(nobody, gold, _OPTIONS)
    every = replace(
        one,
        ids=list(one.ids) * len(codes),
        gold_cell=np.tile(one.gold_cell, len(codes)),
        pred_cell=np.concatenate(list(codes.values())),
        predictions=replace(nobody, cells=cells.distinct or [None]),
    )
    evaluation = evaluate(every, protocol, _OPTIONS)
    count = len(evaluation.ids) // len(codes)
    return Answers(task, protocol.headline, tuple(evaluation.ids[:count]), evaluation, tuple(codes))


class Cells:
    """The distinct answers of many records, in the order in which they first occur."""

    def __init__(self, task: Task, ids: Sequence[str]) -> None:
        self.distinct: list[Cell] = []
        self._task = task
        self._place = {name: place for place, name in enumerate(ids)}
        self._code: dict[object, int] = {None: MISSING}
        self._ids: list[str] = []
        self._places: list[int] | None = None  # of those ids, which most records share

    def codes(self, record: Record) -> NDArray[np.int64] | None:
        """Shape (items,): each item's answer; ``MISSING`` where there is none.

        None where the record has no predictions, or one for an id that is not the task's, or two
        for one id.
        """
        ids = [entry.id for entry in record.predictions]
        if ids != self._ids:
            self._ids, self._places = ids, self._places_of(ids)
        if self._places is None:
            return None
        codes = np.full(len(self._place), MISSING, dtype=np.int64)
        codes[self._places] = [
            self._new(key, entry) if (code := self._code.get(key)) is None else code
            for key, entry in zip(self._keys(record), record.predictions, strict=True)
        ]
        return codes

    def _places_of(self, ids: Sequence[str]) -> list[int] | None:
        places = [self._place.get(name, -1) for name in ids]
        fit = bool(places) and -1 not in places and len(set(places)) == len(places)
        return places if fit else None

    def _keys(self, record: Record) -> list[object]:
        """Equal for answers that are scored alike; None where the system failed on the item."""
        if self._task.answers == "sentiment":
            return [
                (entry.labels or ()) if answered(entry) else None for entry in record.predictions
            ]
        return [entry.labels if entry.text is None else entry.text for entry in record.predictions]

    def _new(self, key: object, entry: PredictionEntry) -> int:
        code = self._code[key] = len(self.distinct)
        self.distinct.append(to_cell(cell(self._task, entry), "predictions"))
        return code
