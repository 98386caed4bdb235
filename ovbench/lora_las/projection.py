"""Context projections: from the label context to the logits of s, one per adapted module."""

from __future__ import annotations

import math
import zlib

import torch
from torch import Tensor, nn

from .config import LasConfig
from .precision import full_linear


class ContextProjection(nn.Module):
    """Logits (rows, out or 1) of s from c or from its shared projection, in fp32.

    The parameters sit directly on the module: PEFT strips the adapter's name from saved keys only
    where it comes second to last.
    """

    def __init__(self, inputs: int, rows: int, outputs: int, *, tied: bool, device: torch.device):
        super().__init__()
        self.tied = tied
        self.weight = nn.Parameter(torch.empty(rows, inputs, device=device))
        self.bias = nn.Parameter(torch.empty(outputs, device=device))

    def forward(self, inputs: Tensor, lora_b: Tensor) -> Tensor:
        """`inputs`: (rows, D or k); `lora_b`: the module's B (out, r), used by 'tied' alone."""
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        logits = full_linear(inputs.to(self.weight.device, dtype), self.weight.to(dtype))
        if self.tied:
            logits = full_linear(logits, lora_b.to(dtype))
        return logits + self.bias


def layer_projection(
    config: LasConfig, rank: int, outputs: int, name: str, device: torch.device
) -> ContextProjection:
    """The projection of one module with `outputs` features, initialised.

    Parameters per module: full (D+1)·out; shared_down (k+1)·out, beside (D+1)·k once for the
    model; tied D·r + out; scalar D+1.
    """
    inputs = config.projection_rank if config.projection == "shared_down" else config.label_dim
    units = 1 if config.projection == "scalar" else outputs
    tied = config.projection == "tied"
    module = ContextProjection(inputs, rank if tied else units, units, tied=tied, device=device)
    initialise(module, inputs, name)
    if tied and device.type != "meta":
        nn.init.zeros_(module.bias)
    return module


class SharedDown(nn.Linear):
    """The model-wide projection D → k of 'shared_down'."""

    def __init__(self, config: LasConfig, name: str, device: torch.device) -> None:
        super().__init__(config.label_dim, config.projection_rank, device="meta")
        self.to_empty(device=device)
        initialise(self, config.label_dim, name)

    def forward(self, context: Tensor) -> Tensor:
        """The shared projection (rows, k) of the context (rows, D), in fp32 or more."""
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        context = context.to(self.weight.device, dtype)
        return full_linear(context, self.weight.to(dtype)) + self.bias


def initialise(module: nn.Module, fan_in: int, name: str) -> None:
    """PyTorch's initialisation of linear layers, from a generator of its own.

    The numbers depend on the global seed and on `name`, but the global generator does not move:
    LoRA and LoRA-LAS built after the same seed have the same A.
    """
    bound = 1 / math.sqrt(fan_in)
    seed = (torch.initial_seed() + zlib.crc32(name.encode())) % 2**63
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.device.type != "meta":
            values = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
            parameter.data.copy_(values)
