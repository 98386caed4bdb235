"""From a pipeline recipe to a system and to its part of a run's record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from ovbench.errors import InputError, MissingExtraError
from ovbench.systems.backbones import locate
from ovbench.systems.describing import (
    TRAIN,
    ItemDescriber,
    check_describer,
    fit_describer,
    saved_describer,
)
from ovbench.systems.missing import Missing
from ovbench.systems.pipeline.extractor import ID as RULES
from ovbench.systems.pipeline.recipe import LanguageStage, PipelineRecipe
from ovbench.systems.pipeline.running import PipelineSystem
from ovbench.tasks import load_task
from ovbench.tasks.item import Item
from ovbench.testbed.bundled import adapter_folder

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

    from ovbench.systems.generation import CausalLmSystem
    from ovbench.systems.loading import Base

    Loaded = dict[tuple[str, str | None], tuple[Base, PreTrainedModel | PeftModel]]
    """Base and adapter → what is in memory of them."""


class PipelineRecord(TypedDict):
    """Fields of a run's system record that a pipeline fills."""

    name: str
    kind: str
    recipe: str
    scale: str
    describer: str | None
    parts: dict[str, str]
    decoding: dict[str, str | int | float | bool | None]
    dtype: str | None


def open_system(
    recipe: PipelineRecipe,
    scale: str,
    *,
    base: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    shrink: bool = False,
    missing: Missing | None = None,
) -> PipelineSystem:
    """The stages in memory; what is missing is told before anything large is read.

    Parameters
    ----------
    base:
        In place of every stage's backbone: a folder, or a name on the hub.
    device, dtype:
        As :func:`ovbench.systems.loading.load_base` takes them.
    shrink:
        Halve batches that do not fit into memory; else that is an error.
    missing:
        Holds what the caller missed.

    Raises
    ------
    UnknownNameError
        If there is no such scale, backbone, describer or adapter.
    InputError
        If weights, an adapter, memory or optional packages are missing, or do not fit together.
    """
    stages = recipe.scale(scale)
    missed = missing or Missing(f"{recipe.name} at scale {scale}")
    language = stages.language_stages()
    if language and any(find_spec(name) is None for name in ("torch", "transformers", "peft")):
        raise MissingExtraError("a language model in a pipeline", "models")
    for stage in language.values():
        with missed.noted():
            locate(base or stage.backbone)
        with missed.noted():
            _adapter(stage)
    if stages.describer is not None:
        with missed.noted():
            check_describer(stages.describer)
    missed.tell()
    describer = _describer(recipe, scale)
    models = _language_models(recipe.name, language, base, device, dtype, shrink)
    return PipelineSystem(recipe.name, describer, models.get("captioner"), models.get("extractor"))


def require_texts(recipe: PipelineRecipe, scale: str, items: Iterable[Item], task: str) -> None:
    """Refuse a task that shows the first stage nothing.

    Raises
    ------
    InputError
        If no item of ``task`` has a description or a transcript, or a clip for the describer.
    """
    hears = recipe.scale(scale).describer is not None
    if not any(item.description or item.transcript or (hears and item.audio) for item in items):
        raise InputError(
            f"no item of {task} has a transcript or a description" + (" or a clip" * hears),
            where=f"model {recipe.name}",
            expected="something that a pipeline can start from",
            mend="point to the data set's files with --data DIR, or add a descriptions.jsonl",
        )


def record_fields(recipe: PipelineRecipe, scale: str, system: PipelineSystem) -> PipelineRecord:
    """What a run's record says of an opened pipeline.

    ``parts``: SHA-256 of each stage's base, adapter and prompt, as ``captioner.base``. ``decoding``
    has the stages' settings under such names too, and the rules' version as ``extractor``.
    """
    parts: dict[str, str] = {}
    decoding: dict[str, str | int | float | bool | None] = {}
    for name, stage in recipe.scale(scale).language_stages().items():
        model = system.language_models[name]
        parts[f"{name}.base"] = model.base.sha256
        adapter = _adapter(stage)
        if adapter is not None:
            parts[f"{name}.adapter"] = _adapter_sha256(adapter)
        parts[f"{name}.prompt"] = stage.prompt.sha256
        decoding |= {f"{name}.{key}": value for key, value in stage.decoding}
    if system.extractor is None:
        decoding["extractor"] = RULES
    dtypes = {str(model.base.dtype) for model in system.language_models.values()}
    return PipelineRecord(
        name=recipe.name,
        kind=recipe.kind,
        recipe=recipe.digest(),
        scale=scale,
        describer=None if system.describer is None else system.describer.id,
        parts=parts,
        decoding=decoding,
        dtype=", ".join(sorted(name.removeprefix("torch.") for name in dtypes)) or None,
    )


def device_of(system: PipelineSystem) -> torch.device | None:
    """Where the language models are; None where there are none."""
    return next((model.base.device for model in system.language_models.values()), None)


def _describer(recipe: PipelineRecipe, scale: str) -> ItemDescriber | None:
    settings = recipe.scale(scale).describer
    if settings is None:
        return None
    if settings.name == "prosody" and settings.statistics == TRAIN:
        return fit_describer(settings, load_task(recipe.train_task(scale), "train"))
    return saved_describer(settings, Path())


def _adapter(stage: LanguageStage) -> Path | None:
    """The folder of a stage's adapter.

    Raises
    ------
    InputError
        If it is neither a shipped one's name nor a folder.
    """
    if stage.adapter is None:
        return None
    shipped = adapter_folder(stage.adapter)
    folder = shipped if shipped.is_dir() else Path(stage.adapter)
    if folder.is_dir():
        return folder
    raise InputError(
        f"there is no adapter {stage.adapter!r}",
        expected="a recipe whose adapter ships with ovbench, or an adapter's folder",
        mend="train one with: ovbench train --model NAME, and name its folder",
    )


def _language_models(
    name: str,
    stages: Mapping[str, LanguageStage],
    base: str | None,
    device: str,
    dtype: str,
    shrink: bool,
) -> dict[str, CausalLmSystem]:
    """Each stage's model; stages with the same base and adapter share what is in memory."""
    if not stages:
        return {}
    from ovbench.systems.generation import CausalLmSystem
    from ovbench.systems.loading import load_base
    from ovbench.systems.saved import open_adapter

    loaded: Loaded = {}
    models = {}
    for which, stage in stages.items():
        key = (base or stage.backbone, stage.adapter)
        if key not in loaded:
            bare, adapter = load_base(key[0], dtype=dtype, device=device), _adapter(stage)
            whole = bare.model if adapter is None else open_adapter(None, adapter, bare).model
            loaded[key] = (bare, whole)
        on, model = loaded[key]
        models[which] = CausalLmSystem(name, model, on, stage.prompt, stage.decoding, shrink=shrink)
    return models


def _adapter_sha256(folder: Path) -> str:
    from ovbench.systems.saved import adapter_sha256

    return adapter_sha256(folder)
