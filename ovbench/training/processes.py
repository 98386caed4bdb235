"""What several processes have to agree on, through accelerate; alone, each is a plain value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from accelerate import PartialState
from torch import nn

from ovbench.errors import InputError, OvbenchError
from ovbench.systems.devices import is_out_of_memory, resolve_device
from ovbench.training.report import Tracker

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")


def is_main_process() -> bool:
    """Whether this process is the one that writes and prints."""
    return bool(PartialState().is_main_process)


def summed(values: Sequence[float], accelerator: Accelerator) -> list[float]:
    """Element-wise sums over all processes, in float64 where the device has it."""
    if accelerator.num_processes == 1:
        return list(values)
    mps = accelerator.device.type == "mps"
    dtype = torch.float32 if mps else torch.float64
    tensor = torch.tensor(list(values), dtype=dtype, device=accelerator.device)
    return [float(value) for value in accelerator.reduce(tensor, "sum").cpu()]


def add_gradients(parameters: Sequence[nn.Parameter], accelerator: Accelerator) -> None:
    """Replace every gradient by its sum over all processes, in one message.

    Adapters are small, so adding once per step costs less than hooks on every backward pass; it
    lets a process split its share of a batch as its own memory demands, and parameters that no
    process used keep no gradient.
    """
    if accelerator.num_processes == 1:
        return
    used = summed([float(p.grad is not None) for p in parameters], accelerator)
    shared = [p for p, count in zip(parameters, used, strict=True) if count]
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in shared]
    flat = accelerator.reduce(torch.cat([part.flatten() for part in parts]), "sum")
    for parameter, part in zip(shared, flat.split([p.numel() for p in shared]), strict=True):
        parameter.grad = part.view_as(parameter).to(parameter.dtype)


def same_start(parameters: Sequence[nn.Parameter], accelerator: Accelerator) -> None:
    """Give every process the main one's values."""
    if accelerator.num_processes == 1:
        return
    from accelerate.utils import broadcast

    for parameter in parameters:
        parameter.data.copy_(broadcast(parameter.data.clone(), from_process=0))


class DeviceBatch:
    """How many items a device takes at once; halved, in all processes, when memory runs out."""

    def __init__(self, size: int, accelerator: Accelerator, halvings: int = 0) -> None:
        self.size, self.halvings = size, halvings
        self._accelerator = accelerator

    def attempt(self, work: Callable[[int], T]) -> T:
        """``work(size)``, done again from its beginning at half the size while memory runs out.

        ``work`` must not communicate with other processes.

        Raises
        ------
        OvbenchError
            If not even one item fits.
        """
        while True:
            result: list[T] = []
            try:
                result.append(work(self.size))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            if not summed([float(not result)], self._accelerator)[0]:
                return result[0]
            self._halve()

    def _halve(self) -> None:
        from accelerate.utils.memory import clear_device_cache

        if self.size == 1:
            raise OvbenchError(
                "memory ran out with one item at a time. Set checkpointing in the recipe, use a "
                "16-bit dtype, lower max_length, or take a smaller base or a larger device."
            )
        self.size = -(-self.size // 2)
        self.halvings += 1
        clear_device_cache(garbage_collection=True)


MIXED = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
"""Dtype of a recipe → accelerate's mixed precision."""


def open_accelerator(
    device: str, dtype: str, tracker: Tracker | None = None, logs: Path | None = None
) -> Accelerator:
    """An accelerator for one training run.

    Parameters
    ----------
    device:
        As :func:`ovbench.systems.devices.resolve_device` takes it; ``auto``: the best there is.
        Under ``accelerate launch`` the launcher decides.
    dtype:
        ``float32``, ``bfloat16`` or ``float16``.
    tracker, logs:
        An experiment tracker, and the folder for its files.

    Raises
    ------
    UnknownNameError, InputError
        If the device is not there or cannot train in ``dtype``, or the launcher was told to shard
        the model (FSDP, DeepSpeed), which this loop does not save or resume.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType

    if PartialState._shared_state and PartialState().num_processes == 1:
        # accelerate keeps the first run's device and precision for the life of the process.
        AcceleratorState._reset_state(reset_partial_state=True)
    chosen = resolve_device(device)
    if dtype == "float16" and chosen.type == "cpu":
        raise InputError(
            "float16 training needs a GPU", mend="choose --dtype float32 or bfloat16 on a CPU"
        )
    if chosen.type == "cuda" and chosen.index is not None:
        torch.cuda.set_device(chosen)
    accelerator = Accelerator(
        mixed_precision=MIXED[dtype], cpu=chosen.type == "cpu", log_with=tracker, project_dir=logs
    )
    plain = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
    if accelerator.distributed_type not in plain:
        raise InputError(
            f"the launcher asks for {accelerator.distributed_type.value}",
            expected="a whole model in each process (accelerate launch --multi_gpu)",
        )
    return accelerator
