"""The optimiser: AdamW's parameter groups and the learning rate at every step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import nn

FAST = ("lora_B", "lora_embedding_B")
"""Parts of the names of B matrices, which LoRA+ gives a higher learning rate."""

Schedule = Literal["cosine", "linear", "constant"]


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]],
    *,
    learning_rate: float,
    weight_decay: float,
    lora_plus_ratio: float = 1.0,
) -> list[dict[str, Any]]:
    """The trainable parameters in groups of one learning rate and one weight decay.

    Biases and all other 1-D parameters (norms, DoRA's magnitudes) are not decayed. With LoRA+
    (arXiv:2402.12354) the B matrices learn at ``lora_plus_ratio`` times the rate. PEFT's own
    helper for LoRA+ is not used: it puts every 1-D parameter into the fast group, the bias of
    LoRA-LAS's context projection included, and replaces the weight decay by zero. The context
    projection learns at the base rate.

    Returns
    -------
    Groups as ``torch.optim.AdamW`` takes them, each with its ``base_lr`` kept beside ``lr``;
    empty groups are left out.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        if not parameter.requires_grad:
            continue
        fast = any(part in FAST for part in name.split(".")) and parameter.ndim > 1
        decayed = parameter.ndim > 1 and not name.endswith("bias")
        groups.setdefault((fast, decayed), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * (lora_plus_ratio if fast else 1.0),
            "base_lr": learning_rate * (lora_plus_ratio if fast else 1.0),
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for (fast, decayed), parameters in sorted(groups.items())
    ]


def adamw(groups: list[dict[str, Any]], *, fused: bool = True) -> torch.optim.AdamW:
    """AdamW over ``groups``, with torch's defaults for betas (.9, .999) and epsilon (1e-8).

    ``fused`` is faster, and must be off under float16's gradient scaler: the fused step takes note
    of an overflow by itself and tells nobody that it was skipped.
    """
    return torch.optim.AdamW(groups, fused=fused)


def rate_factor(step: int, steps: int, warmup_share: float, schedule: Schedule) -> float:
    """What the learning rate is multiplied by at ``step`` (0 … steps − 1).

    It rises linearly over the first ``warmup_share`` of all steps, the first step included
    (1/w, 2/w, …, 1), then stays, or falls along half a cosine or a straight line, whose zero lies
    one step after the last.
    """
    warmup = math.ceil(warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    passed = (step - warmup) / (steps - warmup)
    if schedule == "linear":
        return 1 - passed
    return 0.5 * (1 + math.cos(math.pi * passed))


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Set every group's rate to ``factor`` times its base; returns the lowest rate set."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    return float(min(group["lr"] for group in optimizer.param_groups))
