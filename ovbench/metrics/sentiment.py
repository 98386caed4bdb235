"""Positive or negative: three rules for who is scored and what a neutral answer means.

Gold is a number (its sign is what matters), an answer is positive, negative, neutral or something
else. Each rule makes two classes of them and scores accuracy and F1 as for any closed set; weighted
F1 is the headline in the field.

=============  ==================  ===================  ===========================================
rule           gold classes        gold of 0            answers
=============  ==================  ===================  ===========================================
``affectgpt``  g > 0, g < 0        not scored           positive, or else negative: neutral and
                                                        unknown answers count as negative
``non0``       g > 0, g < 0        not scored           positive, negative; anything else is wrong
``has0``       g >= 0, g < 0       scored, nonnegative  positive and neutral are nonnegative,
                                                        negative; anything else is wrong
=============  ==================  ===================  ===========================================

``affectgpt`` is what ``evaluation-scoreonly.py`` of AffectGPT computes.

Example: gold [1.5, -2, 0, -1], answers [positive, neutral, negative, other]. ``affectgpt`` scores
items 1, 2, 4: all right, accuracy 1. ``non0``: the same three, item 1 right, accuracy 1/3.
``has0`` scores all four; only item 1 is right, accuracy 1/4.

Edge cases: a gold value of NaN is not scored. An answer that is no class of the rule is wrong
without being an answer of either class: it lowers recall, not precision. No scored item: NaN.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.metrics import categorical
from ovbench.metrics.statistics import Statistics

Rule = Literal["affectgpt", "non0", "has0"]

NEGATIVE, NEUTRAL, POSITIVE, OTHER = -1, 0, 1, 2
"""Codes of answers; ``OTHER`` is any other word, nothing, or an unparsable text."""


def classes(rule: Rule) -> tuple[str, str]:
    """Names of the two classes, in the order of their codes."""
    return ("negative", "nonnegative" if rule == "has0" else "positive")


def gold_codes(gold: NDArray[np.floating], rule: Rule) -> NDArray[np.int64]:
    """Class of each gold value, -1 where the rule does not score it; shape (rows,)."""
    positive = gold >= 0 if rule == "has0" else gold > 0
    return np.where(positive, 1, np.where(gold < 0, 0, -1)).astype(np.int64)


def answer_codes(answers: NDArray[np.integer], rule: Rule) -> NDArray[np.int64]:
    """Class of each answer (one of the four codes), -1 where it is neither; shape (rows,)."""
    if answers.size and (answers.min() < NEGATIVE or answers.max() > OTHER):
        raise InputError("a sentiment code outside -1, 0, 1, 2")
    neutral, other = {"affectgpt": (0, 0), "non0": (-1, -1), "has0": (1, -1)}[rule]
    codes: NDArray[np.int64] = np.array([0, neutral, 1, other])[answers - NEGATIVE]
    return codes


def statistics(
    gold: NDArray[np.floating],
    answers: NDArray[np.integer],
    weight: NDArray[np.int64],
    rule: Rule,
) -> Statistics:
    """Statistics and scores of :func:`ovbench.metrics.categorical.statistics` on two classes.

    Parameters
    ----------
    gold:
        Shape (rows,): sentiment values on any scale with 0 in the middle.
    answers:
        Shape (rows,): ``POSITIVE``, ``NEGATIVE``, ``NEUTRAL`` or ``OTHER``.
    weight:
        Shape (rows,): how many items share the row.
    """
    return categorical.statistics(
        gold_codes(gold, rule), answer_codes(answers, rule), weight, classes(rule)
    )
