"""The loss: negative log likelihood of the completions' tokens, computed only where it counts."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ovbench.training.collate import IGNORED, Batch


def completion_logits(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that predict the completions' tokens, and those tokens.

    The model is asked (``logits_to_keep``) for the positions before each target alone: with a
    short completion after a long prompt, most of the vocabulary's product is never computed.

    Returns
    -------
    (N, V) logits in the model's dtype and (N,) int64 tokens, N = ``batch.targets``; items in
    order, and within an item positions in order.
    """
    following = batch.labels[:, 1:] != IGNORED
    predicts = functional.pad(following, (0, 1), value=False)
    inputs = {} if batch.label_context is None else {"label_context": batch.label_context}
    logits: torch.Tensor = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        use_cache=False,
        logits_to_keep=predicts,
        **inputs,
    ).logits
    if logits.ndim == 3:  # a model that does not select: (B, L, V)
        logits = logits[predicts]
    return logits, batch.labels[:, 1:][following]


def completion_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Summed negative log likelihood (nats) of the completions' tokens; float32, shape ()."""
    logits, targets = completion_logits(model, batch)
    return functional.cross_entropy(logits.float(), targets, reduction="sum")


def loss_and_hits(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`completion_loss`, and how many tokens the most likely one is the right one of."""
    logits, targets = completion_logits(model, batch)
    loss = functional.cross_entropy(logits.float(), targets, reduction="sum")
    return loss, (logits.argmax(-1) == targets).sum()
