"""One optimiser step over a batch of any size, in parts as small as memory demands."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ovbench.training.buckets import shares
from ovbench.training.collate import collate
from ovbench.training.encode import Encoded
from ovbench.training.loss import completion_loss
from ovbench.training.processes import DeviceBatch, add_gradients, summed

if TYPE_CHECKING:
    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer


@dataclass(frozen=True)
class StepSums:
    """What one step saw, over all processes."""

    loss: float
    """Mean negative log likelihood (nats) of its completion tokens."""
    norm: float
    """Of the gradient, before clipping."""
    tokens: int
    """Without padding."""
    targets: int
    positions: int
    """With padding."""
    stop: bool
    """Whether any process was asked to stop."""


class Stepper:
    """Gradients of a batch, and their application.

    The gradient is that of the mean over all completion tokens of the batch: every token weighs
    the same, however the batch is divided into parts and processes.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Encoded,
        optimizer: AcceleratedOptimizer,
        accelerator: Accelerator,
        device_batch: DeviceBatch,
        clip: float | None,
    ) -> None:
        self._model, self._data = model, data
        self._optimizer, self._accelerator = optimizer, accelerator
        self._device_batch, self._clip = device_batch, clip
        self._parameters = [p for p in model.parameters() if p.requires_grad]

    def gradients(
        self, batch: Sequence[int], seed: str, asked_to_stop: Callable[[], bool]
    ) -> StepSums:
        """Leave the gradient of ``batch``, clipped, in the parameters.

        ``seed`` decides what is drawn at random (dropout): nothing of a step depends on the steps
        before it but weights and optimiser, so a saved state needs no generator's state.
        """
        accelerator = self._accelerator
        targets = self._data.targets(batch)

        def own_share(size: int) -> list[float]:
            self._optimizer.zero_grad()
            seed_everything(f"{seed}/{accelerator.process_index}")
            loss, tokens, positions = torch.zeros((), device=accelerator.device), 0, 0
            for part in shares(batch, size, accelerator.process_index, accelerator.num_processes):
                inputs = collate(self._data, part).to(accelerator.device)
                with accelerator.autocast():
                    nll = completion_loss(self._model, inputs) / targets
                accelerator.backward(nll)
                loss += nll.detach()
                tokens += inputs.tokens
                positions += inputs.input_ids.numel()
            return [float(loss), tokens, positions]

        sums = self._device_batch.attempt(own_share)
        loss, tokens, positions, stops = summed([*sums, float(asked_to_stop())], accelerator)
        add_gradients(self._parameters, accelerator)
        limit = float("inf") if self._clip is None else self._clip
        norm = float(accelerator.clip_grad_norm_(self._parameters, limit))
        return StepSums(loss, norm, int(tokens), targets, int(positions), bool(stops))

    def apply(self) -> bool:
        """Step the optimiser; False if float16's scaler skipped the step (an overflow)."""
        self._optimizer.step()
        self._optimizer.zero_grad()
        return not self._optimizer.step_was_skipped


@contextmanager
def randomness_kept(device: torch.device) -> Iterator[None]:
    """Leave the global generators after the block as they were before it."""
    python, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)


def seed_everything(text: str) -> None:
    """Seed Python's, numpy's and torch's global generators (all devices) from a text."""
    number = random.Random(text).getrandbits(32)  # noqa: S311 - no secret
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
