"""From a recipe's name to runs, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from ovbench.errors import InputError
from ovbench.runs.answering import Answerer
from ovbench.runs.engines import HERE, Engine, answerer_of, open_workers
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.external import evaluate_external
from ovbench.runs.hearing import evaluate_hearing
from ovbench.runs.opened import OpenedRecipe, open_recipe, train_split
from ovbench.runs.parallel import evaluate_together, is_first, process_count
from ovbench.runs.parallel_ray import RayWorkers
from ovbench.runs.pipeline import evaluate_pipeline
from ovbench.runs.place import Place
from ovbench.runs.preflight import Preflight
from ovbench.runs.records import RunResult, SystemRecord
from ovbench.systems import (
    CausalLmRecipe,
    ConstantRecipe,
    ExternalRecipe,
    PipelineRecipe,
    Recipe,
    load_recipe,
)
from ovbench.systems.constant import ConstantSystem
from ovbench.systems.missing import Missing
from ovbench.tasks import Task, load_task

CONSTANT_BATCH = 64


def evaluate_recipe(
    name: str,
    tasks: Sequence[str] | None = None,
    *,
    out: str | Path,
    place: Place | None = None,
    batch_size: int | Literal["auto"] = "auto",
    options: EvalOptions | None = None,
    split: str | None = None,
    on_preflight: Callable[[Preflight], None] | None = None,
    engine: Engine = HERE,
) -> list[RunResult]:
    """Evaluate a recipe's system on tasks, one run each under ``<out>/<recipe>/<task>``.

    In the processes of ``accelerate launch``, the first returns the results, and the others none.

    Parameters
    ----------
    name:
        A recipe's name, or the path of its TOML file.
    tasks:
        In place of the recipe's own at that scale.
    split:
        In place of the one that each task's card means; a train split is refused.
    batch_size:
        In place of the options' own; ``auto``: what the device is good for, halved where memory
        runs out.
    on_preflight:
        Called with each preflight, before anything is generated.
    engine:
        What generates; another than the default is for language models alone.

    Raises
    ------
    UnknownNameError
        For a recipe, task, scale or device that does not exist.
    InputError
        If weights, adapter, memory or optional packages are missing, or something does not fit
        together; the message says what to do, and names all that is missing. Otherwise as
        :func:`ovbench.runs.evaluate.evaluate`.
    """
    recipe = load_recipe(name)
    chosen, where = options or EvalOptions(), place or Place()
    _check_engine(recipe, engine)
    if not isinstance(recipe, CausalLmRecipe) and not is_first():
        return []
    missing = Missing(f"{recipe.name} at scale {where.scale}")
    loaded = _loaded(tasks or recipe.eval_tasks(where.scale), split, missing)
    if isinstance(recipe, ExternalRecipe):
        return evaluate_external(recipe, loaded, out, where, chosen, batch_size, missing)
    if isinstance(recipe, PipelineRecipe):
        return evaluate_pipeline(recipe, loaded, out, where, chosen, batch_size, missing)
    if isinstance(recipe, ConstantRecipe):
        return _evaluate_constant(recipe, loaded, out, where, chosen, batch_size, missing)
    if not isinstance(recipe, CausalLmRecipe):
        return evaluate_hearing(
            recipe,
            loaded,
            out,
            where,
            chosen,
            batch_size=batch_size,
            missing=missing,
            asked=name,
            on_preflight=on_preflight,
        )
    for task in loaded:
        with missing.noted():
            _require_texts(task, recipe, where.scale)
    opened = open_recipe(recipe, where, out, missing, name, engine.backend)
    found = []
    with open_workers(opened, engine.workers) as workers:
        for task in loaded:
            found += _evaluate_opened(opened, task, out, chosen, batch_size, workers, on_preflight)
    return found


def _loaded(names: Sequence[str], split: str | None, missing: Missing) -> list[Task]:
    """The tasks' splits, without what is noted in ``missing``."""
    found = []
    for name in names:
        with missing.noted():
            found.append(_evaluated(name, split))
    return found


def _evaluated(name: str, split: str | None) -> Task:
    """A split that models may be evaluated on: any but those they are trained on."""
    task = load_task(name, split)
    if task.role == "train":
        raise InputError(
            f"split {split!r} of {name} is one to train on", expected="a test or dev split"
        )
    return task


def _require_texts(task: Task, recipe: CausalLmRecipe, scale: str) -> None:
    """Refuse a task that shows a language model nothing: it would answer every item alike.

    So would contexts made of descriptions, where there are none, nor clips to describe.
    """
    listens = recipe.describer is not None
    described = any(item.description or (listens and item.audio) for item in task.items)
    if not described and not any(item.transcript for item in task.items):
        raise InputError(
            f"no item of {task.id}/{task.split} has a transcript or a description",
            expected="texts that a language model can answer from",
            mend="put the data set's transcripts, or a descriptions.jsonl, beside its files",
        )
    if recipe.context_at(scale).source == "description" and not described:
        raise InputError(
            f"the label context is made of descriptions, and no item of {task.id}/{task.split} "
            "has one",
            mend="put a descriptions.jsonl beside the data set's files, or take a recipe with "
            "another context",
        )


def _evaluate_opened(
    opened: OpenedRecipe,
    task: Task,
    out: str | Path,
    options: EvalOptions,
    batch_size: int | Literal["auto"],
    workers: RayWorkers | None,
    told: Callable[[Preflight], None] | None,
) -> list[RunResult]:
    """A language model on a task; arguments and result as :func:`evaluate_together`'s."""
    task, shrink = opened.described(task, options.limit), batch_size == "auto"
    size = opened.batch_size if batch_size == "auto" else batch_size
    builder = opened.contexts(task)
    about = opened.record(builder)
    source = answerer_of(opened, task, builder, options.seed, shrink, workers)
    check = partial(_checked, source, task, size, about, told)
    sized = replace(options, batch_size=size)
    return evaluate_together(source, task, about, out, sized, preflight=check)


def _evaluate_constant(
    recipe: ConstantRecipe,
    tasks: Sequence[Task],
    out: str | Path,
    place: Place,
    options: EvalOptions,
    batch_size: int | Literal["auto"],
    missing: Missing,
) -> list[RunResult]:
    """Give the constant answers; errors as :func:`evaluate_recipe`."""
    missing.tell()
    size = CONSTANT_BATCH if batch_size == "auto" else batch_size
    chosen, found = replace(options, batch_size=size), []
    for task in tasks:
        train = train_split(task, recipe.train_task(place.scale), clips=False)
        about = SystemRecord(
            name=recipe.name, kind=recipe.kind, recipe=recipe.digest(), train=train.digest()
        )
        system = ConstantSystem(recipe, train, options.seed)
        found.append(evaluate(system, task, about, out, chosen))
    return found


def _check_engine(recipe: Recipe, engine: Engine) -> None:
    """Refuse another engine than the default for what it does not serve."""
    if engine == HERE:
        return
    if not isinstance(recipe, CausalLmRecipe):
        raise InputError(
            f"{recipe.name} is of kind {recipe.kind}",
            expected="a language model that reads (kind causal_lm) for --backend and --workers",
        )
    if process_count() > 1:
        raise InputError(
            f"{process_count()} processes were started, with --backend vllm or --workers",
            expected="one process, which has the others work",
            mend="leave accelerate launch out",
        )


def _checked(
    source: Answerer,
    task: Task,
    batch_size: int,
    about: SystemRecord,
    told: Callable[[Preflight], None] | None,
) -> Preflight:
    found = source.check(task.items, batch_size, about.dtype or "")
    if told is not None:
        told(found)
    return found
