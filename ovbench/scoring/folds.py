"""Scores fold by fold, and their means over folds beside the pooled ones."""

from __future__ import annotations

import math
import re

from ovbench.errors import InputError
from ovbench.results import Fold, Folds
from ovbench.scoring.evaluation import Evaluation, split_scores


def fold_scores(evaluation: Evaluation, column: str) -> tuple[Folds, tuple[str, ...]]:
    """Each fold's scores, their means and standard deviations over the folds; and warnings.

    ``column``: the gold's column that says which fold an item is in.

    Raises
    ------
    InputError
        If an item is in no fold, or all are in one.
    """
    of_item = evaluation.columns[column]
    names = sorted(set(of_item.tolist()), key=_in_order)
    if not all(name.strip() for name in names):
        item = next(i for i, name in enumerate(of_item) if not name.strip())
        raise InputError(
            f"item {evaluation.ids[item]!r} is in no fold",
            where=f"column {column!r}",
            expected="a fold for every item",
        )
    if len(names) < 2:
        raise InputError(
            f"all items are in the fold {names[0]!r}",
            where=f"column {column!r}",
            expected="two folds or more",
            mend="leave --folds out",
        )
    by_fold, lacking = {}, []
    for name in names:
        members = of_item == name
        flat = evaluation.subset(members).scores()
        items = int((members & evaluation.enters).sum())
        by_fold[name] = Fold(items=items, scores=split_scores(flat)[0])
        absent = [one for one in evaluation.classes if not flat[f"support@{one}"]]
        if absent:
            lacking.append(f"{name} (no {', '.join(absent)})")
    every = [fold.scores for fold in by_fold.values()]
    scores = {key: [one[key] for one in every] for key in every[0]}
    found = Folds(
        column=column,
        by_fold=by_fold,
        mean={key: _mean(values) for key, values in scores.items()},
        sd={key: _sd(values) for key, values in scores.items()},
    )
    warnings: tuple[str, ...] = ()
    if lacking:
        warnings = (
            f"folds in which a class has no gold item: {', '.join(lacking)}; their UA is of the "
            "other classes, so the mean over folds is one of unlike scores",
        )
    return found, warnings


def _in_order(name: str) -> list[tuple[bool, int, str]]:
    """fold2 before fold10."""
    parts = re.split(r"0*([0-9]+)", name)
    return [(not part.isdecimal(), len(part), part) for part in parts if part]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None


def _sd(values: list[float | None]) -> float | None:
    mean = _mean(values)
    if mean is None:
        return None
    squares = [(value - mean) ** 2 for value in values if value is not None]
    return math.sqrt(math.fsum(squares) / (len(squares) - 1))
