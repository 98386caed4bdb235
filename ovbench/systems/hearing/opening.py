"""A system that hears, built from its recipe; its kind's module is imported only then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ovbench.systems.devices import resolve_device, resolve_dtype
from ovbench.systems.hearing.frames import FEATURES, require_vectors
from ovbench.systems.hearing.recipes import FROZEN_PARTS, ProjectorScale
from ovbench.systems.hearing.weights import locate_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ovbench.systems.hearing.base import SpeechModel
    from ovbench.systems.hearing.recipes import HearingRecipe
    from ovbench.systems.missing import Missing
    from ovbench.tasks import Item


def build_model(
    recipe: HearingRecipe,
    scale: str,
    *,
    seed: int = 0,
    device: torch.device | str = "auto",
    dtype: torch.dtype | str | None = None,
    base: str | None = None,
) -> SpeechModel:
    """A model of ``recipe`` with fresh trainable weights, its frozen parts opened.

    Parameters
    ----------
    seed:
        Of the trainable weights; the caller's random state is left as it is.
    device, dtype:
        Where it goes, and the dtype of frozen weights; without a dtype, the recipe's at that scale.
    base:
        In place of the recipe's backbone, by name or folder.

    Raises
    ------
    InputError
        If the scale, the device or a frozen part cannot be used.
    """
    where = resolve_device(device) if isinstance(device, str) else device
    named = dtype if dtype is not None else recipe.scale(scale).training.dtype
    kind = resolve_dtype(named, where) if isinstance(named, str) else named
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if recipe.kind == "speech_classifier":
            from ovbench.systems.hearing import classifier

            return classifier.build(recipe, scale, seed=seed, device=where, dtype=kind, base=base)
        if recipe.kind == "projector_lm":
            from ovbench.systems.hearing import projector

            return projector.build(recipe, scale, seed=seed, device=where, dtype=kind, base=base)
        if recipe.kind == "gated_fusion":
            from ovbench.systems.hearing import fusion

            return fusion.build(recipe, scale, seed=seed, device=where, dtype=kind, base=base)
        from ovbench.systems.hearing import audio_lm

        return audio_lm.build(recipe, scale, seed=seed, device=where, dtype=kind, base=base)


def locate_frozen_parts(
    recipe: HearingRecipe, scale: str, base: str | Path | None, missing: Missing
) -> None:
    """Note in ``missing`` which frozen weights of a recipe are not on this machine.

    ``base`` takes the place of the part that ``--base`` names: the speech encoder of a fusion, the
    backbone of anything else.
    """
    names = recipe.scale(scale).model_dump(include=set(FROZEN_PARTS))
    replaced = "audio_encoder" if recipe.kind == "gated_fusion" else "backbone"
    if base is not None:
        names[replaced] = str(base)
    for part, name in names.items():
        # Names without a slash are those of bundled parts, and of features that are files.
        if name and ("/" in name or Path(name).is_dir()):
            with missing.noted():
                locate_part(name, base=part == replaced)


def locate_features(
    recipe: HearingRecipe, scale: str, items: Sequence[Item], missing: Missing
) -> None:
    """Note in ``missing`` that clips have no vectors beside them, of a recipe that reads such.

    ``items``: those that it will hear; none where the data set is not here either.
    """
    part = recipe.scale(scale)
    if isinstance(part, ProjectorScale) and part.feature_size is not None:
        with missing.noted():
            require_vectors(part.encoder.removeprefix(FEATURES), part.feature_size, items)
