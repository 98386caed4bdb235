r"""Tests between all pairs of many systems at once.

*Paired*, where the answers to every item are known: leave-one-out. With T_a a system's sums over n
items, x_i its statistics of item i and f the score,

.. math::
    u_{ai} = f(T_a) - f(T_a - x_{ai}), \qquad
    \widehat{\mathrm{var}}(d_{ab}) = \frac{n-1}{n} \sum_i
    \big[(u_{ai} - \bar u_a) - (u_{bi} - \bar u_b)\big]^2

and d / s.e. is referred to Student's t with n - 1 degrees of freedom. The sum over pairs is one
matrix product.

Where a class has a few items, leaving one out hides what they decide: with A right and B wrong on
all three items of a class, no recall changes. So the same sum is also taken over what item i's
answer adds to the score at the mean of all systems' sums (its slope there), and the larger variance
counts. Slopes are what an exchange of the two systems' answers moves, and for smooth scores both
variances agree.

Nothing is drawn at random: a correction for thousands of pairs needs p far below
what some thousand draws can count, and the same records must give the same ranks everywhere.
:func:`ovbench.metrics.significance.paired`, which draws, gives the same p within its noise.

No test that swaps the two systems' answers can give less than 2**(1-m) where they differ on m
items, so p is never put below that: it keeps differences on a handful of items from being called
certain.

*Unpaired*, where only an interval is known: z = d / sqrt(s_a**2 + s_b**2), with s half the
interval's width over its normal quantile. Answers to the same items go up and down together, so
this test finds less than a paired one would.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11; Wallace, Bounds
on normal approximations to Student's and the chi-square distributions (1959), for t as z.

Example: accuracies 3/4 and 1/4 on 4 items; A right where B is wrong on 2 of them, alike on 2. Then
u is the deviation from the mean over 3, the sum of squares 1/9, the variance 3/4 · 1/9 = 1/12,
t = (1/2) / 0.289 = 1.73 on 3 degrees of freedom, p = 0.18; but two items can swap in 4 ways, of
which 2 are as large, so p = 1/2.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ovbench.metrics.statistics import Finish, row_keys

_HELD = 2**18
"""Numbers of statistics that are worked on at once (2 MiB, which a cache holds)."""


def leave_one_out(
    values: NDArray[np.int64], rows: NDArray[np.int64], finish: Finish, score: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The score of every system, shape (systems,), and u - mean u, shape (systems, items).

    ``values`` has shape (rows, columns), ``rows`` (systems, items): the row of each answer. A score
    that is undefined without an item counts as unchanged by it.
    """
    systems, items = rows.shape
    scores, parts = np.empty(systems), np.empty((systems, items))
    step = max(1, _HELD // max(items * values.shape[1], 1))
    for start in range(0, systems, step):
        some = slice(start, start + step)
        of_items = values[rows[some]]
        totals = of_items.sum(axis=1)
        own = finish(totals.astype(np.float64))[score]
        without = finish((totals[:, None, :] - of_items).astype(np.float64))[score]
        change = np.where(np.isnan(without), 0.0, own[:, None] - without)
        scores[some] = own
        parts[some] = change - change.mean(axis=1, keepdims=True)
    return scores, parts


def slopes(
    values: NDArray[np.int64], rows: NDArray[np.int64], finish: Finish, score: str
) -> NDArray[np.float64]:
    """What each answer adds to the score, less the system's mean; shape (systems, items).

    To first order, at the mean of all systems' sums; arguments as of :func:`leave_one_out`.
    """
    small = 2.0**-10 / max(len(rows), 1)  # so that no sum falls below 0
    mean = np.bincount(rows.ravel(), minlength=len(values)) @ values / max(len(rows), 1)
    whole = finish(mean)[score]
    added = np.zeros(len(values))
    step = max(1, _HELD // values.shape[1])
    for start in range(0, len(values), step):
        some = slice(start, start + step)
        added[some] = (whole - finish(mean - small * values[some])[score]) / small
    found: NDArray[np.float64] = np.nan_to_num(added)[rows]
    found -= found.mean(axis=1, keepdims=True)
    return found


def variances(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (systems, systems): variance of every difference, from either function's parts.

    The parts are rounded to as many digits as leave every sum of products exact, so that no
    library or number of threads can change a bit of it.
    """
    n = max(parts.shape[1], 1)
    largest = float(np.abs(parts).max(initial=0.0))
    if largest == 0.0:
        return np.zeros((len(parts), len(parts)))
    unit = largest / 2.0 ** ((52 - math.ceil(math.log2(n)) - 2) // 2)
    whole = np.rint(parts / unit)
    products = whole @ whole.T
    own = np.diag(products)
    between = own[:, None] + own[None, :] - 2 * products
    scaled: NDArray[np.float64] = between * (unit**2 * ((n - 1) / n))
    return scaled


def variances_of_differences(
    values: NDArray[np.int64],
    rows: NDArray[np.int64],
    parts: NDArray[np.float64],
    finish: Finish,
    score: str,
) -> NDArray[np.float64]:
    """Shape (systems, systems): of both variances of every difference, the larger one.

    ``parts`` comes from :func:`leave_one_out`, whose arguments the others are.
    """
    return np.maximum(variances(parts), variances(slopes(values, rows, finish, score)))


def p_of_differences(
    difference: NDArray[np.float64],
    variance: NDArray[np.float64],
    degrees: int,
    items: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Two-sided p of paired differences; all arrays are of one shape.

    ``items``: on how many of them the two systems differ, which bounds p from below.
    """
    z = student_as_normal(deviates(difference, variance), degrees)
    least = np.minimum(1.0, 2.0 ** (1.0 - items))
    p: NDArray[np.float64] = np.maximum(two_sided(z), least)
    return p


def differing(values: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shape (systems, systems): on how many items two systems' statistics differ.

    ``values`` has shape (rows, columns), ``rows`` (systems, items): the row of each answer.
    """
    codes = np.unique(row_keys(values), return_inverse=True)[1].astype(np.int32)[rows]
    found = np.empty((len(rows), len(rows)), dtype=np.int64)
    for system, own in enumerate(codes):
        found[system] = np.count_nonzero(codes != own, axis=1)
    return found


def student_as_normal(t: NDArray[np.float64], degrees: int) -> NDArray[np.float64]:
    """The normal deviate with the same tail as ``t`` (Wallace's approximation)."""
    with np.errstate(over="ignore"):
        deviate = np.sqrt(degrees * np.log1p(t * t / degrees))
    scaled: NDArray[np.float64] = deviate * (8 * degrees + 1) / (8 * degrees + 3)
    return scaled


def normal_as_student(z: float, degrees: int) -> float:
    """The inverse of :func:`student_as_normal`."""
    deviate = z * (8 * degrees + 3) / (8 * degrees + 1)
    return math.sqrt(degrees * math.expm1(deviate * deviate / degrees))


def two_sided(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p of normal deviates, of any sign, in their shape."""
    each = map(math.erfc, (np.abs(z) / math.sqrt(2.0)).ravel().tolist())
    return np.fromiter(each, dtype=np.float64, count=z.size).reshape(z.shape)


def deviates(difference: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """|d| / s.e.; 0 where d is 0, and infinite where d is not but its variance is."""
    size = np.abs(difference)
    out = np.where(size > 0, np.inf, 0.0)
    np.divide(size, np.sqrt(variance), out=out, where=(variance > 0) & (size > 0))
    return out


def error_of_interval(low: float, high: float, confidence: float) -> float:
    """The standard error that an interval's width stands for under a normal distribution."""
    return (high - low) / (2 * normal_quantile(confidence))


def normal_quantile(confidence: float) -> float:
    """How many standard errors an interval reaches to either side: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
