"""Checks before a run, each of which has a known silent failure behind it.

1. *The adapter does something*: the logits with it differ from those of the base alone. An adapter
   that changes nothing (not loaded, untrained, switched off) is an error.
2. *The batch does not matter*: a few items answered one by one and in one batch give the same
   texts. Where they do not, the batch size belongs to the score's signature, with a warning.
3. *The context reaches the layers* (methods that take one): another context gives other values
   where it enters the layers, bitwise. The values themselves are compared, not only the logits: at
   the published constants the logits move by about 1e-4, which a 16-bit base rounds away.
4. *The dtype* in which the context-dependent part is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Protocol

from ovbench.errors import OvbenchError
from ovbench.frozen import Frozen

if TYPE_CHECKING:
    from torch import Tensor

    from ovbench.systems.answers import System
    from ovbench.tasks import Item

HALF_UNIT = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
"""Largest relative rounding error of a 16-bit dtype; those of 32 bits are no matter here."""
MOST_ITEMS = 6
"""Items that the probe answers twice."""


class Probe(Protocol):
    """What the checks need of a loaded model."""

    @property
    def takes_context(self) -> bool:
        """Whether the method has a label context."""
        ...

    @property
    def context_dtype(self) -> str | None:
        """Dtype of the context-dependent part; None without one."""
        ...

    @property
    def amplitude(self) -> float | None:
        """Of LoRA-LAS's term; None for methods without one."""
        ...

    @property
    def base_dtype(self) -> str:
        """Dtype of the base's weights."""
        ...

    def logits(
        self, items: Sequence[Item], *, adapter: bool = True, other_context: bool = False
    ) -> Tensor:
        """Next-token logits after each prompt, shape (items, vocabulary), fp32.

        ``other_context`` gives every item a context that is not its own.
        """
        ...

    def context_values(self, items: Sequence[Item], *, other_context: bool = False) -> list[Tensor]:
        """What the layers make of the context, one tensor per place where it enters."""
        ...


class Preflight(Frozen):
    """What the checks found."""

    items: int
    """Items of the probe."""
    adapter_effect: float | None = None
    """Largest change of a logit between the adapter on and off, above 0; null for a system that
    answers nothing without what was trained."""
    batch_size: int
    batch_invariant: bool
    """Whether a batch of one and a batch of ``items`` gave the same texts."""
    context_layers: int | None = None
    """Places where the context enters; null for methods without one."""
    context_layers_reached: int | None = None
    """Those whose values change with the context: all of them, or there is a warning."""
    context_effect: float | None = None
    """Largest change of a logit under another context."""
    base_dtype: str
    context_dtype: str | None = None
    """In which the context-dependent part is computed."""
    amplitude: float | None = None
    """Of LoRA-LAS's term, which is at most that share of the branch's output."""

    @property
    def batch_dependent(self) -> int | None:
        """The batch size, where the answers depend on it."""
        return None if self.batch_invariant else self.batch_size

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the score must know."""
        found = []
        if not self.batch_invariant:
            found.append(
                f"answers depend on the batch: {self.items} items answered one by one and together "
                f"differ, so the batch size ({self.batch_size}) is part of the signature"
            )
        half = HALF_UNIT.get(self.base_dtype, 0.0)
        if self.amplitude is not None and 0 < self.amplitude < half:
            found.append(
                f"the base is {self.base_dtype}, in which LoRA-LAS's term is below rounding: its "
                f"amplitude, {self.amplitude:g}, is less than half a unit in the last place "
                f"({half:.1g})"
            )
        if self.context_layers and self.context_layers_reached != self.context_layers:
            found.append(
                f"the context changes only {self.context_layers_reached} of the "
                f"{self.context_layers} layers that take it"
            )
        return tuple(found)

    def line(self) -> str:
        """All of it in one line."""
        parts = []
        if self.adapter_effect is not None:
            parts.append(f"adapter moves logits by up to {self.adapter_effect:.2g}")
        same = "same answers" if self.batch_invariant else "OTHER answers"
        parts.append(f"batch of 1 and of {self.items}: {same}")
        if self.context_layers is not None:
            parts.append(
                f"context reaches {self.context_layers_reached}/{self.context_layers} layers"
                f" (logits {self.context_effect:.1g}), computed in {self.context_dtype}"
            )
        return "preflight: " + "; ".join([*parts, f"base {self.base_dtype}"])


def preflight(system: System, probe: Probe, items: Sequence[Item], batch_size: int) -> Preflight:
    """Check a loaded system on a few of ``items``.

    Raises
    ------
    OvbenchError
        If the adapter does nothing, a context reaches no layer, or a logit is not finite.
    """
    chosen = spread(items, min(MOST_ITEMS, max(2, batch_size)))
    logits = probe.logits(chosen)
    effect = _largest(logits, probe.logits(chosen, adapter=False))
    if not isfinite(effect):
        raise OvbenchError(
            f"The logits of {system.name!r} are not all finite numbers, in {probe.base_dtype}. "
            "Try another --dtype, such as float32 or bfloat16."
        )
    if effect == 0.0:
        raise OvbenchError(
            f"The adapter of {system.name!r} does nothing: with it and without it the logits of "
            f"{len(chosen)} items are equal to the last bit. Train it again with ovbench train."
        )
    layers, reached, moved = None, None, None
    if probe.takes_context:
        own = probe.context_values(chosen)
        other = probe.context_values(chosen, other_context=True)
        layers = len(own)
        reached = sum(not bool((a == b).all()) for a, b in zip(own, other, strict=True))
        moved = _largest(logits, probe.logits(chosen, other_context=True))
        if reached == 0:
            raise OvbenchError(
                f"The label context of {system.name!r} reaches no layer: another context gives the "
                "same values to the last bit."
            )
    return Preflight(
        items=len(chosen),
        adapter_effect=effect,
        batch_size=batch_size,
        batch_invariant=batch_size == 1 or _batch_invariant(system, chosen),
        context_layers=layers,
        context_layers_reached=reached,
        context_effect=moved,
        base_dtype=probe.base_dtype,
        context_dtype=probe.context_dtype,
        amplitude=probe.amplitude,
    )


def batch_preflight(
    system: System, items: Sequence[Item], batch_size: int, dtype: str
) -> Preflight:
    """The checks of a system that answers from a head of its own: whether the batch matters."""
    chosen = spread(items, min(MOST_ITEMS, max(2, batch_size)))
    return Preflight(
        items=len(chosen),
        batch_size=batch_size,
        batch_invariant=batch_size == 1 or _batch_invariant(system, chosen),
        base_dtype=dtype,
    )


def spread(items: Sequence[Item], n: int) -> list[Item]:
    """``n`` items (or all, if fewer) from the shortest to the longest: padding shows with them."""
    ranked = sorted(items, key=lambda item: len(item.description) + len(item.transcript))
    if len(ranked) <= n:
        return ranked
    return [ranked[round(k * (len(ranked) - 1) / (n - 1))] for k in range(n)]


def _batch_invariant(system: System, items: list[Item]) -> bool:
    together = [answer.text for answer in system.predict(items, len(items))]
    alone = [answer.text for item in items for answer in system.predict([item], 1)]
    return together == alone


def _largest(a: Tensor, b: Tensor) -> float:
    """Largest absolute difference; infinite where one is not finite and the other is."""
    return float((a - b).abs().nan_to_num(nan=float("inf")).max())
