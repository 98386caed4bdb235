"""Clips that a model hears in several windows: which are whose, and one answer for each clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ovbench.systems.hearing.clips import RATE, Clips, Samples
from ovbench.tasks import Item


class Windows(NamedTuple):
    """The windows of several items.

    Attributes
    ----------
    samples:
        Of each window, 16 kHz.
    owners:
        Index of each window's item.
    seconds:
        (items, windows), float32: how long each lasts, 0 where it is another item's.
    """

    samples: list[Samples]
    owners: list[int]
    seconds: Tensor


def windows_of(clips: Clips, items: Sequence[Item], *, augmented: bool) -> Windows:
    """All windows of the items, in their order."""
    heard = [clips.windows(item, augmented=augmented) for item in items]
    samples = [one for of_item in heard for one in of_item]
    owners = [index for index, of_item in enumerate(heard) for _ in of_item]
    seconds = torch.zeros(len(items), len(samples))
    for at, (one, owner) in enumerate(zip(samples, owners, strict=True)):
        seconds[owner, at] = len(one) / RATE
    return Windows(samples, owners, seconds)


def pool(logits: Tensor, seconds: Tensor) -> Tensor:
    """Logits (items, classes) of windows' logits (windows, classes).

    The logarithm of the mean of the windows' probabilities, each weighing as much as it lasts;
    where every item has one window, its logits as they are.
    """
    if seconds.shape[0] == seconds.shape[1]:
        return logits
    share = seconds / seconds.sum(1, keepdim=True)
    return torch.logsumexp(share.log()[..., None] + logits.log_softmax(1), dim=1)
