"""Which items make a batch: alike in length, in an order drawn from the seed and the epoch."""

from __future__ import annotations

import random
from collections.abc import Sequence

POOL = 50
"""Batches whose items are sorted by length together: enough to leave little padding, few enough
that the make-up of a batch stays random."""


def epoch_batches(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int
) -> list[list[int]]:
    """Every index of ``lengths`` once, in batches of ``batch_size`` (the last drawn may be less).

    Items are shuffled, sorted by length within pools of :data:`POOL` batches, cut into batches,
    and the batches are shuffled. The order depends on ``seed`` and ``epoch`` alone. Within a
    batch the longest item comes first, so that a batch that does not fit into memory fails early.
    """
    draw = random.Random(f"batch order {seed}/{epoch}")  # noqa: S311 - no secret
    order = list(range(len(lengths)))
    draw.shuffle(order)
    size = POOL * batch_size
    batches: list[list[int]] = []
    for start in range(0, len(order), size):
        pool = sorted(order[start : start + size], key=lambda i: -lengths[i])
        batches += [pool[at : at + batch_size] for at in range(0, len(pool), batch_size)]
    draw.shuffle(batches)
    return batches


def steps_per_epoch(items: int, batch_size: int) -> int:
    """Batches in one pass over ``items``; a last short batch counts."""
    return -(-items // batch_size)


def shares(batch: Sequence[int], size: int, rank: int, processes: int) -> list[list[int]]:
    """What process ``rank`` of ``processes`` has of one batch, in parts of at most ``size``.

    Every index of the batch falls to exactly one process; a process may get none of a short one.
    """
    own = batch[rank::processes]
    return [list(own[at : at + size]) for at in range(0, len(own), size)]
