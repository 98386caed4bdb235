"""The elementwise part of the LAS branch in PyTorch: the reference on every device.

`apply` and `gradient` work in place, block by block, so that their temporaries stay in the cache;
`apply_traced` and `gradient_traced` are the same formulas without mutation, for the compiler,
which fuses them itself. Shapes: z, base, grad (rows, length, out); omega_s (rows or 1, 1, out or
1), that is ω·s; phase (out,) or None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)
from torch import Tensor

CPU_BLOCK = 65_536
"""Elements per thread and block: five fp32 blocks are 1.25 MiB, about a core's L2 cache."""

DEVICE_BLOCK = 1 << 24
"""Elements per block elsewhere: bounds the temporaries at a few times 64 MiB."""


class Constants(NamedTuple):
    """The numbers of the formula."""

    amplitude: float
    omega: float
    negative_slope: float
    scaling: float


def _blocks(omega_s: Tensor, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Slices of ω·s and of the tensors (rows, length, out), in blocks of bounded size."""
    rows, length, width = tensors[0].shape
    cpu = omega_s.device.type == "cpu"
    limit = CPU_BLOCK * torch.get_num_threads() if cpu else DEVICE_BLOCK
    if rows * length * width <= limit:
        yield (omega_s, *tensors)
        return
    rows_step = max(1, limit // max(1, length * width))
    step = length if rows_step > 1 else max(1, limit // width)
    for row in range(0, rows, rows_step):
        chosen = slice(row, row + rows_step)
        w = omega_s if omega_s.shape[0] == 1 else omega_s[chosen]
        for start in range(0, length, step):
            yield (w, *(tensor[chosen, start : start + step] for tensor in tensors))


def apply(z: Tensor, base: Tensor, omega_s: Tensor, phase: Tensor | None, k: Constants) -> Tensor:
    """The output base + scaling·f(z), in the dtype of `base`; overwrites z."""
    out = z if base.dtype == z.dtype else torch.empty_like(base)
    exact = math.frexp(k.scaling)[0] == 0.5  # by a power of two: no rounding, one pass less
    for w, x, start, end in _blocks(omega_s, z, base, out):
        sine = torch.mul(x, w)
        if phase is not None:
            sine.add_(phase)
        x.addcmul_(sine.sin_(), F.leaky_relu(x, k.negative_slope), value=k.amplitude)
        if exact:
            torch.add(start, x, alpha=k.scaling, out=end)
        else:
            torch.add(start, x.mul_(k.scaling), out=end)
    return out


def gradient(
    z: Tensor,
    grad: Tensor,
    omega_s: Tensor,
    phase: Tensor | None,
    k: Constants,
    wants_scale: bool,
) -> tuple[Tensor, Tensor | None]:
    """Gradients of the loss by z, and by s (rows, 1, out), summed over the length but not yet
    over an axis along which s is one number.

    `grad` is the gradient by the output, in z's dtype or a shorter one. Overwrites z.
    """
    by_scale = z.new_zeros(z.shape[0], 1, z.shape[2])
    for w, x, given, total in _blocks(omega_s, z, grad, by_scale.expand_as(z)):
        g = given.to(z.dtype)
        sine = torch.mul(x, w)
        if phase is not None:
            sine.add_(phase)
        rate = torch.cos(sine).mul_(x)  # z·cos θ
        sine.sin_().addcmul_(rate, w)  # sin θ + ω·s·z·cos θ
        slope = torch.ops.aten.leaky_relu_backward.default(g, x, k.negative_slope, False)
        if wants_scale:
            total[:, 0] += rate.mul_(slope).mul_(x).sum(1)
        torch.addcmul(g, sine, slope, value=k.amplitude, out=x).mul_(k.scaling)
    if not wants_scale:
        return z, None
    return z, by_scale.mul_(k.amplitude * k.omega * k.scaling)


def apply_traced(
    z: Tensor, base: Tensor, omega_s: Tensor, phase: Tensor | None, k: Constants
) -> Tensor:
    """As `apply`, without mutation."""
    theta = z * omega_s
    if phase is not None:
        theta = theta + phase
    term = F.leaky_relu(z, k.negative_slope) * torch.sin(theta)
    return (base + (z + k.amplitude * term) * k.scaling).to(base.dtype)


def gradient_traced(
    z: Tensor,
    grad: Tensor,
    omega_s: Tensor,
    phase: Tensor | None,
    k: Constants,
    wants_scale: bool,
) -> tuple[Tensor, Tensor | None]:
    """As `gradient`, without mutation."""
    grad = grad.to(z.dtype)
    theta = z * omega_s
    if phase is not None:
        theta = theta + phase
    rate = z * torch.cos(theta)
    slope = torch.where(z > 0, grad, grad * k.negative_slope)
    by_z = (grad + k.amplitude * (slope * (torch.sin(theta) + omega_s * rate))) * k.scaling
    factor = k.amplitude * k.omega * k.scaling
    return by_z, (slope * rate * z).sum(1, keepdim=True) * factor if wants_scale else None
