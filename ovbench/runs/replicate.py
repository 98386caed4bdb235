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
from ovbench.runs.generation_cache import AnswerCache
from ovbench.runs.place import ADAPTER, Place, require_models, train_folder
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.several_tasks import check_views, joined
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

    def train_folder(self, out: Path, recipe: str, scale: str) -> Path:
        """Where its training lies."""
        return train_folder(self.home(out), recipe, scale)


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
    cache: AnswerCache | None = None,
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
    cache:
        As :class:`ovbench.runs.evaluate.EvalOptions` has it.

    Raises
    ------
    InputError
        For an unknown recipe or task, or anything that training or evaluation cannot use.
    InterruptedRunError
        On Ctrl-C; the same call goes on from there.
    """
    plan = _planned(names, seeds, Path(out), tasks, place or Place(), limit)
    tuned = [name for name, recipe in plan.recipes.items() if isinstance(recipe, TRAINABLE)]
    if tuned:
        require_models("training")
    again = [Job(tuned[0], seed, True) for seed in plan.seeds] if noise and tuned else []
    every = [*(Job(name, seed) for seed in plan.seeds for name in plan.recipes), *again]
    _look(plan, every)
    for job in track(every, "training and evaluating", len(every)):
        scoring = Options(draws=draws)
        options = EvalOptions(seed=job.seed, limit=limit, cache=cache, scoring=scoring)
        _do(plan, job, batch_size, options)
    return _compared(plan, again, draws)


@dataclass(frozen=True)
class _Plan:
    """What is compared on what, and where it lies.

    ``recipes`` and ``train_tasks`` are by the names that were given.
    """

    recipes: Mapping[str, Recipe]
    seeds: Sequence[int]
    train_tasks: Mapping[str, str]
    tasks: Sequence[str]
    place: Place
    out: Path
    limit: float | None

    def run_of(self, job: Job, task: str) -> Path:
        """The run of a job on a task."""
        return run_folder(job.home(self.out), self.recipes[job.name].name, task, limit=self.limit)


def _planned(
    names: Sequence[str],
    seeds: int | Sequence[int],
    out: Path,
    tasks: Sequence[str] | None,
    place: Place,
    limit: float | None,
) -> _Plan:
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen:
        raise InputError("there are no seeds", expected="1 or more")
    recipes = {name: load_recipe(name) for name in dict.fromkeys(names)}
    first = next(iter(recipes.values()))
    learnt = tuple(tasks) if tasks else (first.train_task(place.scale),)
    return _Plan(
        recipes=recipes,
        seeds=chosen,
        train_tasks={name: _train_task(one, place.scale, learnt) for name, one in recipes.items()},
        tasks=tuple(tasks) if tasks else first.eval_tasks(place.scale)[:1],
        place=place,
        out=out,
        limit=limit,
    )


def _compared(plan: _Plan, again: Sequence[Job], draws: int) -> Comparison:
    """The comparison of runs that are all there, with what the methods cost."""
    in_rows = [Job(name, seed) for name in plan.recipes for seed in plan.seeds]
    found = joined(
        [
            compare_runs(
                [plan.run_of(job, task) for job in in_rows],
                noise=[plan.run_of(job, task) for job in again],
                draws=draws,
            )
            for task in plan.tasks
        ]
    )
    costs = {}
    for name, recipe in plan.recipes.items():
        if isinstance(recipe, TRAINABLE):
            jobs = [Job(name, seed) for seed in plan.seeds]
            costs[recipe.name] = cost_of(
                recipe,
                plan.place,
                partial(load_task, plan.train_tasks[name], "train"),
                [plan.run_of(job, plan.tasks[0]) for job in jobs],
                [
                    job.train_folder(plan.out, recipe.name, plan.place.scale) / ADAPTER
                    for job in jobs
                ],
            )
    return with_costs(found, costs)


def _train_task(recipe: Recipe, scale: str, among: tuple[str, ...]) -> str:
    """A recipe's own train task where it is among these, else the first of them."""
    own = recipe.train_task(scale)
    return own if own in among else among[0]


def _look(plan: _Plan, jobs: Sequence[Job]) -> None:
    """Go on if all that the trainings and the evaluations need is there.

    Raises
    ------
    InputError
        If something is missing; all that is missing for any of them is told at once.
    """
    place = plan.place
    missing = Missing(f"comparing {', '.join(plan.recipes)} at scale {place.scale}")
    for task in plan.tasks:
        with missing.noted():
            load_task(task)
    if len(plan.tasks) > 1 and not missing.found:
        check_views(plan.tasks)
    for name, recipe in plan.recipes.items():
        if not isinstance(recipe, TRAINABLE) or all(
            trained(job.train_folder(plan.out, recipe.name, place.scale))
            for job in jobs
            if job.name == name
        ):
            continue
        from ovbench.training.start import look_at

        with missing.noted():
            look_at(
                recipe,
                place.scale,
                plan.train_tasks[name],
                base=place.base,
                dtype=None if place.dtype == "auto" else place.dtype,
                device=place.device,
            )
    missing.tell()


def _do(plan: _Plan, job: Job, batch_size: int | Literal["auto"], options: EvalOptions) -> None:
    """Train what one job needs, and evaluate it."""
    recipe, place, task = plan.recipes[job.name], plan.place, plan.train_tasks[job.name]
    if isinstance(recipe, TRAINABLE):
        folder = job.train_folder(plan.out, recipe.name, place.scale)
        if trained(folder):
            _train(job, folder, task, place)  # only sees that it is the one asked for
        else:
            train_apart(job, folder, task, place)
        place = replace(place, adapter=folder)
    evaluate_recipe(
        job.name,
        plan.tasks,
        out=job.home(plan.out),
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
