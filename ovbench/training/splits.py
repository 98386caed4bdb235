"""What a system learns from and what its checkpoint is chosen on, by a task's name."""

from __future__ import annotations

import re

from ovbench.errors import InputError
from ovbench.systems.missing import Missing
from ovbench.tasks import Task, load_task, trainable
from ovbench.tasks.card import card_of
from ovbench.tasks.stratified import HELD_OUT, held_out

Splits = tuple[Task, Task]
"""What is learnt from, and what checkpoints are chosen on."""


def splits_of(task: str | Splits, missing: Missing) -> list[Task]:
    """The task's train and dev splits, or those given, without what is noted in ``missing``.

    Raises
    ------
    UnknownNameError
        If the task does not exist.
    """
    found: list[Task] = []
    for at, name in enumerate(("train", "dev")):
        with missing.noted():
            found.append(trainable(split_of(task, name) if isinstance(task, str) else task[at]))
    return found


def split_of(task: str, split: str) -> Task:
    """The split to learn from (``train``), or the one to choose on (``dev``).

    Where a data set has a train split and no dev split, a tenth of the train split is held out
    (:func:`ovbench.tasks.stratified.held_out`), and :func:`told` says so.

    Raises
    ------
    InputError
        If the task has no such split, its data are not here, or it is a test split.
    """
    there = card_of(task).splits_of(task)
    divided = "train" in there and all(one.role != "dev" for one in there.values())
    if divided and split in ("train", "dev"):
        return held_out(load_task(task, "train"))[split == "dev"]
    if split not in there:
        raise InputError(
            f"task {task!r} has no {split} split (it has {', '.join(there)})",
            expected="a task with the splits train and dev; a test split is never trained on",
            mend=f"see its splits with: ovbench tasks show {task}",
        )
    return trainable(load_task(task, split))


def fold_of(task: str, fold: int) -> tuple[Task, Task]:
    """What a fold is learned from, and what is chosen on: ``fold2-train`` and ``fold2-dev``.

    Where the folds have no dev splits, a tenth of the fold's train split is held out.

    Raises
    ------
    InputError
        If the task has no such fold, or its data are not here.
    """
    there = card_of(task).splits_of(task)
    train, dev = f"fold{fold}-train", f"fold{fold}-dev"
    if train not in there:
        folds = [name.removesuffix("-train") for name in there if re.match(r"fold\d+-train$", name)]
        raise InputError(
            f"task {task!r} has no fold {fold} to train on",
            expected=f"one of {', '.join(folds)}" if folds else "a task with folds",
            mend=f"see its splits with: ovbench tasks show {task}",
        )
    if dev in there:
        return trainable(load_task(task, train)), trainable(load_task(task, dev))
    return held_out(trainable(load_task(task, train)))


def told(dev: Task) -> tuple[str, ...]:
    """What a report must say of a dev split: that it was held out of train, if it was."""
    return dev.notes if dev.split == HELD_OUT else ()
