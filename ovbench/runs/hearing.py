"""From the recipe of a system that hears to runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.errors import InputError
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.place import Place, device_name, find_adapter, require_models, training_seed
from ovbench.runs.preflight import Preflight, batch_preflight
from ovbench.runs.records import RunResult, SystemRecord
from ovbench.systems.missing import Missing
from ovbench.tasks import Task

if TYPE_CHECKING:
    from ovbench.systems.hearing.base import SpeechModel
    from ovbench.systems.hearing.recipes import HearingRecipe
    from ovbench.systems.hearing.saved import OpenedSpeechModel
    from ovbench.systems.hearing.system import HearingSystem

BATCH = 16
"""Clips at a time where the size is left to us: encoders of 300 M parameters take some 3 GB."""


def evaluate_hearing(
    recipe: HearingRecipe,
    tasks: Sequence[Task],
    out: str | Path,
    place: Place,
    options: EvalOptions,
    *,
    batch_size: int | Literal["auto"],
    missing: Missing,
    asked: str | None = None,
    on_preflight: Callable[[Preflight], None] | None = None,
) -> list[RunResult]:
    """Evaluate it on tasks; arguments and errors as :func:`ovbench.runs.recipe.evaluate_recipe`."""
    from ovbench.systems.hearing.opening import locate_features, locate_frozen_parts
    from ovbench.systems.hearing.saved import open_speech_model
    from ovbench.systems.hearing.system import HearingSystem

    require_models("evaluating a system that hears")
    for task in tasks:
        with missing.noted():
            _require_clips(task)
    locate_frozen_parts(recipe, place.scale, place.base, missing)
    items = [item for task in tasks for item in task.items]
    locate_features(recipe, place.scale, items, missing)
    with missing.noted():
        folder = find_adapter(recipe, place, out, asked)
    missing.tell()
    opened = open_speech_model(
        recipe,
        folder,
        place.scale,
        device=place.device,
        dtype=None if place.dtype == "auto" else place.dtype,
        base=place.base,
    )
    about = _record(recipe, place, opened, folder)
    size = BATCH if batch_size == "auto" else batch_size
    found = []
    for task in (_with_lengths(task, opened.model, options.limit) for task in tasks):
        system = HearingSystem(recipe.name, opened.model, shrink=batch_size == "auto")
        found.append(
            evaluate(
                system,
                task,
                about,
                out,
                replace(options, batch_size=size),
                preflight=_preflight(system, task, size, about.dtype or "", on_preflight),
            )
        )
    return found


def _require_clips(task: Task) -> None:
    """Refuse a task without any audio: every answer would be an error."""
    if not any(item.audio and Path(item.audio).is_file() for item in task.items):
        raise InputError(
            f"no clip of {task.id}/{task.split} is on this machine",
            expected="the data set's audio beside its labels",
            mend="see what is found with: ovbench doctor",
        )


def _with_lengths(task: Task, model: SpeechModel, limit: float | None) -> Task:
    """The task with a note on its clips that are longer than the model is shown, if any are."""
    note = model.lengths(task.limited(limit).items)
    return task if note is None else replace(task, notes=(*task.notes, note))


def _record(
    recipe: HearingRecipe, place: Place, opened: OpenedSpeechModel, folder: Path
) -> SystemRecord:
    scale = recipe.scale(place.scale)
    parameter = next(opened.model.parameters())
    prompt = getattr(scale, "prompt", None)
    decoding = getattr(recipe, "decoding", None)
    return SystemRecord(
        name=recipe.name,
        kind=recipe.kind,
        recipe=recipe.digest(),
        scale=place.scale,
        adapter=opened.sha256,
        parts=opened.model.provenance(),
        classes=opened.model.classes,
        prompt=None if prompt is None else prompt.sha256,
        decoding={} if decoding is None else decoding.model_dump(),
        training_seed=training_seed(folder),
        dtype=str(place.dtype if place.dtype != "auto" else scale.training.dtype),
        device=device_name(parameter.device),
    )


def _preflight(
    system: HearingSystem,
    task: Task,
    batch_size: int,
    dtype: str,
    told: Callable[[Preflight], None] | None,
) -> Callable[[], Preflight]:
    def check() -> Preflight:
        found = batch_preflight(system, task.items, batch_size, dtype)
        if told is not None:
            told(found)
        return found

    return check
