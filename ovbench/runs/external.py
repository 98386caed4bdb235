"""From the recipe of an external program to runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ovbench.runs.evaluate import EvalOptions, evaluate, run_folder
from ovbench.runs.place import Place
from ovbench.runs.records import RunResult, SystemRecord
from ovbench.runs.store import RUN, read_run
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
        found = []
        for task in tasks:
            # A program that has answered before is not given up for what is left of its run.
            home = run_folder(out, about.name, task.id, task.split, options.limit)
            system.works = system.works or _answered(home)
            found.append(evaluate(system, task, about, out, replace(options, batch_size=size)))
        return found


def _answered(folder: Path) -> bool:
    """Whether the run that lies there, if one does, has an answer."""
    if not (folder / RUN).exists():
        return False
    return any(said.status != "error" for said in read_run(folder)[1].values())
