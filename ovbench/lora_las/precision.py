"""Matrix products in full fp32, whatever the user's TF32 and autocast settings.

The phase ω·s·x of the LAS term runs to hundreds of radians, so the ten mantissa bits of TF32 in x
are an error of whole periods. Every product of the LoRA branch is therefore computed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)
from torch import Tensor

_REDUCED = ("tf32", "bf16")  # values of PyTorch's switches under which fp32 products are not fp32


_CUDA: Any = torch.backends.cuda.matmul
_CPU: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


@contextmanager
def _switched(knob: Any, before: str) -> Iterator[None]:
    knob.fp32_precision = "ieee"
    try:
        yield
    finally:
        knob.fp32_precision = before


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Switch TF32 (and bf16 on CPU) products off within the block; the user's setting comes back.

    Costs one attribute read where nothing is reduced. Compiled graphs use `linear_full` instead.
    """
    if torch.compiler.is_compiling():
        return nullcontext()
    knob = _CUDA if device.type == "cuda" else _CPU
    precision = knob.fp32_precision
    return _switched(knob, precision) if precision in _REDUCED else nullcontext()


def outside_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Leave autocast within the block; free where autocast is off."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """The product x·weightᵀ of x (…, k) and weight (n, k), to be called under `full_precision`.

    Without gradients; see `full_linear`.
    """
    if torch.compiler.is_compiling():
        return cast("Tensor", linear_full(x, weight))
    return F.linear(x, weight)


@torch.library.custom_op("ovbench::linear_full", mutates_args=())
def linear_full(x: Tensor, weight: Tensor) -> Tensor:
    """As `linear`, as one opaque operator that switches precision by itself.

    A compiled graph cannot switch global state in its midst; an operator can.
    """
    with full_precision(x.device):
        return F.linear(x, weight)


@linear_full.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[0])


class _FullLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        with full_precision(x.device):
            return linear(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        with outside_autocast(x.device), full_precision(x.device):
            return linear(grads[0], weight.t()), linear(grads[0].t(), x.t())


def full_linear(x: Tensor, weight: Tensor) -> Tensor:
    """x·weightᵀ of two matrices, outside autocast and in full precision in both directions."""
    with outside_autocast(x.device):
        return cast("Tensor", _FullLinear.apply(x, weight))  # type: ignore[no-untyped-call]
