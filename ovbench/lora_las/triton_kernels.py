"""The elementwise part of the LAS branch as one fused Triton kernel each way (CUDA).

Forward reads z and base and writes the output; backward reads z and the output's gradient, writes
the gradient by z over z, and partial sums of the gradient by s, which are added up in a fixed
order, so that results are deterministic. Interface and formulas are those of `elementwise`, the
reference. The kernels were checked against it in Triton's interpreter and compiled ahead of time
for compute capability 9.0; they have not been timed on a device.

Sine and cosine reduce the argument by a π/2 of three parts and use the polynomials of the Cephes
library on [-π/4, π/4]: absolute error below 1e-7 for |θ| ≤ 1e4 and below 2e-6 for |θ| ≤ 1e5, far
less than the rounding of θ itself. The hardware's fast sine is of no use here, for its absolute
error grows with θ.
"""

# mypy: ignore-errors
# (a kernel's arguments are pointers and compile-time constants, which Python's types cannot say)

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import elementwise
from .elementwise import Constants, apply_traced, gradient_traced

__all__ = ["apply", "apply_traced", "gradient", "gradient_traced"]

COLUMNS = 128
"""Output features per program."""

TOKENS = 16
"""Most tokens per step of a program."""

SEGMENT = 128
"""Tokens per program of the backward pass: enough programs for narrow layers."""


@triton.jit
def _sincos(theta):
    quarter = tl.floor(theta * 0.6366197723675814 + 0.5)
    r = theta - quarter * 1.5703125
    r = r - quarter * 4.837512969970703125e-4
    r = r - quarter * 7.54978995489188216e-8
    square = r * r
    sine = -1.9515295891e-4 * square + 8.3321608736e-3
    sine = (sine * square - 1.6666654611e-1) * square * r + r
    cosine = 2.443315711809948e-5 * square - 1.388731625493765e-3
    cosine = (cosine * square + 4.166664568298827e-2) * square * square - 0.5 * square + 1.0
    turn = quarter.to(tl.int32)
    odd = (turn & 1) == 1
    s = tl.where(odd, cosine, sine)
    c = tl.where(odd, sine, cosine)
    s = tl.where((turn & 2) == 2, -s, s)
    c = tl.where(((turn + 1) & 2) == 2, -c, c)
    return s, c


@triton.jit
def _forward(
    z_ptr,
    base_ptr,
    out_ptr,
    omega_s_ptr,
    phase_ptr,
    length,
    width,
    row_stride,
    column_stride,
    amplitude,
    negative_slope,
    scaling,
    has_phase: tl.constexpr,
    tokens: tl.constexpr,
    columns: tl.constexpr,
):
    row = tl.program_id(2).to(tl.int64)
    token = tl.program_id(0) * tokens + tl.arange(0, tokens)
    column = tl.program_id(1) * columns + tl.arange(0, columns)
    inside = column < width
    omega_s = tl.load(omega_s_ptr + row * row_stride + column * column_stride, inside, 0.0)
    mask = (token < length)[:, None] & inside[None, :]
    at = (row * length + token)[:, None] * width + column[None, :]
    z = tl.load(z_ptr + at, mask, 0.0)
    base = tl.load(base_ptr + at, mask, 0.0).to(tl.float32)
    theta = z * omega_s[None, :]
    if has_phase:
        theta += tl.load(phase_ptr + column, inside, 0.0)[None, :]
    sine, _ = _sincos(theta)
    leaky = tl.where(z > 0, z, z * negative_slope)
    f = z + amplitude * leaky * sine
    tl.store(out_ptr + at, base + scaling * f, mask)


@triton.jit
def _backward(
    z_ptr,
    grad_ptr,
    partial_ptr,
    omega_s_ptr,
    phase_ptr,
    length,
    width,
    row_stride,
    column_stride,
    amplitude,
    negative_slope,
    scaling,
    has_phase: tl.constexpr,
    wants_scale: tl.constexpr,
    tokens: tl.constexpr,
    columns: tl.constexpr,
    segment: tl.constexpr,
):
    row = tl.program_id(2).to(tl.int64)
    column = tl.program_id(1) * columns + tl.arange(0, columns)
    inside = column < width
    omega_s = tl.load(omega_s_ptr + row * row_stride + column * column_stride, inside, 0.0)[None, :]
    total = tl.zeros((columns,), tl.float32)
    for start in range(0, segment, tokens):
        token = tl.program_id(0) * segment + start + tl.arange(0, tokens)
        mask = (token < length)[:, None] & inside[None, :]
        at = (row * length + token)[:, None] * width + column[None, :]
        z = tl.load(z_ptr + at, mask, 0.0)
        grad = tl.load(grad_ptr + at, mask, 0.0).to(tl.float32)
        theta = z * omega_s
        if has_phase:
            theta += tl.load(phase_ptr + column, inside, 0.0)[None, :]
        sine, cosine = _sincos(theta)
        rate = z * cosine
        slope = tl.where(z > 0, grad, grad * negative_slope)
        by_z = grad + amplitude * slope * (sine + omega_s * rate)
        tl.store(z_ptr + at, by_z * scaling, mask)
        if wants_scale:
            total += tl.sum(slope * rate * z, axis=0)
    if wants_scale:
        part = row * tl.num_programs(0) + tl.program_id(0)
        tl.store(partial_ptr + part * width + column, total, inside)


def _tokens(length: int) -> int:
    return min(TOKENS, int(triton.next_power_of_2(length)))


def _strides(omega_s: Tensor) -> tuple[int, int]:
    """Steps between rows and between features; 0 along a broadcast axis."""
    row = omega_s.stride(0) if omega_s.shape[0] > 1 else 0
    return row, omega_s.stride(2) if omega_s.shape[2] > 1 else 0


def apply(z: Tensor, base: Tensor, omega_s: Tensor, phase: Tensor | None, k: Constants) -> Tensor:
    """As `elementwise.apply`; fp64 goes there."""
    if z.dtype != torch.float32:
        return elementwise.apply(z, base, omega_s, phase, k)
    rows, length, width = z.shape
    base = base.contiguous()
    out = z if base.dtype == z.dtype else torch.empty_like(base)
    tokens = _tokens(length)
    grid = (triton.cdiv(length, tokens), triton.cdiv(width, COLUMNS), rows)
    with torch.cuda.device_of(z):
        _forward[grid](
            z,
            base,
            out,
            omega_s,
            z if phase is None else phase,
            length,
            width,
            *_strides(omega_s),
            k.amplitude,
            k.negative_slope,
            k.scaling,
            has_phase=phase is not None,
            tokens=tokens,
            columns=COLUMNS,
        )
    return out


def gradient(
    z: Tensor,
    grad: Tensor,
    omega_s: Tensor,
    phase: Tensor | None,
    k: Constants,
    wants_scale: bool,
) -> tuple[Tensor, Tensor | None]:
    """As `elementwise.gradient`; fp64 goes there."""
    if z.dtype != torch.float32:
        return elementwise.gradient(z, grad, omega_s, phase, k, wants_scale)
    rows, length, width = z.shape
    segments = triton.cdiv(length, SEGMENT)
    grid = (segments, triton.cdiv(width, COLUMNS), rows)
    partial = z.new_empty((rows, segments, width)) if wants_scale else z
    with torch.cuda.device_of(z):
        _backward[grid](
            z,
            grad.contiguous(),
            partial,
            omega_s,
            z if phase is None else phase,
            length,
            width,
            *_strides(omega_s),
            k.amplitude,
            k.negative_slope,
            k.scaling,
            has_phase=phase is not None,
            wants_scale=wants_scale,
            tokens=_tokens(length),
            columns=COLUMNS,
            segment=SEGMENT,
        )
    if not wants_scale:
        return z, None
    return z, partial.sum(1, keepdim=True).mul_(k.amplitude * k.omega * k.scaling)
