"""The fused kernels equal the PyTorch formulas: in Triton's interpreter, and compiled for sm_90."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from las_models import base_model, batch, las_config, stir
from peft import get_peft_model

from ovbench.lora_las import LasError, elementwise
from ovbench.lora_las.kernels import kernels_for

CPU = torch.device("cpu")


@pytest.mark.slow
def test_kernels_in_the_interpreter() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    # Triton decides between compiling and interpreting when it is imported
    cases = Path(__file__).with_name("las_triton_cases.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "TRITON_INTERPRET": "1"},
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from ovbench.lora_las import triton_kernels as kernels

switches = {"has_phase": True, "tokens": 16, "columns": kernels.COLUMNS}
both = {**switches, "wants_scale": True, "segment": kernels.SEGMENT}

def kind(name, dtype):
    if name in both:
        return "constexpr"
    if name.endswith("_ptr"):
        return dtype if name in ("base_ptr", "out_ptr", "grad_ptr") else "*fp32"
    return "i32" if name in ("length", "width", "row_stride", "column_stride") else "fp32"

for kernel, constants in ((kernels._forward, switches), (kernels._backward, both)):
    names = kernel.arg_names
    signature = {name: kind(name, "*bf16") for name in names}
    source = ASTSource(kernel, signature, {(names.index(k),): v for k, v in constants.items()})
    assembly = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm
    assert len(assembly["cubin"]) > 1000
    assert "sin.approx" not in assembly["ptx"]
    assert ".local" not in assembly["ptx"], "registers spill"
print("compiled")
"""


@pytest.mark.slow
def test_kernels_compile_for_hopper_without_a_device() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    command = [sys.executable, "-W", "ignore", "-c", COMPILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "compiled", done.stderr[-2000:]


def test_backend_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert kernels_for("torch", torch.device("cuda")) is elementwise
    assert kernels_for("auto", CPU) is elementwise
    with pytest.raises(LasError, match="backend='triton'"):
        kernels_for("triton", CPU)
    monkeypatch.setattr("ovbench.lora_las.kernels._has_triton", lambda: False)
    assert kernels_for("auto", torch.device("cuda")) is elementwise
    with pytest.raises(LasError, match="not installed"):
        kernels_for("triton", torch.device("cuda"))


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["torch", "triton"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gpu_equals_cpu(backend: str, dtype: torch.dtype) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    layers: list[Any] = []
    for device in ("cpu", "cuda"):
        model = get_peft_model(base_model(dtype), las_config(backend="torch"))
        stir(model)
        if device == "cuda":
            model.peft_config["default"].backend = backend
        layers.append(model.to(device))
    outputs, grads = [], []
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        for model in layers:
            device = next(model.parameters()).device
            tuner, layer = model.base_model, model.base_model.model.model.layers[0].mlp.down_proj
            generator = torch.Generator().manual_seed(0)
            hidden = torch.randn(3, 40, 24, generator=generator).to(device, dtype)
            context = batch()["label_context"].to(device)
            model.zero_grad()
            with tuner.las_state.using(tuner._snapshot(context, (), {}, expand=1)):
                variant = layer.lora_variant["default"]
                zeros = torch.zeros(3, 40, 16, device=device)
                out = variant.forward(layer, "default", hidden, zeros)
            out.square().sum().backward()
            outputs.append(out.detach().cpu())
            grads.append([p.grad.cpu() for p in model.parameters() if p.grad is not None])
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
