r"""MER2024's metric: the mean of set precision and set recall, without wheels.

Labels are first replaced by the name of their group (per item; any grouping will do here):

.. math::
    \bar P = \frac1n \sum_i \frac{|G_i \cap P_i|}{|P_i|}, \qquad
    \bar R = \frac1n \sum_i \frac{|G_i \cap P_i|}{|G_i|}, \qquad
    \text{score} = \frac{\bar P + \bar R}{2}

The score is the arithmetic mean, not F1. Source: MER2024, ``main-ov.py``.

Example: G = {happy, calm}, P = {happy}: precision 1, recall 1/2. G = {sad}, P = {sad, mad}:
precision 1/2, recall 1. P̄ = R̄ = score = 3/4.

Edge cases: an empty prediction has precision 0 and recall 0, whatever the gold. An empty gold set
with a prediction makes the official scorer stop with a division by zero; here it is not counted.
Labels outside every group stand for themselves, so unknown labels cost precision. Where no item is
counted, all is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.metrics.bits import SetCounts
from ovbench.metrics.statistics import SCALE, Scores, Statistics, ratio, scaled_ratio


def statistics(
    counts: SetCounts, weight: NDArray[np.int64], counted: NDArray[np.bool_] | None = None
) -> Statistics:
    """Statistics per row: whether counted, precision, recall.

    ``counts`` has one column (rows, 1); ``counted``, shape (rows,), says which rows take part
    (default: all). Scores: ``precision``, ``recall``, ``score``.
    """
    if counts.both.shape[1:] != (1,):
        raise InputError(f"counts of shape {counts.both.shape}", expected="shape (rows, 1)")
    both, gold, pred = counts.both[:, 0], counts.gold[:, 0], counts.pred[:, 0]
    takes_part = (gold > 0) | (pred == 0)
    if counted is not None:
        takes_part &= counted
    columns = (np.ones_like(both), scaled_ratio(both, pred), scaled_ratio(both, gold))
    values = np.stack(columns, axis=1) * takes_part[:, None]
    return Statistics(values.astype(np.int64), weight, _finish)


def _finish(sums: NDArray[np.float64]) -> Scores:
    n = sums[..., 0] * SCALE
    precision, recall = ratio(sums[..., 1], n, np.nan), ratio(sums[..., 2], n, np.nan)
    return {"precision": precision, "recall": recall, "score": (precision + recall) / 2}
