"""How many parameters a recipe trains on a base, counted without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ovbench.context import open_encoder
from ovbench.errors import UnknownNameError
from ovbench.lora_las import parameter_counts
from ovbench.systems.backbones import TINY, find_shape, read_config, shapes
from ovbench.systems.loading import check_architecture
from ovbench.systems.methods import MUTATING, adapter_state, check_targets, peft_config, wrap
from ovbench.systems.settings import LasSettings

if TYPE_CHECKING:
    from ovbench.systems.recipe import CausalLmRecipe

PROJECTIONS = ("full", "shared_down", "tied", "scalar")
"""Forms of LoRA-LAS's context projection, the published one first."""
PUBLISHED_LABEL_DIM = 768
"""Length of the label context in the published code of LoRA-LAS."""


@dataclass(frozen=True)
class Parameters:
    """What a recipe trains on a base.

    Attributes
    ----------
    recipe, base:
        Their names.
    projection:
        Form of the context projection; None for a method without one.
    adapter, context:
        Trained parameters of the low-rank part, and of the projections of the label context.
    base_parameters:
        Of the base, all frozen; tied embeddings count once.
    file_bytes:
        Of the saved adapter's tensors, in fp32 (PiSSA and OLoRA are saved at twice the rank).
    label_dim:
        Length of the label context that was counted with; None for a method without one.
    """

    recipe: str
    projection: str | None
    base: str
    adapter: int
    context: int
    base_parameters: int
    file_bytes: int
    label_dim: int | None

    @property
    def trainable(self) -> int:
        """Adapter and context together."""
        return self.adapter + self.context

    @property
    def percent(self) -> float:
        """Trainable parameters in percent of the base's."""
        return 100 * self.trainable / self.base_parameters

    @property
    def training_bytes(self) -> int:
        """Weights, gradients and Adam's two moments, each in fp32: 16 bytes a parameter."""
        return 16 * self.trainable


def every_projection(recipe: CausalLmRecipe) -> list[CausalLmRecipe]:
    """The recipe; for LoRA-LAS, also with the other forms of its context projection."""
    method = recipe.method
    if not isinstance(method, LasSettings):
        return [recipe]
    others = [p for p in PROJECTIONS if p != method.projection]
    changed = [method.model_copy(update={"projection": p}) for p in others]
    return [recipe, *(recipe.model_copy(update={"method": other}) for other in changed)]


def count_parameters(
    recipe: CausalLmRecipe, base: str = "qwen2.5-7b", *, label_dim: int | None = None
) -> Parameters:
    """Count on PyTorch's meta device, where no memory is taken and no weights are needed.

    Parameters
    ----------
    base:
        A known shape (:func:`ovbench.systems.backbones.shapes`), its name on the hub, or a folder
        with a ``config.json``.
    label_dim:
        Length of the label context, for LoRA-LAS. Default: for ``tinyov`` that of the recipe's
        encoder, else 768 as published.

    Raises
    ------
    UnknownNameError, InputError
        If the base is unknown, is no causal language model, or lacks a target module.
    """
    config, name = _config(base)
    dim = None
    if isinstance(recipe.method, LasSettings):
        dim = label_dim or _default_dim(recipe, name)
    # The start of PiSSA and OLoRA needs weights, and trains what plain LoRA does.
    method = recipe.method
    adapter = peft_config(method, label_dim=dim)
    if isinstance(method, MUTATING):
        adapter.init_lora_weights = True  # type: ignore[attr-defined]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        check_targets(model, method.target_modules, f"the base {name}")
        adapted = wrap(model, adapter)
    counts = parameter_counts(adapted)
    stored = sum(tensor.numel() for tensor in adapter_state(adapted).values())
    return Parameters(
        recipe=recipe.name,
        projection=getattr(method, "projection", None),
        base=name,
        adapter=counts.adapter,
        context=0 if getattr(adapter, "control", None) else counts.context,
        base_parameters=counts.base,
        file_bytes=4 * stored * (2 if isinstance(method, MUTATING) else 1),
        label_dim=dim,
    )


def _config(base: str) -> tuple[object, str]:
    """The transformers configuration of a base, and its name."""
    shape = find_shape(base)
    if shape is not None:
        fields, name = shape.config(), shape.name
    elif Path(base).is_dir():
        fields, name = read_config(Path(base)), base
        check_architecture(fields, Path(base))
    else:
        raise UnknownNameError(
            "base", base, shapes(), mend="or give a folder with a model's config.json"
        )
    kind = fields.pop("model_type", None)
    return AutoConfig.for_model(kind, **fields), name


def _default_dim(recipe: CausalLmRecipe, base: str) -> int:
    if base != TINY:
        return PUBLISHED_LABEL_DIM
    return open_encoder(recipe.context_at("tiny").encoder).dim
