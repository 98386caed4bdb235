"""From the predictions in a record to its figures: the one way that both makes and checks them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ovbench.board.record import IntervalEntry, PredictionEntry, ScoreEntry
from ovbench.errors import InputError
from ovbench.io.labels import LabelParser, Status
from ovbench.runs.scores import task_parser
from ovbench.scoring import Options, score_files
from ovbench.scoring.of_task import task_signature

if TYPE_CHECKING:
    from ovbench.results import Result
    from ovbench.tasks import Task

_BATCH = re.compile(r"\|batch:([1-9][0-9]{0,5})(?=\|v:[^|]*$)")


@dataclass(frozen=True)
class Figures:
    """What scoring gives: the fields of a record of the same names."""

    signature: str
    headline: str
    scores: dict[str, ScoreEntry]
    interval: IntervalEntry | None
    counts: dict[str, int]
    floors: dict[str, dict[str, float]]


def rescore(
    task: Task, protocol: str, predictions: Iterable[PredictionEntry], options: Options
) -> Figures:
    """Score predictions on a task by one of its protocols, as ``ovbench eval`` does.

    Items on which the system failed score as wrong, and the signature says so.

    Raises
    ------
    InputError
        If no prediction is left, or the headline is undefined on these items.
    """
    entries = list(predictions)
    source = {entry.id: cell(task, entry) for entry in entries if answered(entry)}
    if not source:
        raise InputError("the system failed on every item", where=f"{task.id}, {protocol}")
    gold = task.gold_source(protocol)
    if len(source) < len(gold):
        options = replace(options, on_missing="wrong")
    found = _figures(score_files(source, gold, protocol, options))
    return replace(found, signature=task_signature(task, found.signature))


def answered(entry: PredictionEntry) -> bool:
    """Whether the system gave an answer, if an empty one."""
    return entry.labels is not None or entry.text is not None


def cell(task: Task, entry: PredictionEntry) -> object:
    """What is scored: the answer as it came, else the labels; their polarity for a sentiment."""
    if task.answers == "sentiment":
        return "".join(task.answer(entry.labels or ()))
    return entry.text if entry.text is not None else list(entry.labels or ())


def labels_in(parser: LabelParser, text: str) -> tuple[str, ...] | None:
    """The labels that stand in a record beside a text; None where it is no label list."""
    labels, status = parser.parse(text)
    return None if status is Status.UNPARSABLE else labels


def parser_of(task: Task) -> LabelParser:
    """The parser that reads the labels in the answers to a task."""
    return task_parser(task)


def split_batch(signature: str) -> tuple[str, int | None]:
    """A run's signature without its batch size, and that; None: answers do not depend on it.

    Only the run can know whether they do, so no score can give this part again.
    """
    match = _BATCH.search(signature)
    return (_BATCH.sub("", signature), int(match[1])) if match else (signature, None)


def _figures(result: Result) -> Figures:
    """What a record keeps of a result: scores that are defined, counts without the lists of ids."""
    if result.scores[result.headline] is None:
        raise InputError(
            f"{result.headline} is undefined on these items", where=f"protocol {result.protocol}"
        )
    method = result.interval_method
    scores = {}
    for name, value in result.scores.items():
        if value is not None:
            found = result.intervals.get(name)
            scores[name] = ScoreEntry(
                value=value,
                low=None if found is None else found.low,
                high=None if found is None else found.high,
            )
    return Figures(
        signature=result.signature,
        headline=result.headline,
        scores=scores,
        interval=None
        if method is None
        else IntervalEntry(
            method=method.method,
            confidence=method.confidence,
            draws=method.draws,
            seed=method.seed,
        ),
        counts={k: v for k, v in result.counts.model_dump().items() if isinstance(v, int)},
        floors={
            floor: {name: value for name, value in scores.items() if value is not None}
            for floor, scores in result.floors.items()
        },
    )
