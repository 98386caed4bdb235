"""Which module computes the elementwise part of the branch."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from types import ModuleType

import torch

from . import elementwise
from .errors import LasError


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def kernels_for(backend: str, device: torch.device) -> ModuleType:
    """The PyTorch formulas, or the fused Triton ones on CUDA.

    Raises LasError where Triton is demanded on a device or in an environment without it. Triton's
    interpreter (TRITON_INTERPRET=1) runs the kernels on CPU when they are demanded.
    """
    if backend == "torch" or (backend == "auto" and device.type != "cuda"):
        return elementwise
    runs = device.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"
    if runs and _has_triton():
        return importlib.import_module("ovbench.lora_las.triton_kernels")
    if backend == "auto":
        return elementwise
    raise LasError(
        f"backend='triton' cannot run on {device.type}"
        if _has_triton()
        else "backend='triton' needs the triton package, which is not installed",
        mend="set backend='auto', which takes Triton where it can run",
    )
