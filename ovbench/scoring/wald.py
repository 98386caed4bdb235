"""The normal-approximation intervals of a result, beside the bootstrap's."""

from __future__ import annotations

from collections.abc import Mapping

from ovbench.metrics.wald import wald
from ovbench.results import Interval, Scores, WaldInterval, WaldIntervals

PROPORTIONS = ("accuracy",)
"""Scores that are a share of the items."""


def wald_intervals(
    scores: Scores, bootstrap: Mapping[str, Interval], items: int, confidence: float
) -> WaldIntervals:
    """The interval of every score that lies within 0..1, and how much wider the bootstrap's is.

    ``items`` (at least 1) are those that enter the score; ``bootstrap`` may be empty.
    """
    found = {}
    for name, value in scores.items():
        if value is None or not 0 <= value <= 1:
            continue
        one = wald(value, items, confidence)
        found[name] = WaldInterval(
            low=one.low,
            high=one.high,
            half_width=one.half_width,
            proportion=name in PROPORTIONS,
            bootstrap_ratio=_ratio(bootstrap.get(name), 2 * one.half_width),
        )
    return WaldIntervals(confidence=confidence, items=items, intervals=found)


def _ratio(drawn: Interval | None, width: float) -> float | None:
    if drawn is None or drawn.low is None or drawn.high is None or width == 0:
        return None
    return (drawn.high - drawn.low) / width
