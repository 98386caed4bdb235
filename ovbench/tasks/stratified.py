"""Stratified folds of a training split, for choosing settings without touching a test split.

The folds are those of scikit-learn's ``StratifiedKFold(k, shuffle=True, random_state=seed)``, to
the item, so that a cross-validation of a paper that names k and the seed is repeated on the same
folds: every class is dealt to the folds in turn, as evenly as its count allows, and which of its
items go where is shuffled by NumPy's ``RandomState(seed)``, class by class in the order in which
the classes first occur.

Example: classes [a, a, b, a, b, a] and k = 2: two a and one b to each fold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.tasks.task import Role, Task

HELD_OUT = "train-held-out"
"""The split that stands for dev where a data set has none."""
DEV_FOLDS = 10
"""A tenth of what is trained on is dev: checkpoints are chosen on it."""


@dataclass(frozen=True)
class FoldSplit:
    """One fold held out, and the rest to learn from.

    Attributes
    ----------
    number:
        From 1.
    train, dev:
        The other folds' items: nine tenths to learn from, one tenth to choose a checkpoint on.
    held_out:
        The fold's items, which neither has seen.
    """

    number: int
    train: Task
    dev: Task
    held_out: Task


def stratified_folds(labels: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each item, from 0, as scikit-learn deals them.

    Parameters
    ----------
    labels:
        The class of each item.
    folds:
        How many, at least 2.

    Raises
    ------
    InputError
        If there are fewer than 2 folds, a seed below 0, or no class with an item for every fold.
    """
    if folds < 2:
        raise InputError(f"{folds} folds", expected="2 or more")
    if not 0 <= seed < 2**32:
        raise InputError(f"a seed of {seed}", expected="a whole number from 0, below 2^32")
    order = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    codes = np.array([order[label] for label in labels], dtype=np.int64)
    if np.bincount(codes, minlength=1).max() < folds:
        raise InputError(
            f"{folds} folds of {len(codes)} items, of which no class has {folds}",
            expected="a class with an item for every fold",
            mend="take fewer folds",
        )
    dealt = np.sort(codes)
    shuffle = np.random.RandomState(seed).shuffle
    found = np.empty(len(codes), dtype=np.int64)
    for code in range(len(order)):
        share = [np.count_nonzero(dealt[fold::folds] == code) for fold in range(folds)]
        turns = np.arange(folds).repeat(share)
        shuffle(turns)
        found[codes == code] = turns
    return found


def strata(task: Task) -> tuple[list[str], str]:
    """What each item is dealt by, and what that is, in words.

    Its class; where the task has none, its label that is the most frequent one in the split, or the
    sign of its sentiment.
    """
    gold = [task.gold[item.id] for item in task.items]
    if all(one.category is not None for one in gold):
        return [str(one.category) for one in gold], "class"
    if task.answers == "sentiment":
        return [f"{np.sign(one.valence or 0):+.0f}" for one in gold], "sign of the sentiment"
    counts = Counter(label for one in gold for label in one.labels)
    chosen = [min(one.labels, key=lambda label: (-counts[label], label)) for one in gold]
    return chosen, "the most frequent of an item's labels"


def fold_of_items(task: Task, folds: int, seed: int) -> dict[str, str]:
    """Item id → ``fold1``, ``fold2``, … Raises as :func:`stratified_folds`."""
    dealt = stratified_folds(strata(task)[0], folds, seed)
    return {
        item.id: f"fold{fold + 1}" for item, fold in zip(task.items, dealt.tolist(), strict=True)
    }


def fold_splits(task: Task, folds: int, seed: int) -> Iterator[FoldSplit]:
    """Every fold held out in turn. Raises as :func:`stratified_folds`."""
    labels, _ = strata(task)
    dealt = stratified_folds(labels, folds, seed)
    for fold in range(folds):
        rest = np.flatnonzero(dealt != fold)
        inner = [labels[at] for at in rest]
        parts = max(2, min(DEV_FOLDS, max(Counter(inner).values())))
        chosen = stratified_folds(inner, parts, seed) == 0
        name = f"{task.split}-fold{fold + 1}of{folds}"
        yield FoldSplit(
            number=fold + 1,
            # By this name, as a context's vocabulary may be frozen from it.
            train=_part(task, rest[~chosen], "train", "train"),
            dev=_part(task, rest[chosen], f"{name}-dev", "dev"),
            held_out=_part(task, np.flatnonzero(dealt == fold), f"{name}-held-out", "dev"),
        )


def held_out(train: Task) -> tuple[Task, Task]:
    """A train split in two: to learn from, and a tenth, dealt by class, to choose on.

    For data sets without a dev split. The same for every system and seed. Raises as
    :func:`stratified_folds`.
    """
    labels, what = strata(train)
    chosen = stratified_folds(labels, max(2, min(DEV_FOLDS, max(Counter(labels).values()))), 0) == 0
    told = (
        f"{train.id} has no dev split: {int(chosen.sum())} of its {len(chosen)} train items, dealt "
        f"by {what}, are held out to choose on"
    )
    return (
        replace(_part(train, np.flatnonzero(~chosen), train.split, "train"), notes=(told,)),
        replace(_part(train, np.flatnonzero(chosen), HELD_OUT, "dev"), notes=(told,)),
    )


def _part(task: Task, at: NDArray[np.int64], split: str, role: Role) -> Task:
    items = tuple(task.items[index] for index in at.tolist())
    gold = {item.id: task.gold[item.id] for item in items}
    return replace(task, split=split, role=role, items=items, gold=gold)
