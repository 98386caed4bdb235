"""Devices and dtypes by name, their memory, and what running out of it looks like."""

from __future__ import annotations

import os

import torch

from ovbench.errors import InputError, UnknownNameError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto``: CUDA, else Apple's MPS, else the CPU.

    Raises
    ------
    InputError
        If this machine, or this build of PyTorch, has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UnknownNameError("device", name, ["auto", "cpu", "cuda", "cuda:0", "mps"]) from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise InputError(
            f"the device {name!r} is not available on this machine",
            mend="use --device cpu, or --device auto to take what is there",
        )
    return device


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of that name; ``auto``: bfloat16 on CUDA, else float32.

    Raises
    ------
    UnknownNameError
        If it is none of those that a base may have.
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise UnknownNameError("dtype", name, ["auto", *DTYPES])
    return DTYPES[name]


def memory_of(device: torch.device) -> int | None:
    """Bytes that are free on a GPU, or that the machine has; None where nobody can tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def gigabytes(size: float) -> str:
    """Bytes of memory for a message: ``15.2 GB``."""
    return f"{size / 1e9:.1f} GB"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of PyTorch says that memory ran out, on a GPU or the CPU."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(word in str(error) for word in ("DefaultCPUAllocator", "out of memory"))
