"""A comparison of recipes from nothing: train and evaluate, over seeds, whatever is missing.

Under the output folder lie, for every recipe NAME and seed K::

    seed-K/NAME/train/              the training (adapter, report, states to resume from)
    seed-K/NAME/TASK/               the run
    seed-K-reordered/NAME/...       the same of one recipe, with another batch order

What is there is not done again; what was interrupted goes on. Every training has a process of its
own, so that its peak memory is its own and nothing of one reaches the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from ovbench.errors import InputError
from ovbench.progress import track
from ovbench.runs.apart import run_apart
from ovbench.runs.compare import compare_runs
from ovbench.runs.comparison import Comparison
from ovbench.runs.costs import cost_of, with_costs
from ovbench.runs.evaluate import EvalOptions, run_folder
from ovbench.runs.place import ADAPTER, TRAIN, Place, require_models
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.several_tasks import joined
from ovbench.scoring import Options
from ovbench.systems import TRAINABLE, Recipe, load_recipe
from ovbench.systems.missing import Missing
from ovbench.tasks import load_task

REORDERED = 1_000_003
"""Added to a seed, it seeds the other batch order."""


@dataclass(frozen=True)
class Job:
    """One recipe under one seed, perhaps with the other batch order."""

    name: str
    seed: int
    reordered: bool = False

    def home(self, out: Path) -> Path:
        """Its folder."""
        return out / f"seed-{self.seed}{'-reordered' if self.reordered else ''}"

    def train_folder(self, out: Path, recipe: str) -> Path:
        """Where its training lies."""
        return self.home(out) / recipe / TRAIN


def compare_recipes(
    names: Sequence[str],
    *,
    seeds: int | Sequence[int] = 5,
    out: str | Path,
    tasks: Sequence[str] | None = None,
    place: Place | None = None,
    batch_size: int | Literal["auto"] = "auto",
    limit: float | None = None,
    noise: bool = True,
    draws: int = 10_000,
) -> Comparison:
    """Train and evaluate what is missing, then compare.

    Parameters
    ----------
    names:
        Recipes; the first is the first row, and the first that is trained gives the noise floor.
    seeds:
        How many (0, 1, …), or which.
    out:
        See the module's docstring.
    tasks:
        Views of the same items, which all are evaluated on. A recipe is trained on its own train
        task where that is among them, else on the first. Without, those that the first recipe is
        meant for, one of each.
    noise:
        Train one recipe twice per seed, for the noise floor.

    Raises
    ------
    InputError
        For an unknown recipe or task, or anything that training or evaluation cannot use.
    InterruptedRunError
        On Ctrl-C; the same call goes on from there.
    """
    where, folder = place or Place(), Path(out)
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen:
        raise InputError("there are no seeds", expected="1 or more")
    recipes = {name: load_recipe(name) for name in dict.fromkeys(names)}
    first = next(iter(recipes.values()))
    asked = tuple(tasks) if tasks else first.eval_tasks(where.scale)[:1]
    learnt = tuple(tasks) if tasks else (first.train_task(where.scale),)
    train_tasks = {
        name: _train_task(recipe, where.scale, learnt) for name, recipe in recipes.items()
    }
    tuned = [name for name, recipe in recipes.items() if isinstance(recipe, TRAINABLE)]
    if tuned:
        require_models("training")
    jobs = [Job(name, seed) for seed in chosen for name in recipes]
    again = [Job(tuned[0], seed, True) for seed in chosen] if noise and tuned else []
    every = [*jobs, *again]
    _look(every, recipes, folder, train_tasks, asked, where)
    for job in track(every, "training and evaluating", len(every)):
        options = EvalOptions(seed=job.seed, limit=limit, scoring=Options(draws=draws))
        _do(
            job,
            recipes[job.name],
            folder,
            train_tasks[job.name],
            asked,
            where,
            batch_size,
            options,
        )

    def run_of(job: Job, task: str) -> Path:
        return run_folder(job.home(folder), recipes[job.name].name, task, limit=limit)

    in_rows = [Job(name, seed) for name in recipes for seed in chosen]
    found = joined(
        [
            compare_runs(
                [run_of(job, task) for job in in_rows],
                noise=[run_of(job, task) for job in again],
                draws=draws,
            )
            for task in asked
        ]
    )
    return with_costs(
        found,
        {
            recipe.name: cost_of(
                recipe,
                where,
                partial(load_task, train_tasks[name], "train"),
                [run_of(Job(name, s), asked[0]) for s in chosen],
                [Job(name, s).train_folder(folder, recipe.name) / ADAPTER for s in chosen],
            )
            for name, recipe in recipes.items()
            if isinstance(recipe, TRAINABLE)
        },
    )


def _train_task(recipe: Recipe, scale: str, among: tuple[str, ...]) -> str:
    """A recipe's own train task where it is among these, else the first of them."""
    own = recipe.train_task(scale)
    return own if own in among else among[0]


def _look(
    jobs: Sequence[Job],
    recipes: Mapping[str, Recipe],
    out: Path,
    train_tasks: Mapping[str, str],
    eval_tasks: Sequence[str],
    place: Place,
) -> None:
    """Go on if all that the trainings and the evaluations need is there.

    Raises
    ------
    InputError
        If something is missing; all that is missing for any of them is told at once.
    """
    missing = Missing(f"comparing {', '.join(recipes)} at scale {place.scale}")
    for task in eval_tasks:
        with missing.noted():
            load_task(task)
    for name, recipe in recipes.items():
        if not isinstance(recipe, TRAINABLE) or all(
            trained(job.train_folder(out, recipe.name)) for job in jobs if job.name == name
        ):
            continue
        from ovbench.training.start import look_at

        with missing.noted():
            look_at(
                recipe,
                place.scale,
                train_tasks[name],
                base=place.base,
                dtype=None if place.dtype == "auto" else place.dtype,
                device=place.device,
            )
    missing.tell()


def _do(
    job: Job,
    recipe: Recipe,
    out: Path,
    train_task: str,
    eval_tasks: Sequence[str],
    place: Place,
    batch_size: int | Literal["auto"],
    options: EvalOptions,
) -> None:
    """Train what one job needs, and evaluate it."""
    if isinstance(recipe, TRAINABLE):
        folder = job.train_folder(out, recipe.name)
        if trained(folder):
            _train(job, folder, train_task, place)  # only sees that it is the one asked for
        else:
            train_apart(job, folder, train_task, place)
        place = replace(place, adapter=folder)
    evaluate_recipe(
        job.name,
        eval_tasks,
        out=job.home(out),
        place=place,
        batch_size=batch_size,
        options=options,
    )


def trained(folder: Path) -> bool:
    """Whether a training is finished: its report is written last."""
    from ovbench.training.report import REPORT_FILE

    return (folder / REPORT_FILE).is_file() and (folder / ADAPTER).is_dir()


def train_apart(job: Job, folder: Path, task: str, place: Place) -> None:
    """Train in a process of its own; a training that was interrupted goes on.

    Raises
    ------
    InterruptedRunError
        On Ctrl-C, once the training has saved its state.
    OvbenchError
        If the training failed; with its message and its exit code.
    """
    what = f"training {job.name} with seed {job.seed}"
    run_apart(_train_here, (job, folder, task, place), what, str(folder))


def _train_here(asked: tuple[Job, Path, str, Place]) -> None:
    _train(*asked)


def _train(job: Job, folder: Path, task: str, place: Place) -> None:
    from ovbench.training.start import train_recipe

    train_recipe(
        load_recipe(job.name),
        place.scale,
        job.seed,
        folder,
        task=task,
        base=place.base,
        resume=True,
        batch_order_seed=job.seed + REORDERED if job.reordered else None,
        device=place.device,
        dtype=None if place.dtype == "auto" else place.dtype,
    )
