"""A look inside a loaded system: logits and context values, for the checks before a run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from peft import PeftModel

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ovbench.systems.generation import CausalLmSystem
    from ovbench.tasks import Item


class ModelProbe:
    """Logits of a :class:`~ovbench.systems.generation.CausalLmSystem`, and what its layers see."""

    def __init__(self, system: CausalLmSystem) -> None:
        self._system = system

    @property
    def takes_context(self) -> bool:
        """Whether a label context decides anything: LoRA-LAS, but for its controls."""
        return self._system.las is not None and self._system.las.control is None

    @property
    def context_dtype(self) -> str | None:
        """Dtype of the context projections; None without any."""
        for _, module in self._projections():
            return str(next(module.parameters()).dtype).removeprefix("torch.")
        return None

    @property
    def amplitude(self) -> float | None:
        """Of LoRA-LAS's term; None for other methods."""
        return None if self._system.las is None else self._system.las.amplitude

    @property
    def base_dtype(self) -> str:
        """Dtype of the base's weights."""
        return str(self._system.base.dtype).removeprefix("torch.")

    def logits(
        self, items: Sequence[Item], *, adapter: bool = True, other_context: bool = False
    ) -> Tensor:
        """Next-token logits after each prompt, shape (items, vocabulary), fp32, on the CPU.

        ``adapter=False``: of the base alone. ``other_context``: every item has a context that is
        not its own.
        """
        system = self._system
        rows = system.context_rows(items)
        if other_context and rows is not None:
            rows = _others(rows)
        inputs = system.inputs(system.tokenized(items), rows)
        model = system.model
        off = not adapter and isinstance(model, PeftModel)
        if off:
            inputs.pop("label_context", None)
        with torch.inference_mode(), model.disable_adapter() if off else nullcontext():
            found: Tensor = model(**inputs).logits[:, -1].float().cpu()
        return found

    def context_values(self, items: Sequence[Item], *, other_context: bool = False) -> list[Tensor]:
        """The s = σ(W c + b) of every adapted module, (items, out or 1), in the model's order."""
        found: list[Tensor] = []

        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            found.append(torch.sigmoid(output).cpu())

        handles = [module.register_forward_hook(keep) for _, module in self._projections()]
        try:
            self.logits(items, other_context=other_context)
        finally:
            for handle in handles:
                handle.remove()
        return found

    def _projections(self) -> list[tuple[str, nn.Module]]:
        """The modules' context projections."""
        modules = self._system.model.named_modules()
        return [(name, m) for name, m in modules if name.split(".")[-2:-1] == ["lora_las_proj"]]


def _others(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each row one that differs from it: the row before, or the opposite where they agree."""
    moved = np.roll(rows, 1, axis=0)
    same = (moved == rows).all(axis=1, keepdims=True)
    return np.where(same, -rows, moved)
