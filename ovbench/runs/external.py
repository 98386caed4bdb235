"""From the recipe of an external program to runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.place import Place
from ovbench.runs.records import RunResult, SystemRecord
from ovbench.systems import ExternalRecipe
from ovbench.systems.external.opening import open_system, record_fields, require_fields
from ovbench.systems.missing import Missing
from ovbench.tasks import Task


def evaluate_external(
    recipe: ExternalRecipe,
    tasks: Sequence[Task],
    out: str | Path,
    place: Place,
    options: EvalOptions,
    batch_size: int | Literal["auto"],
    missing: Missing,
) -> list[RunResult]:
    """Have the program answer the tasks; errors as :func:`ovbench.runs.recipe.evaluate_recipe`.

    Answers are kept as they come, in batches of ``batch_size`` (``auto``: enough of
    them that one which fails first does not stop the run).
    """
    for task in tasks:
        with missing.noted():
            require_fields(recipe, task.items, task.id)
    with missing.noted():
        opened = open_system(recipe, place.scale)
    missing.tell()
    about = SystemRecord(**record_fields(recipe, place.scale))
    with opened as system:
        size = system.automatic_batch_size() if batch_size == "auto" else batch_size
        return [
            evaluate(system, task, about, out, replace(options, batch_size=size)) for task in tasks
        ]
