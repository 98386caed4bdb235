r"""The normal-approximation (Wald) interval of a binomial proportion.

Of n items a share p is right. Its standard error is that of a binomial proportion, and the interval

.. math:: p \pm z \sqrt{p (1 - p) / n}, \qquad z = \Phi^{-1}((1 + c) / 2)

for a confidence c (z = 1.96 at 95 %). Source: Brown, Cai and DasGupta, Interval Estimation for a
Binomial Proportion, Statistical Science 16 (2001), who advise against it.

Example: 436 of 750 items right, p = .5813: ± 1.96 · √(.5813 · .4187 / 750) = ± .0353.

It holds for a share of items alone (accuracy). Balanced accuracy, macro F1 and weighted F1 are
means of ratios with a denominator per class: a class of six items is a sixth of a macro score over
six classes, and n says nothing of it. Some papers print it for them all the same, and it is then
far too short; the bootstrap (:mod:`ovbench.metrics.intervals`) holds for all of them.

Edge cases: at p = 0 and p = 1 the width is 0, and near them a bound may leave 0..1; both are known
flaws of this interval and are kept, because it is computed to be compared with printed ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from ovbench.errors import InputError


@dataclass(frozen=True)
class Wald:
    """The interval ``low`` to ``high`` around a share, ``half_width`` to either side."""

    low: float
    high: float
    half_width: float


def wald(share: float, items: int, confidence: float = 0.95) -> Wald:
    """The interval of a share of ``items``.

    Raises
    ------
    InputError
        If the share or the confidence is not within 0..1, or there are no items.
    """
    if not 0 <= share <= 1:
        raise InputError(f"a share of {share}", expected="a number from 0 to 1")
    if items < 1:
        raise InputError(f"a share of {items} items", expected="at least 1")
    if not 0 < confidence < 1:
        raise InputError(f"a confidence of {confidence}", expected="a share between 0 and 1")
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(share * (1 - share) / items)
    return Wald(share - reach, share + reach, reach)
