"""A model that hears, as an evaluation knows a system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from ovbench.errors import InputError, OvbenchError
from ovbench.systems.devices import is_out_of_memory

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer
    from ovbench.systems.hearing.base import SpeechModel
    from ovbench.tasks import Item


class HearingSystem:
    """A :class:`~ovbench.systems.hearing.base.SpeechModel` in evaluation mode that answers items.

    ``shrink``: halve a batch that does not fit into memory, and those after it; else that is an
    error.
    """

    def __init__(self, name: str, model: SpeechModel, *, shrink: bool = False) -> None:
        self.name, self.model, self.shrink = name, model.eval(), shrink
        self.largest_batch: int | None = None
        """What batches were halved to; None if they never were."""

    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        """One answer per item, in their order.

        Raises
        ------
        OvbenchError
            If memory runs out: with ``shrink`` for a single item, else for any batch.
        """
        if batch_size < 1:
            raise InputError(f"a batch size of {batch_size}", expected="1 or more")
        start = 0
        while start < len(items):
            size = min(batch_size, self.largest_batch or batch_size)
            batch = items[start : start + size]
            try:
                with torch.inference_mode():
                    found = self.model.answers(batch)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(len(batch), error)
                continue
            yield from found
            start += len(batch)

    def _halve(self, size: int, error: RuntimeError) -> None:
        if not self.shrink or size == 1:
            raise OvbenchError(
                f"Memory ran out with {size} clips at a time ({error}). "
                "Use a smaller --batch-size, or --batch-size auto."
            ) from None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.largest_batch = size // 2
