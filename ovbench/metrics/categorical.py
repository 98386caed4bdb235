r"""Closed-set classification: accuracy, balanced accuracy, F1, per class and averaged.

With TP_k items of class k answered k, S_k items of class k, A_k answers k (S for support), and n
items:

.. math::
    \text{accuracy} = \frac1n \sum_k TP_k, \quad
    \text{recall}_k = \frac{TP_k}{S_k}, \quad
    \text{precision}_k = \frac{TP_k}{A_k}, \quad
    F_k = \frac{2\,TP_k}{S_k + A_k}

``accuracy`` is the field's WA; ``balanced_accuracy``, its UA, is the mean recall over classes with
S_k > 0; ``macro_f1`` is the mean F_k over classes with S_k + A_k > 0; ``weighted_f1`` weighs F_k by
S_k. These are scikit-learn's definitions with ``zero_division=0``.

Example: gold [a, a, b, c], answers [a, b, b, other]: TP = 1, 1, 0; S = 2, 1, 1; A = 1, 2, 0.
Accuracy 1/2; recalls 1/2, 1, 0, so balanced accuracy 1/2; F = 2/3, 2/3, 0, so macro F1 4/9 and
weighted F1 (2 · 2/3 + 2/3) / 4 = 1/2.

Edge cases: an answer outside the classes (code -1: another word, nothing, unparsable) is wrong, and
is nobody's A_k; it is not a class of its own, so it does not enter macro F1 as an F of 0 (where
scikit-learn is given it as a label, pass it ``labels=`` with the declared classes to compare). A
gold code of -1 takes the item out. A class neither in gold nor answered has recall, precision and
F of 0 and takes no part in averages. Without items all but the per-class values are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.metrics.statistics import Scores, Statistics, ratio

OTHER = -1
"""The code of an answer that is none of the classes, and of a gold label that is none of them."""


def confusion(
    gold: NDArray[np.integer],
    predicted: NDArray[np.integer],
    weight: NDArray[np.int64],
    n_classes: int,
) -> NDArray[np.int64]:
    """How many items of each class got which answer: shape (classes, classes + 1).

    The last column counts answers outside the classes. Arguments as in :func:`statistics`.
    """
    _check(gold, predicted, n_classes)
    inside = gold >= 0
    matrix = np.zeros((n_classes, n_classes + 1), dtype=np.int64)
    np.add.at(matrix, (gold[inside], predicted[inside]), weight[inside])  # -1: the last column
    return matrix


def statistics(
    gold: NDArray[np.integer],
    predicted: NDArray[np.integer],
    weight: NDArray[np.int64],
    classes: Sequence[str],
) -> Statistics:
    """Statistics per row: TP, S and A of every class, 3 * classes columns.

    Parameters
    ----------
    gold, predicted:
        Shape (rows,): indices into ``classes``, or -1 for anything else.
    weight:
        Shape (rows,): how many items share the row.
    classes:
        Names, in the order of their codes. Scores: ``accuracy``, ``balanced_accuracy``,
        ``macro_f1``, ``weighted_f1``, and ``precision@class``, ``recall@class``, ``f1@class``,
        ``support@class`` (items).
    """
    n_classes = len(classes)
    _check(gold, predicted, n_classes)
    rows = np.flatnonzero(gold >= 0)
    answered = np.flatnonzero((gold >= 0) & (predicted >= 0))
    right = np.flatnonzero((gold >= 0) & (predicted == gold))
    values = np.zeros((3, n_classes, len(gold)), dtype=np.int64)
    values[0, gold[right], right] = 1
    values[1, gold[rows], rows] = 1
    values[2, predicted[answered], answered] = 1
    finish = partial(finish_classes, classes=tuple(classes))
    return Statistics(values.reshape(3 * n_classes, -1).T, weight, finish)


def finish_classes(sums: NDArray[np.float64], *, classes: tuple[str, ...]) -> Scores:
    """Scores from sums (..., 3 * classes): all TP, then all S, then all A."""
    k = len(classes)
    right, support, answers = sums[..., :k], sums[..., k : 2 * k], sums[..., 2 * k :]
    recall, precision = ratio(right, support, 0.0), ratio(right, answers, 0.0)
    f1 = ratio(2 * right, support + answers, 0.0)
    n = _total(support)
    seen = _total((support + answers > 0).astype(np.float64))
    in_gold = _total((support > 0).astype(np.float64))
    scores = {
        "accuracy": ratio(_total(right), n, np.nan),
        "balanced_accuracy": ratio(_total(recall), in_gold, np.nan),
        "macro_f1": ratio(_total(f1), seen, np.nan),
        "weighted_f1": ratio(_total(f1 * support), n, np.nan),
    }
    for index, name in enumerate(classes):
        scores[f"precision@{name}"] = precision[..., index]
        scores[f"recall@{name}"] = recall[..., index]
        scores[f"f1@{name}"] = f1[..., index]
        scores[f"support@{name}"] = support[..., index]
    return scores


def _total(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum over classes, added in their order whatever the array's layout."""
    total = np.zeros(values.shape[:-1])
    for index in range(values.shape[-1]):
        total = total + values[..., index]
    return total


def _check(gold: NDArray[np.integer], predicted: NDArray[np.integer], n_classes: int) -> None:
    if gold.shape != predicted.shape:
        raise InputError(f"{len(gold)} gold classes and {len(predicted)} answers")
    for codes in (gold, predicted):
        if codes.size and (codes.min() < OTHER or codes.max() >= n_classes):
            raise InputError(
                "a class code outside the declared classes",
                expected=f"0 to {n_classes - 1}, or -1 for anything else",
            )
