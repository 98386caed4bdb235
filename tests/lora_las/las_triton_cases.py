"""The fused kernels in Triton's interpreter; `test_las_triton` runs this file under it."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl
from las_models import adapted, batch, gradients, las_config

from ovbench.lora_las import elementwise
from ovbench.lora_las import triton_kernels as kernels
from ovbench.lora_las.elementwise import Constants
from ovbench.lora_las.triton_kernels import _sincos


@pytest.mark.parametrize(
    ("shape", "scale", "phase", "dtype"),
    [
        ((3, 5, 130), (3, 1, 130), False, torch.float32),
        ((2, 140, 70), (2, 1, 70), True, torch.bfloat16),
        ((2, 1, 300), (2, 1, 1), False, torch.float16),
        ((2, 33, 65), (1, 1, 1), True, torch.float32),
    ],
)
def test_kernels_equal_the_reference(
    shape: tuple[int, int, int],
    scale: tuple[int, int, int],
    phase: bool,
    dtype: torch.dtype,
) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, generator=generator)

    z, base, grad = draw(*shape), draw(*shape).to(dtype), draw(*shape).to(dtype)
    omega_s, constants = (
        torch.rand(scale, generator=generator) * 1e4,
        Constants(0.5, 1e4, 0.01, 1.7),
    )
    phases = torch.rand(shape[2], generator=generator) * 6 if phase else None
    expected = elementwise.apply(z.clone(), base, omega_s, phases, constants)
    found = kernels.apply(z.clone(), base, omega_s, phases, constants)
    assert found.dtype == dtype
    ulps = {} if dtype != torch.float32 else {"rtol": 1e-6, "atol": 1e-6}
    torch.testing.assert_close(found, expected, **ulps)
    for wants in (True, False):
        by_z, by_s = elementwise.gradient(z.clone(), grad, omega_s, phases, constants, wants)
        its_z, its_s = kernels.gradient(z.clone(), grad, omega_s, phases, constants, wants)
        torch.testing.assert_close(its_z, by_z, rtol=1e-5, atol=float(by_z.abs().max()) * 1e-6)
        assert (its_s is None) == (by_s is None) == (not wants)
        if by_s is not None:
            torch.testing.assert_close(its_s, by_s, rtol=1e-4, atol=float(by_s.abs().max()) * 1e-6)


@triton.jit
def probe(x_ptr, sine_ptr, cosine_ptr, size: tl.constexpr):
    at = tl.arange(0, size)
    sine, cosine = _sincos(tl.load(x_ptr + at))
    tl.store(sine_ptr + at, sine)
    tl.store(cosine_ptr + at, cosine)


@pytest.mark.parametrize(("largest", "error"), [(10.0, 1e-7), (1e4, 1e-7), (1e5, 2e-6)])
def test_sine_and_cosine(largest: float, error: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(4096, generator=generator) * 2 - 1) * largest
    sine, cosine = torch.empty_like(x), torch.empty_like(x)
    probe[(1,)](x, sine, cosine, size=4096)
    assert (sine - torch.sin(x.double())).abs().max() < error
    assert (cosine - torch.cos(x.double())).abs().max() < error


def test_fp64_goes_to_the_reference() -> None:
    z, omega_s = torch.randn(1, 2, 3, dtype=torch.float64), torch.ones(1, 1, 1).double()
    constants = Constants(0.5, 3.0, 0.01, 2.0)
    expected = elementwise.apply(z.clone(), z, omega_s, None, constants)
    assert torch.equal(kernels.apply(z.clone(), z, omega_s, None, constants), expected)
    by_z, by_s = elementwise.gradient(z.clone(), z, omega_s, None, constants, True)
    found_z, found_s = kernels.gradient(z.clone(), z, omega_s, None, constants, True)
    assert torch.equal(found_z, by_z)
    assert by_s is not None
    assert found_s is not None
    assert torch.equal(found_s, by_s)


def test_model_with_the_triton_backend() -> None:
    inputs = batch()
    expected = gradients(adapted(las_config()), inputs)
    found = gradients(adapted(las_config(backend="triton")), inputs)
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-4)
