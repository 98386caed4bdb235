"""What generation costs: tokens, seconds, and the device memory where it can be told."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ovbench.runs.records import Cost, Prediction

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer


class Meter:
    """Adds up what one process spends on generating.

    ``device`` is as in the run's record (``cuda:0 NVIDIA H200``); only CUDA devices can tell the
    most memory that was allocated.
    """

    def __init__(self, device: str | None) -> None:
        self._device = (device or "").partition(" ")[0]
        self._cuda = self._device.startswith("cuda")
        self._seconds = 0.0
        self._items = self._tokens = self._cached = 0
        self._stages: dict[str, float] = {}
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Count the time of the block, if it ends well."""
        start = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start

    def add_stages(self, answers: Iterable[Answer]) -> None:
        """Count the time of the steps of a chain."""
        for answer in answers:
            for stage in answer.stages:
                before = self._stages.get(stage.name, 0.0)
                self._stages[stage.name] = before + stage.seconds

    def add(self, predictions: Iterable[Prediction]) -> None:
        """Count what came of it."""
        for prediction in predictions:
            self._items += 1
            self._tokens += prediction.tokens

    def add_cached(self, items: int) -> None:
        """Count items that were not generated: they have no speed."""
        self._cached += items

    def cost(self, processes: int = 1) -> Cost:
        """The sum so far, of that many processes."""
        peak = None
        if self._cuda:
            import torch

            peak = torch.cuda.max_memory_allocated(self._device)
        return Cost(
            items=self._items,
            tokens=self._tokens,
            seconds=self._seconds,
            cached=self._cached,
            processes=processes,
            peak_bytes=peak,
            stage_seconds=dict(self._stages),
        )
