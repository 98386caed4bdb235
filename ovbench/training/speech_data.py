"""What a system that hears is trained on: items with a class, class weights, scores on dev."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ovbench.errors import InputError
from ovbench.metrics import categorical
from ovbench.normalize.canonical import canonical
from ovbench.progress import track
from ovbench.systems.hearing.base import SpeechModel
from ovbench.systems.hearing.recipes import SpeechTraining
from ovbench.tasks import Gold, Item, Task

SHOWN = 3
"""Faults that the report tells in full."""


@dataclass(frozen=True)
class Examples:
    """The items of a split that a model can learn from, or be chosen by.

    Attributes
    ----------
    items, categories:
        The items, and the class of each.
    statuses:
        How many items are ``ok``, and how many are left out as ``error`` or ``other_class``.
    notes:
        What was left out, in sentences.
    digest:
        Of the whole split.
    """

    items: tuple[Item, ...]
    categories: tuple[str, ...]
    statuses: dict[str, int]
    notes: tuple[str, ...]
    digest: str


def class_of(gold: Gold, classes: Sequence[str]) -> str | None:
    """The class that an item is trained as; None where the model has none for it.

    Its category; or, where that is none of ``classes``, its only label, by its canonical name: what
    official scorers are given (IEMOCAP's *excited* is *happy* among four classes).
    """
    if gold.category in classes:
        return gold.category
    label = canonical(gold.labels[0]) if len(gold.labels) == 1 else None
    return label if label in classes else None


def examples(split: Task, model: SpeechModel) -> Examples:
    """The split's items that have a class of the model's and that it can hear, in their order.

    Raises
    ------
    InputError
        If there is none.
    """
    kept: list[tuple[Item, str]] = []
    faults: list[str] = []
    strange: dict[str, int] = {}
    for item in track(split.items, f"listening to {split.id}, {split.split}", len(split.items)):
        gold = split.gold[item.id]
        category = class_of(gold, model.classes)
        if category is None:
            name = gold.category or "no class"
            strange[name] = strange.get(name, 0) + 1
        elif (fault := model.fault(item)) is not None:
            faults.append(f"{item.id} {fault}")
        else:
            kept.append((item, category))
    where = f"{split.id}, {split.split}"
    notes = []
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        notes.append(
            f"{where}: {len(faults)} items cannot be heard: {'; '.join(faults[:SHOWN])}{more}"
        )
    if strange:
        told = ", ".join(f"{count} of {name}" for name, count in strange.items())
        notes.append(f"{where}: items of classes that the model does not have: {told}")
    if not kept:
        raise InputError(
            "there is no item that the model could learn from",
            where=f"task {where}",
            expected=f"clips of the classes {', '.join(model.classes)}",
            mend=notes[0] if notes else None,
        )
    return Examples(
        tuple(item for item, _ in kept),
        tuple(category for _, category in kept),
        {"ok": len(kept), "error": len(faults), "other_class": sum(strange.values())},
        tuple(notes),
        split.digest(),
    )


def class_weights(
    settings: SpeechTraining, train: Examples, classes: Sequence[str]
) -> list[float] | None:
    """Of the classes in the loss, in their order; None: all weigh alike."""
    if settings.class_weights == "none":
        return None
    return balanced_weights(train.categories, classes)


def balanced_weights(categories: Sequence[str], classes: Sequence[str]) -> list[float]:
    """Items / (k · items of the class), over the k classes that occur; 1 for one that does not.

    With items of classes a, a, a, b: 4 / (2 · 3) for a, 4 / (2 · 1) for b.
    """
    counts = [categories.count(name) for name in classes]
    present = sum(count > 0 for count in counts)
    return [len(categories) / (present * count) if count else 1.0 for count in counts]


def dev_scores(
    categories: Sequence[str], answers: Sequence[int], classes: Sequence[str]
) -> dict[str, float]:
    """``uar``, ``macro_f1`` and ``accuracy`` of answers (indices into ``classes``), shares of 1."""
    gold = np.array([classes.index(name) for name in categories])
    rows = categorical.statistics(
        gold, np.array(answers), np.ones(len(gold), np.int64), tuple(classes)
    )
    sums = rows.values.sum(0).astype(np.float64)
    scores = categorical.finish_classes(sums, classes=tuple(classes))
    return {
        "uar": float(scores["balanced_accuracy"]),
        "macro_f1": float(scores["macro_f1"]),
        "accuracy": float(scores["accuracy"]),
    }
