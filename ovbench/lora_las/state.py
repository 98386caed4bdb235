"""The context of the call in progress, seen by every LAS layer of one tuner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .errors import LasError


@dataclass(slots=True)
class Snapshot:
    """What the layers read during one forward pass or one `generate` call."""

    inputs: dict[str, Tensor]
    """Per adapter, what its projections take: c (rows, D), or its shared projection (rows, k)."""

    omega_s: dict[object, Tensor] | None = None
    """During generation, ω·s (rows, 1, out) by layer variant: computed once per call."""


class LasState:
    """Holder of the current snapshot.

    A plain attribute, neither a module nor a context variable: the recomputation of checkpointed
    activations on CUDA runs in autograd's own thread, which sees no context variable of ours.
    """

    def __init__(self) -> None:
        self.current: Snapshot | None = None

    @contextmanager
    def using(self, snapshot: Snapshot | None) -> Iterator[None]:
        """Make `snapshot` the current one within the block; nests."""
        before = self.current
        self.current = snapshot
        try:
            yield
        finally:
            self.current = before


class CheckpointWithContext:
    """A gradient checkpointing function that recomputes under the snapshot of the forward pass.

    Wraps the function that transformers puts on its decoder layers. The recomputation happens in
    `backward`, when the forward's snapshot is long gone and possibly another one has come.
    """

    def __init__(self, checkpoint: Callable[..., Any], state: LasState) -> None:
        if isinstance(checkpoint, partial) and checkpoint.keywords.get("use_reentrant"):
            raise LasError(
                "reentrant gradient checkpointing does not carry the label context's gradient",
                mend="pass gradient_checkpointing_kwargs={'use_reentrant': False}",
            )
        self.checkpoint, self.state = checkpoint, state

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Checkpoint `function`, which will run again in the backward pass."""
        if torch.compiler.is_compiling():  # the compiler recomputes within its graph
            return self.checkpoint(function, *args, **kwargs)
        snapshot, state = self.state.current, self.state

        def under_snapshot(*inner: Any, **named: Any) -> Any:
            with state.using(snapshot):
                return function(*inner, **named)

        return self.checkpoint(under_snapshot, *args, **kwargs)


def carry_context_through_checkpointing(model: nn.Module, state: LasState) -> None:
    """Wrap every checkpointing function that transformers has set on `model`'s modules."""
    for module in model.modules():
        function = getattr(module, "_gradient_checkpointing_func", None)
        if function is not None and not isinstance(function, CheckpointWithContext):
            module._gradient_checkpointing_func = CheckpointWithContext(function, state)  # type: ignore[assignment]
