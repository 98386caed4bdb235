"""Floors of a gold file, and plans for a test set, without scoring a system's claim."""

from __future__ import annotations

from ovbench.frozen import Frozen
from ovbench.metrics.power import achieved_power, detectable_difference, items_needed
from ovbench.results import Floor, Scores


class FloorReport(Frozen):
    """Trivial answers on a gold file."""

    gold: str
    protocol: str
    items: int
    floors: dict[str, Scores]
    notes: dict[str, Floor]


class Plan(Frozen):
    """What a test set of this size and spread can show. Differences are fractions."""

    items: int
    standard_error: float
    level: float
    power: float
    detectable: float
    difference: float | None = None
    items_needed: int | None = None
    achieved_power: float | None = None


def plan(error: float, items: int, difference: float | None, *, level: float, power: float) -> Plan:
    """The smallest detectable difference, and what a planned difference needs.

    Parameters
    ----------
    error:
        Standard error of the difference between two systems over ``items`` items.
    difference:
        A difference to plan for, 0..1; its items are found by scaling the error with 1/√n.
    """
    found = Plan(
        items=items,
        standard_error=error,
        level=level,
        power=power,
        detectable=detectable_difference(error, alpha=level, power=power),
    )
    if difference is None:
        return found
    needed = items_needed(difference, error, items, alpha=level, power=power)
    achieved = achieved_power(difference, error, alpha=level)
    planned = {"difference": difference, "items_needed": needed, "achieved_power": achieved}
    return found.model_copy(update=planned)
