"""Two systems of one table: whether they differ in a score, for every pair at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.board.items import Answers
from ovbench.board.pairs import (
    differing,
    leave_one_out,
    normal_as_student,
    normal_quantile,
    p_of_differences,
    variances_of_differences,
)
from ovbench.errors import InputError

CONFIDENCE = 0.95
"""Of the intervals of differences."""


@dataclass(frozen=True)
class PairTests:
    """All pairs of a table's systems, row minus column; arrays of shape (systems, systems).

    ``low`` and ``high`` are the 95 % interval of ``difference``, ``p`` is two-sided and not
    corrected for the number of pairs. By :mod:`ovbench.board.pairs`, so without draws.
    """

    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]


def pair_tests(answers: Answers, score: str) -> PairTests:
    """Paired tests between all systems of ``answers`` in one score.

    Raises
    ------
    InputError
        If it is none of the protocol's scores.
    """
    if score not in answers.evaluation.scores:
        raise InputError(f"{score!r:.60} is no score of this protocol", where=answers.task.id)
    values, rows = answers.evaluation.statistics.values, answers.rows()
    scores, parts = leave_one_out(values, rows, answers.finish, score)
    degrees = max(parts.shape[1] - 1, 1)
    difference = scores[:, None] - scores[None, :]
    variance = variances_of_differences(values, rows, parts, answers.finish, score)
    p = p_of_differences(difference, variance, degrees, differing(values, rows))
    half = normal_as_student(normal_quantile(CONFIDENCE), degrees) * np.sqrt(variance)
    return PairTests(difference, difference - half, difference + half, p)
