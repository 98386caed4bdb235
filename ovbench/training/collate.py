"""Encoded items to tensors of one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ovbench.training.encode import Encoded

IGNORED = -100
"""Label of a position that the loss leaves out (the convention of torch's cross entropy)."""


@dataclass(frozen=True)
class Batch:
    """B items, padded on the right to L tokens. Right padding: each position sees only what is
    before it, so a pad changes nothing that the loss is taken over.
    """

    input_ids: torch.Tensor
    """(B, L) int64."""
    attention_mask: torch.Tensor
    """(B, L) int64: 1 where there is a token, the end-of-sequence token included."""
    labels: torch.Tensor
    """(B, L) int64: the token itself on the completion, :data:`IGNORED` on prompt and padding."""
    label_context: torch.Tensor | None
    """(B, D) float32, row i for item i; None for a method that takes none."""
    targets: int
    """Tokens that the loss is taken over."""
    tokens: int
    """Tokens that are not padding."""

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        context = self.label_context
        return Batch(
            self.input_ids.to(device, non_blocking=True),
            self.attention_mask.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
            None if context is None else context.to(device, non_blocking=True),
            self.targets,
            self.tokens,
        )


def collate(data: Encoded, indices: Sequence[int]) -> Batch:
    """The items at ``indices``, in that order, as one batch."""
    rows = [data.tokens[i] for i in indices]
    lengths = [len(row) for row in rows]
    shape = (len(rows), max(lengths))
    input_ids = np.full(shape, data.pad_id, np.int64)
    mask = np.zeros(shape, np.int64)
    labels = np.full(shape, IGNORED, np.int64)
    for at, (index, row) in enumerate(zip(indices, rows, strict=True)):
        start = data.prompt_lengths[index]
        input_ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
        labels[at, start : len(row)] = row[start:]
    context = None if data.context is None else torch.from_numpy(data.context[list(indices)])
    return Batch(
        torch.from_numpy(input_ids),
        torch.from_numpy(mask),
        torch.from_numpy(labels),
        context,
        data.targets(indices),
        sum(lengths),
    )
