"""All test folds of a task at once: what a cross-validation's answers are scored on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ovbench.errors import InputError
from ovbench.tasks.card import card_of
from ovbench.tasks.load import load_task
from ovbench.tasks.task import Task

FOLDS = "folds"
"""The name that all test folds together go by, where a split is named."""


def load_folds(name: str, data: str | Path | None = None) -> Task:
    """A task's test folds as one task, whose ``folds`` tell each item's.

    Nothing may be evaluated on it as it is: of a cross-validation, each fold is answered by the
    system that was trained without it, and the answers are scored together.

    Raises
    ------
    InputError
        If the task does not exist or has no folds, its files are not here, or folds share items.
    """
    splits = card_of(name).splits_of(name)
    tests = {
        split: told.fold for split, told in splits.items() if told.fold and told.role == "test"
    }
    if len(tests) < 2:
        raise InputError(
            f"task {name!r} has {'one test fold' if tests else 'no folds'}",
            expected="a task with several test folds",
            mend=f"see its splits with: ovbench tasks show {name}",
        )
    parts = {fold: load_task(name, split, data, clips=False) for split, fold in tests.items()}
    fold_of: dict[str, str] = {}
    for fold, part in parts.items():
        for item in part.items:
            if item.id in fold_of:
                raise InputError(
                    f"item {item.id!r} is in {fold_of[item.id]} and in {fold}",
                    where=f"task {name}",
                    expected="folds without common items",
                    mend="score each fold by itself, with --split",
                )
            fold_of[item.id] = fold
    first = next(iter(parts.values()))
    return replace(
        first,
        split=FOLDS,
        items=tuple(item for part in parts.values() for item in part.items),
        gold={name: gold for part in parts.values() for name, gold in part.gold.items()},
        notes=tuple(dict.fromkeys(note for part in parts.values() for note in part.notes)),
        folds=fold_of,
    )
