"""A task in place of a gold file: its gold, and predictions as its view reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ovbench.errors import InputError
from ovbench.io.labels import get_parser, parse_cells
from ovbench.io.read import read_records
from ovbench.io.records import Cell, Records
from ovbench.protocols import Protocol, load_protocol, with_field
from ovbench.scoring.cluster_sets import labels_of
from ovbench.scoring.options import Options
from ovbench.tasks.polarity import rule
from ovbench.tasks.task import Task

DEFAULT = "ew-open-1"
"""The protocol of a gold file, where none is named."""
FOLD = "fold"
"""The column in which a task's folds are told."""
_FILE_ONLY = ("gold_id_column", "gold_label_column", "split", "by", "cluster_by", "folds")
"""Options that are about a gold file's columns or splits."""
_SENTIMENTS = ("positive", "negative", "neutral")


def chosen_protocol(gold: object, protocol: str | Protocol | None) -> Protocol:
    """The protocol that is meant: the task's first, or ``ew-open-1``, where none is named."""
    if protocol is None:
        protocol = gold.protocols[0] if isinstance(gold, Task) else DEFAULT
    return load_protocol(protocol) if isinstance(protocol, str) else protocol


def task_gold(task: Task, protocol: Protocol, options: Options) -> Records:
    """A task's gold, named ``task/split``; with the column ``fold``, where it is of several folds.

    Raises
    ------
    InputError
        If the protocol does not score what the task asks, or an option is about a gold file.
    """
    name = f"{task.id}/{task.split}"
    for option in _FILE_ONLY:
        if getattr(options, option) is not None:
            raise InputError(
                f"--{option.replace('_', '-')} does not go with a task",
                where=name,
                expected="it with a gold file, whose columns or splits it names",
                mend="leave it out, or give the data set's own file as gold",
            )
    _check_fits(task, protocol)
    found = read_records(task.gold_source(protocol), role="gold")
    columns = {} if task.folds is None else {FOLD: [task.folds[one] for one in found.ids]}
    return replace(found, source=name, columns=columns)


def _check_fits(task: Task, protocol: Protocol) -> None:
    asks_sentiment, asks_class = protocol.metric == "sentiment", protocol.metric == "closed-set"
    fits = asks_sentiment == (task.answers == "sentiment") and (
        not asks_class or task.answers == "class"
    )
    if not fits:
        raise InputError(
            f"protocol {protocol.id!r} does not score what task {task.id!r} asks ({task.answers})",
            expected=" or ".join(task.protocols),
        )


def as_view(task: Task, predictions: Records) -> Records:
    """Predictions as the task is scored: for a sentiment task, labels become their polarity.

    As runs do (:meth:`ovbench.tasks.Task.answer`): the words of a list are summed up to one
    sentiment. An answer that is *positive*, *negative*, *neutral* or a number stays as it was
    written, and so does one in which the open parser finds no label: it is counted as empty or out
    of the set.
    """
    if task.answers != "sentiment":
        return predictions
    lists = parse_cells(predictions.cells, get_parser("open"))
    answers: list[Cell] = []
    for index, cell in enumerate(predictions.cells):
        found = () if _says_sentiment(cell) else task.answer(labels_of(lists, index))
        answers.append(found[0] if found else cell)
    distinct = list(dict.fromkeys(answers))
    code = {cell: number for number, cell in enumerate(distinct)}
    codes = np.array([code[cell] for cell in answers], dtype=np.int64)
    return replace(predictions, cells=distinct, codes=codes[predictions.codes])


def task_signature(task: Task, signature: str) -> str:
    """The signature of a score on the task: for a sentiment task, how labels became sentiments."""
    if task.answers != "sentiment":
        return signature
    return with_field(signature, "labels", rule(), before="n")


def _says_sentiment(cell: Cell) -> bool:
    if isinstance(cell, str):
        return cell.strip().rstrip(".").lower() in _SENTIMENTS
    return isinstance(cell, int | float)
