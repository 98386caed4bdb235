"""What LoRA-LAS's sine term does to a run's answers, beside controls that know no label.

The model is shown every item's prompt and the answer that it gave, and is asked at each token of
the answer (and at its end) for the next token's distribution: once as it is, and once under each
change. The changes:

``las_off``
    amplitude 0: the same weights as plain LoRA.
``context_swap``
    every item has the context of the item before it.
``constant_s``
    s = 1/2 everywhere.
``random_phase``
    s = 1/2 and a random phase per output unit.
``rounding``
    plain LoRA against plain LoRA whose branch is scaled by the next larger fp32 number: what a
    change of one part in 10⁷, which nobody would call an effect, does in this dtype.
``adapter_off``
    the base alone: the size of an effect.

A label context that matters shows as a ``context_swap`` larger than ``constant_s`` and
``random_phase`` leave room for, and as flips of the most likely token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor

from ovbench.errors import InputError
from ovbench.frozen import Frozen
from ovbench.lora_las import LasConfig, altered
from ovbench.progress import track
from ovbench.training.collate import Batch, collate
from ovbench.training.encode import Encoded
from ovbench.training.loss import completion_logits

if TYPE_CHECKING:
    from peft import PeftModel


class Change(Frozen):
    """Next-token distributions under a change, against ``reference``; means over positions."""

    reference: Literal["las", "lora"]
    """``las``: the model as it is; ``lora``: the same weights with amplitude 0."""
    logits_changed: float
    """Share of the logits that are not equal to the last bit."""
    mean_abs: float
    """Mean absolute difference of a logit."""
    max_abs: float
    """Largest one."""
    kl: float
    """Kullback-Leibler divergence (nats) from the reference's distribution."""
    flips: float
    """Share of positions whose most likely token is another."""


class LasReport(Frozen):
    """What the term does, over all answers of a run."""

    system: str
    task: str
    items: int
    positions: int
    """Tokens of answers, their ends included."""
    dtype: str
    """Of the base."""
    amplitude: float
    omega: float
    outputs_changed: float
    """Share of the adapted layers' outputs that the term changes, given the same input."""
    outputs_changed_by_module: dict[str, float]
    """The same for each kind of module (``q_proj``, …)."""
    changes: dict[str, Change]
    """Change → what it does, in the order of the module's docstring."""


def las_report(
    model: PeftModel,
    data: Encoded,
    *,
    system: str,
    task: str,
    batch_size: int = 16,
) -> LasReport:
    """Measure what the term of a LoRA-LAS adapter does.

    Parameters
    ----------
    model:
        In evaluation mode, with the adapter active.
    data:
        Prompts, the answers that the model gave, and the items' contexts.

    Raises
    ------
    InputError
        If the adapter is not LoRA-LAS, or there is no context.
    """
    config = model.active_peft_config
    if not isinstance(config, LasConfig) or data.context is None:
        raise InputError(
            f"{system} is not a LoRA-LAS run", expected="a run of a recipe with method 'las'"
        )
    swapped = replace(data, context=np.roll(data.context, 1, axis=0))
    sums = {name: _Sums(reference) for name, reference in _REFERENCES.items()}
    outputs = _OutputCount(model)
    starts = range(0, len(data), batch_size)
    with torch.no_grad():
        for start in track(starts, "las-report", len(starts)):
            rows = list(range(start, min(start + batch_size, len(data))))
            batch, other = (collate(d, rows).to(model.device) for d in (data, swapped))
            with outputs.counting(batch):
                las = _logits(model, batch)
            seen = _under_changes(model, batch, other)
            for name, logits in seen.items():
                reference = las if sums[name].reference == "las" else seen["las_off"]
                sums[name].add(reference, logits)
    return LasReport(
        system=system,
        task=task,
        items=len(data),
        positions=data.targets(range(len(data))),
        dtype=str(next(model.get_base_model().parameters()).dtype).removeprefix("torch."),
        amplitude=config.amplitude,
        omega=config.omega,
        outputs_changed=outputs.share(),
        outputs_changed_by_module=outputs.by_module(),
        changes={name: one.change() for name, one in sums.items()},
    )


_REFERENCES: dict[str, Literal["las", "lora"]] = {
    "las_off": "las",
    "context_swap": "las",
    "constant_s": "las",
    "random_phase": "las",
    "rounding": "lora",
    "adapter_off": "las",
}


def _under_changes(model: PeftModel, batch: Batch, other: Batch) -> dict[str, Tensor]:
    ways: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "las_off": lambda: altered(model, amplitude=0.0),
        "context_swap": nullcontext,
        "constant_s": lambda: altered(model, control="constant_s"),
        "random_phase": lambda: altered(model, control="random_phase"),
        "rounding": lambda: _rounded(model),
        "adapter_off": model.disable_adapter,
    }
    found = {}
    for name, way in ways.items():
        with way():
            found[name] = _logits(model, other if name == "context_swap" else batch)
    return found


def _logits(model: PeftModel, batch: Batch) -> Tensor:
    return completion_logits(model, batch)[0].float()


def _layers(model: PeftModel) -> list[tuple[str, Any]]:
    """The adapted layers (modules that are a :class:`LoraLayer` too), by name."""
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer) and model.active_adapter in module.lora_variant
    ]


@contextmanager
def _rounded(model: PeftModel) -> Iterator[None]:
    """Plain LoRA, its branch scaled by the next larger fp32 number."""
    adapter = model.active_adapter
    scalings = [module.scaling for _, module in _layers(model)]
    before = [scaling[adapter] for scaling in scalings]
    with altered(model, amplitude=0.0):
        for scaling, value in zip(scalings, before, strict=True):
            scaling[adapter] = float(np.nextafter(np.float32(value), np.float32(math.inf)))
        try:
            yield
        finally:
            for scaling, value in zip(scalings, before, strict=True):
                scaling[adapter] = value


class _Sums:
    """Adds up what a change does, batch by batch."""

    def __init__(self, reference: Literal["las", "lora"]) -> None:
        self.reference = reference
        self._positions = self._logits = self._changed = self._flips = 0
        self._abs = self._kl = self._max = 0.0

    def add(self, reference: Tensor, logits: Tensor) -> None:
        """Logits (positions, vocabulary), fp32, of both."""
        difference = (logits - reference).abs().double()
        log_p, log_q = (t.double().log_softmax(-1) for t in (reference, logits))
        self._positions += len(logits)
        self._logits += logits.numel()
        self._changed += int((logits != reference).sum())
        self._flips += int((logits.argmax(-1) != reference.argmax(-1)).sum())
        self._abs += float(difference.sum())
        self._max = max(self._max, float(difference.max()))
        self._kl += float((log_p.exp() * (log_p - log_q)).sum())

    def change(self) -> Change:
        """The means."""
        return Change(
            reference=self.reference,
            logits_changed=self._changed / self._logits,
            mean_abs=self._abs / self._logits,
            max_abs=self._max,
            kl=max(0.0, self._kl / self._positions),
            flips=self._flips / self._positions,
        )


class _OutputCount:
    """Counts, layer by layer, the outputs that differ with the term off and the same input."""

    def __init__(self, model: PeftModel) -> None:
        self._model = model
        self._counts: dict[str, list[int]] = {}

    @contextmanager
    def counting(self, batch: Batch) -> Iterator[None]:
        """Look at every layer during a forward pass over ``batch``."""
        real = batch.attention_mask.bool()

        def hook(name: str) -> Callable[..., None]:
            def look(module: Any, args: tuple[Any, ...], output: Tensor) -> None:
                with altered(self._model, amplitude=0.0):
                    without = module.forward(*args)
                differing = (output != without)[real]
                count = self._counts.setdefault(name.rpartition(".")[2], [0, 0])
                count[0] += int(differing.sum())
                count[1] += differing.numel()

            return look

        hooks = [module.register_forward_hook(hook(n)) for n, module in _layers(self._model)]
        try:
            yield
        finally:
            for one in hooks:
                one.remove()

    def share(self) -> float:
        """Over all layers."""
        changed, every = (sum(count[k] for count in self._counts.values()) for k in (0, 1))
        return changed / every

    def by_module(self) -> dict[str, float]:
        """For each kind of module."""
        return {name: changed / every for name, (changed, every) in sorted(self._counts.items())}
