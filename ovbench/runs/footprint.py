"""What a method takes up in training, counted, not timed: the same on every machine.

Parameters, and the bytes that the backward pass keeps from the forward pass on one fixed batch:
what ``torch.autograd.graph.saved_tensors_hooks`` is shown, each storage once, without those of
parameters, buffers and the batch itself, which are there anyway.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ovbench.context import context_of
from ovbench.frozen import Frozen
from ovbench.lora_las import parameter_counts
from ovbench.runs.place import require_models
from ovbench.systems import CausalLmRecipe
from ovbench.systems.describing import fit_describer
from ovbench.systems.loading import build, load_base
from ovbench.training.collate import Batch, collate
from ovbench.training.loss import completion_loss
from ovbench.training.prepare import encode_task

if TYPE_CHECKING:
    from ovbench.runs.place import Place
    from ovbench.tasks import Task

ITEMS = 8
"""Items of the fixed batch: the first of the train split."""


class Footprint(Frozen):
    """What a method takes up."""

    trainable_parameters: int
    """Adapter and context projections."""
    total_parameters: int
    """With the base's."""
    saved_activation_bytes: int
    """Kept for the backward pass, on the fixed batch."""
    tokens: int
    """Of that batch, without padding."""


def footprint(recipe: CausalLmRecipe, place: Place, train: Task) -> Footprint:
    """Build a fresh adapter and look at one training step on the first items of ``train``."""
    require_models("counting what a method takes up")
    scale = recipe.scale(place.scale)
    dtype = scale.training.dtype if place.dtype == "auto" else place.dtype
    base = load_base(place.base or scale.backbone, dtype=dtype, device=place.device)
    first = train.limited(ITEMS)
    if recipe.describer is not None:
        first = fit_describer(recipe.describer, train).task(first)
    builder = context_of(recipe.context_at(place.scale), train, train)
    length = scale.training.max_length
    data = encode_task(first, scale.prompt, base.tokenizer, length, builder, scale.words)
    model = build(
        recipe,
        place.scale,
        base,
        label_dim=builder.dim or None,
        context_schema=builder.schema,
    )
    batch = collate(data, range(len(data))).to(base.device)
    counts = parameter_counts(model)
    return Footprint(
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        total_parameters=counts.base + counts.trainable,
        saved_activation_bytes=saved_activation_bytes(model.train(), batch),
        tokens=batch.tokens,
    )


def saved_activation_bytes(model: nn.Module, batch: Batch) -> int:
    """Bytes that autograd keeps between the forward and the backward pass of a batch's loss."""
    there = [*model.parameters(), *model.buffers(), batch.input_ids, batch.attention_mask]
    known = {_storage(tensor) for tensor in [*there, batch.labels]}
    if batch.label_context is not None:
        known.add(_storage(batch.label_context))
    # A graph that is thrown away before the backward pass (DoRA's norms, which it detaches) lets go
    # of what it kept: only what is still held in the end counts.
    kept: weakref.WeakSet[_Kept] = weakref.WeakSet()

    def pack(tensor: Tensor) -> Tensor | _Kept:
        if _storage(tensor) in known:
            return tensor
        held = _Kept(tensor)
        kept.add(held)
        return held

    with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(pack, _unpack):
        loss = completion_loss(model, batch)
    sizes = {_storage(one.tensor): one.tensor.untyped_storage().nbytes() for one in kept}
    del loss
    return sum(sizes.values())


class _Kept:
    """A tensor that the graph holds."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _unpack(held: Tensor | _Kept) -> Tensor:
    return held.tensor if isinstance(held, _Kept) else held


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
