"""Five levels, and the four values between them."""

from __future__ import annotations

from typing import Literal

Level = Literal["very low", "low", "normal", "high", "very high"]
LEVELS: tuple[Level, ...] = ("very low", "low", "normal", "high", "very high")

QUANTILES = (0.10, 0.25, 0.75, 0.90)
"""Of a population, where one level ends and the next begins (SpeechCueLLM, arXiv 2407.21315)."""

Edges = tuple[float, float, float, float]
"""The values at ``QUANTILES``, in rising order."""


def level_of(value: float, edges: Edges) -> Level:
    """The level of a value; one that lies on an edge is nearer to normal."""
    very_low, low, high, very_high = edges
    if value < low:
        return "very low" if value < very_low else "low"
    if value > high:
        return "very high" if value > very_high else "high"
    return "normal"
