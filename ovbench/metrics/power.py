r"""How small a difference a test set can show.

For a paired difference with standard error SE, tested two-sided at level α, the difference that is
found significant with probability 1-β is, by the normal approximation,

.. math:: \Delta = (z_{1-\alpha/2} + z_{1-\beta}) \cdot SE

SE falls with the square root of the number of items, so n items with SE show a difference δ from
n (Δ/δ)² items on.

Example: OV-MERD has 332 items, and two unrelated systems' difference there SE = 2.44 points:
Δ = 2.80 · 2.44 = 6.8 points at α = .05 and power .8. To show 2 points takes 332 · (6.836/2)² ≈ 3879
items.

Edge cases: SE = 0 detects any difference. Results are approximations for large n; clustered items
need the clustered SE.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from ovbench.errors import InputError

_NORMAL = NormalDist()


def detectable_difference(
    standard_error: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest difference, in the unit of ``standard_error``, found with that power."""
    _check(standard_error, alpha, power)
    return (_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)) * standard_error


def items_needed(
    difference: float,
    standard_error: float,
    items: int,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Items needed to find ``difference``, where ``items`` items have that ``standard_error``."""
    if difference == 0:
        raise InputError("a difference of 0", expected="one to be found: above or below 0")
    least = detectable_difference(standard_error, alpha=alpha, power=power)
    return max(1, math.ceil(items * (least / difference) ** 2))


def achieved_power(difference: float, standard_error: float, *, alpha: float = 0.05) -> float:
    """The probability, 0..1, that a true ``difference`` comes out significant."""
    _check(standard_error, alpha, 0.5)
    if standard_error == 0:
        return 1.0 if difference else alpha
    z, shift = _NORMAL.inv_cdf(1 - alpha / 2), abs(difference) / standard_error
    return _NORMAL.cdf(shift - z) + _NORMAL.cdf(-shift - z)


def _check(standard_error: float, alpha: float, power: float) -> None:
    if not standard_error >= 0:
        raise InputError(f"a standard error of {standard_error}", expected="0 or more")
    for name, value in (("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise InputError(f"{name} of {value}", expected="a share between 0 and 1")
