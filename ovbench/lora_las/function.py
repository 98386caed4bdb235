"""The LAS branch as one autograd function: saves h, u = A·h and the logits of s, nothing else.

With z = B·u, s = σ(logits), θ = ω·s·z + φ, l(z) = LeakyReLU(z) and l' its slope::

    f     = z + A·l(z)·sin θ
    ∂f/∂z = 1 + A·l'·(sin θ + ω·s·z·cos θ)
    ∂f/∂s = A·ω·l'·z²·cos θ

The backward pass recomputes z from u by the rank-r product, so that against plain LoRA only the
logits (one vector per sample) are stored in addition.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor

from . import elementwise
from .elementwise import Constants
from .precision import full_precision, linear, outside_autocast


def las_branch(
    base: Tensor,
    hidden: Tensor,
    weight_a: Tensor,
    weight_b: Tensor,
    logits: Tensor,
    phase: Tensor | None,
    constants: Constants,
    kernels: ModuleType = elementwise,
) -> Tensor:
    """`base` + scaling·f(B·A·hidden), computed in fp32 (fp64 for fp64 weights), cast once.

    base (rows, length, out); hidden (rows, length, in); weight_a (r, in); weight_b (out, r);
    logits of s (rows or 1, 1, out or 1); phase (out,) in radians or None; `kernels` is the module
    that computes the elementwise part. Returns a tensor like `base`. Gradients flow to all
    tensors but `phase`.
    """
    arguments = (base, hidden, weight_a, weight_b, logits, phase, constants, kernels)
    return cast("Tensor", LasBranch.apply(*arguments))  # type: ignore[no-untyped-call]


def las_forward(
    base: Tensor,
    hidden: Tensor,
    weight_a: Tensor,
    weight_b: Tensor,
    omega_s: Tensor,
    phase: Tensor | None,
    constants: Constants,
    kernels: ModuleType = elementwise,
) -> tuple[Tensor, Tensor]:
    """The output of `las_branch` for given ω·s, without gradients, and u (rows, length, r)."""
    compute = torch.promote_types(weight_b.dtype, torch.float32)
    with full_precision(base.device):
        u = linear(_cast(hidden, compute), _cast(weight_a, compute))
        z = linear(u, _cast(weight_b, compute))
    apply = kernels.apply_traced if torch.compiler.is_compiling() else kernels.apply
    return apply(z, base, omega_s, phase, constants), u


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """As `x.to(dtype)`, without the call where there is nothing to do: decoding feels it."""
    return x if x.dtype == dtype else x.to(dtype)


def _columns(x: Tensor) -> Tensor:
    """The transpose (features, tokens) of x (rows, length, features)."""
    return x.reshape(-1, x.shape[-1]).t()


class LasBranch(torch.autograd.Function):
    """See the module's docstring."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """The arguments of `las_branch`, in order."""
        base, hidden, weight_a, weight_b, logits, phase, constants, kernels = arguments
        omega_s = torch.sigmoid(logits) * constants.omega
        out, u = las_forward(base, hidden, weight_a, weight_b, omega_s, phase, constants, kernels)
        ctx.save_for_backward(hidden, u, weight_a, weight_b, logits, phase)
        ctx.constants, ctx.kernels = constants, kernels
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by base, hidden, weight_a, weight_b and logits."""
        hidden, u, weight_a, weight_b, logits, phase = ctx.saved_tensors
        constants, kernels, compute = ctx.constants, ctx.kernels, u.dtype
        gradient = kernels.gradient_traced if torch.compiler.is_compiling() else kernels.gradient
        with outside_autocast(hidden.device), full_precision(hidden.device):
            a, b, s = weight_a.to(compute), weight_b.to(compute), torch.sigmoid(logits)
            by_z, by_s = gradient(
                linear(u, b),
                grads[0],
                s * constants.omega,
                phase,
                constants,
                ctx.needs_input_grad[4],
            )
            by_b = linear(_columns(by_z), _columns(u))
            by_u = linear(by_z, b.t())
            by_a = linear(_columns(by_u), _columns(hidden.to(compute)))
            by_hidden = linear(by_u, a.t()) if ctx.needs_input_grad[1] else None
        return (
            grads[0],
            None if by_hidden is None else by_hidden.to(hidden.dtype),
            by_a.to(weight_a.dtype),
            by_b.to(weight_b.dtype),
            None if by_s is None else by_s.sum_to_size(s.shape) * s * (1 - s),
            None,
            None,
            None,
        )
