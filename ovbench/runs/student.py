r"""Student's t distribution for whole degrees of freedom, in closed form.

With :math:`\theta = \arctan(t/\sqrt\nu)`, the chance of a value between -t and t is a finite sum
(Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4): for odd
:math:`\nu > 1`

.. math:: \tfrac2\pi\Big(\theta + \sin\theta\,\big[\cos\theta + \tfrac23\cos^3\theta + \dots
          + \tfrac{2\cdot4\cdots(\nu-3)}{3\cdot5\cdots(\nu-2)}\cos^{\nu-2}\theta\big]\Big),

for :math:`\nu = 1` :math:`2\theta/\pi`, and for even :math:`\nu`

.. math:: \sin\theta\,\big[1 + \tfrac12\cos^2\theta + \dots
          + \tfrac{1\cdot3\cdots(\nu-3)}{2\cdot4\cdots(\nu-2)}\cos^{\nu-2}\theta\big].

Example: t = 1 with 1 degree of freedom: theta is a quarter of pi, so half of all values are within.
"""

from __future__ import annotations

import math

from ovbench.errors import InputError


def within(t: float, df: int) -> float:
    """Chance of a value between -``t`` and ``t``, for ``t`` of 0 or more."""
    if df < 1:
        raise InputError(f"{df} degrees of freedom", expected="1 or more")
    theta = math.atan(t / math.sqrt(df))
    cos, sin = math.cos(theta), math.sin(theta)
    odd = df % 2
    term = cos if odd else 1.0
    total = 0.0 if df == 1 else term
    for k in range(2 + odd, df - 1, 2):
        term *= cos * cos * (k - 1) / k
        total += term
    return 2 / math.pi * (theta + sin * total) if odd else sin * total


def two_sided_p(t: float, df: int) -> float:
    """Chance of a value at least as far from 0 as ``t``."""
    return max(0.0, 1.0 - within(abs(t), df))


def quantile(share: float, df: int) -> float:
    """The value that a ``share`` (.5 to 1) of all values lie below."""
    if not 0.5 <= share < 1:
        raise InputError(f"a share of {share}", expected="from .5 to below 1")
    wanted = 2 * share - 1
    low, high = 0.0, 1.0
    while within(high, df) < wanted:
        high *= 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if within(middle, df) < wanted else (low, middle)
    return (low + high) / 2
