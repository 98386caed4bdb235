"""One cell and fold of a sweep: train on the other folds, answer the one held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ovbench.errors import InputError
from ovbench.runs.evaluate import EvalOptions, evaluate, run_folder
from ovbench.runs.generation_cache import AnswerCache
from ovbench.runs.place import TRAIN, Place
from ovbench.runs.records import Prediction
from ovbench.runs.store import RUN, read_run
from ovbench.scoring import Options
from ovbench.systems import CausalLmRecipe, Trainable
from ovbench.systems.missing import Missing
from ovbench.tasks import Task, load_task
from ovbench.tasks.stratified import FoldSplit, fold_splits


@dataclass(frozen=True)
class FoldJob:
    """One fold of one cell: all that a process needs to train and to answer it.

    Attributes
    ----------
    recipe:
        With the cell's settings.
    task, split, limit:
        Whose items are dealt to folds: a split to train on, or the first items of it.
    folds, fold:
        How many, and which of them is held out, from 1.
    home:
        Its folder.
    cache:
        As :class:`ovbench.runs.evaluate.EvalOptions` has it.
    """

    recipe: Trainable
    place: Place
    task: str
    split: str
    limit: int | float | None
    folds: int
    fold: int
    seed: int
    home: Path
    batch_size: int | Literal["auto"] = "auto"
    cache: AnswerCache | None = None

    def part(self) -> FoldSplit:
        """The fold, and what is learnt from."""
        task = load_task(self.task, self.split).limited(self.limit)
        return list(fold_splits(task, self.folds, self.seed))[self.fold - 1]

    @property
    def train_folder(self) -> Path:
        """Where the training is: a fold is of one recipe and scale, so neither names it."""
        return self.home / TRAIN

    def run_folder(self, held_out: Task) -> Path:
        """Where the answers to the held-out items are."""
        return run_folder(self.home, self.recipe.name, held_out.id, held_out.split)


def look_at_fold(job: FoldJob, part: FoldSplit) -> None:
    """Go on if all that its training needs is there.

    Raises
    ------
    InputError
        If something is missing; all that is missing is told at once.
    """
    from ovbench.training.start import look_at

    place = job.place
    look_at(
        job.recipe,
        place.scale,
        (part.train, part.dev),
        base=place.base,
        dtype=_dtype(place),
        device=place.device,
    )


def run_fold(job: FoldJob) -> str | None:
    """Train and answer; what an earlier process has done of either is not done again.

    Returns
    -------
    fault:
        Why answers could not be kept in the cache, where that has happened.

    Raises
    ------
    InputError, OvbenchError
        As training and evaluation do.
    """
    part = job.part()
    _train(job, part)
    recipe, place = job.recipe, replace(job.place, adapter=job.train_folder)
    options = EvalOptions(
        seed=job.seed,
        cache=job.cache,
        scoring=Options(draws=0, floors=False),
        command="ovbench sweep",
    )
    if isinstance(recipe, CausalLmRecipe):
        _answer(job, recipe, place, part, options)
    else:
        from ovbench.runs.hearing import evaluate_hearing

        evaluate_hearing(
            recipe,
            [part.held_out],
            job.home,
            place,
            options,
            batch_size=job.batch_size,
            missing=Missing(recipe.name),
        )
    return None if job.cache is None else job.cache.fault


def _train(job: FoldJob, part: FoldSplit) -> None:
    """A model that has not seen the held-out fold; a training that was interrupted goes on."""
    from ovbench.training.start import train_recipe

    place = job.place
    train_recipe(
        job.recipe,
        place.scale,
        job.seed,
        job.train_folder,
        splits=(part.train, part.dev),
        base=place.base,
        resume=True,
        device=place.device,
        dtype=_dtype(place),
    )


def _dtype(place: Place) -> str | None:
    """None: the recipe's own."""
    return None if place.dtype == "auto" else place.dtype


def _answer(
    job: FoldJob, recipe: CausalLmRecipe, place: Place, part: FoldSplit, options: EvalOptions
) -> None:
    """The answers of a language model; nothing of the held-out fold is in contexts or prompts.

    Contexts made from a train split's labels are made from what this fold's model learnt from.
    """
    from ovbench.runs.opened import open_recipe

    opened = open_recipe(recipe, place, job.home)
    held_out = opened.described(part.held_out)
    builder = opened.contexts(held_out, part.train)
    size = opened.batch_size if job.batch_size == "auto" else job.batch_size
    evaluate(
        opened.answerer(held_out, builder, job.seed, shrink=job.batch_size == "auto"),
        held_out,
        opened.record(builder),
        job.home,
        replace(options, batch_size=size),
    )


def answers_of(job: FoldJob, held_out: Task) -> list[Prediction] | None:
    """The answers to all held-out items, in their order; None where some are not there yet.

    Raises
    ------
    InputError
        If they are answers of other settings, or to another fold.
    ValidationError
        If a file is damaged.
    """
    folder = job.run_folder(held_out)
    if not (folder / RUN).is_file():
        return None
    record, found = read_run(folder)
    settings = record.settings
    now = (job.recipe.digest(), held_out.digest(), job.seed, job.place.scale)
    there = (settings.system.recipe, settings.task_digest, settings.seed, settings.system.scale)
    if now != there:
        raise InputError(
            "the folder holds a sweep of another recipe, split, scale or seed",
            where=str(folder),
            mend="name another folder with --output-path",
        )
    if any(item.id not in found for item in held_out.items):
        return None
    return [found[item.id] for item in held_out.items]
