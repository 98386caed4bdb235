"""Attention between two sequences and the gate that mixes each with what it found in the other."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, softmax(Q Kᵀ / √width) V, in float32 whatever the inputs.

    Parameters
    ----------
    query:
        (items, n, width).
    key, value:
        (items, m, width).
    mask:
        (items, m), bool: which keys count, at least one of each item; None: all.

    Returns
    -------
    Tensor
        (items, n, width), float32.
    """
    with torch.autocast(query.device.type, enabled=False):
        scores = query.float() @ key.float().transpose(-1, -2) / math.sqrt(query.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, :], -torch.inf)
        return torch.softmax(scores, dim=-1) @ value.float()


def mean_over_time(sequence: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mean of (items, n, width) over n, of the places that ``mask`` (items, n) has True."""
    if mask is None:
        return sequence.mean(dim=1)
    kept = mask[..., None].to(sequence.dtype)
    return (sequence * kept).sum(dim=1) / kept.sum(dim=1)


class Gate(nn.Module):
    """G = σ(W [X; C] + b), and X ⊙ G + C ⊙ (1 − G): G near 1 keeps X, near 0 takes C."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * width, width)

    def forward(self, own: Tensor, found: Tensor) -> Tensor:
        """The mixture of X (``own``) and C (``found``), all (items, n, width)."""
        gate = torch.sigmoid(self.linear(torch.cat([own, found], dim=-1)))
        return own * gate + found * (1 - gate)


class CmgiLayer(nn.Module):
    """Cross-modal gated interaction: each sequence attends to the other and is gated with it.

    The projections to queries, keys and values, and the gate, are one and the same for both
    directions, as in the released code.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.gate = Gate(width)

    def forward(
        self, speech: Tensor, text: Tensor, heard: Tensor | None, read: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Both sequences after the interaction, in their own shapes."""
        found_in_text = attend(self.query(speech), self.key(text), self.value(text), read)
        found_in_speech = attend(self.query(text), self.key(speech), self.value(speech), heard)
        return self.gate(speech, found_in_text), self.gate(text, found_in_speech)


class Cmgi(nn.Module):
    """``layers`` of :class:`CmgiLayer` on one another; the means of both sequences side by side."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CmgiLayer(width) for _ in range(layers))
        self.outputs = 2 * width

    def forward(
        self, speech: Tensor, text: Tensor, heard: Tensor | None, read: Tensor | None
    ) -> Tensor:
        """(items, 2 width) of speech (items, n, width) and text (items, m, width).

        ``heard`` (items, n) and ``read`` (items, m): what is no padding; None: everything counts.
        """
        for layer in self.layers:
            speech, text = layer(speech, text, heard, read)
        return torch.cat([mean_over_time(speech, heard), mean_over_time(text, read)], dim=-1)


class SingleLayer(nn.Module):
    """One gate in one direction, with no projections to queries, keys and values.

    The authors say "G = σ(W [acoustic, semantic] + b), output = acoustic × G + semantic × (1 − G)"
    (their Table 1), and that it is CmGI without "separate attention projections" (README); their
    section 3.2 describes CmGI, and no code of this form is public. As speech and text differ in
    length, each frame's "semantic" is here what it attends to in the text, softmax(X Yᵀ / √width)
    Y, which keeps the order in time that they ask for and adds no weights.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = Gate(width)
        self.outputs = width

    def forward(
        self, speech: Tensor, text: Tensor, heard: Tensor | None, read: Tensor | None
    ) -> Tensor:
        """(items, width); arguments as of :meth:`Cmgi.forward`."""
        return mean_over_time(self.gate(speech, attend(speech, text, text, read)), heard)
