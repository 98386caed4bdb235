"""The control that breaks the tie between items and contexts: each gets another item's."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ovbench.errors import InputError
from ovbench.tasks import Item


def donors(items: Sequence[Item], seed: int) -> dict[str, Item]:
    """Item id → the item whose context it gets.

    A permutation of the items in which none keeps its own: one cycle through all of them, drawn by
    Sattolo's algorithm. It depends on the set of ids and the seed alone, not on the items' order.

    Raises
    ------
    InputError
        If there are fewer than two items.
    """
    if len(items) < 2:
        raise InputError("shuffled contexts need at least two items", expected="the whole split")
    ordered = sorted(items, key=lambda item: item.id)
    drawn = list(ordered)
    rng = Random(seed)  # noqa: S311
    for last in range(len(drawn) - 1, 0, -1):
        other = int(rng.random() * last)
        drawn[last], drawn[other] = drawn[other], drawn[last]
    return {item.id: donor for item, donor in zip(ordered, drawn, strict=True)}
