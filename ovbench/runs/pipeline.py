"""From the recipe of a pipeline to runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.place import Place, device_name
from ovbench.runs.records import RunResult, SystemRecord
from ovbench.systems import PipelineRecipe
from ovbench.systems.missing import Missing
from ovbench.systems.pipeline.opening import (
    device_of,
    open_system,
    record_fields,
    require_texts,
)
from ovbench.tasks import Task

BATCH = 16


def evaluate_pipeline(
    recipe: PipelineRecipe,
    tasks: Sequence[Task],
    out: str | Path,
    place: Place,
    options: EvalOptions,
    batch_size: int | Literal["auto"],
    missing: Missing,
) -> list[RunResult]:
    """Run the chain on tasks; errors as :func:`ovbench.runs.recipe.evaluate_recipe`."""
    for task in tasks:
        with missing.noted():
            require_texts(recipe, place.scale, task.items, task.id)
    system = open_system(
        recipe,
        place.scale,
        base=place.base,
        device=place.device,
        dtype=place.dtype,
        shrink=batch_size == "auto",
        missing=missing,
    )
    device = device_of(system)
    about = SystemRecord(
        **record_fields(recipe, place.scale, system),
        device=None if device is None else device_name(device),
    )
    size = BATCH if batch_size == "auto" else batch_size
    chosen = replace(options, batch_size=size)
    return [evaluate(system, task, about, out, chosen) for task in tasks]
