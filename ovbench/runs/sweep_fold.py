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
    recipe, place, splits = job.recipe, job.place, (part.train, part.dev)
    if isinstance(recipe, CausalLmRecipe):
        from ovbench.training.prepare import look

        own = recipe.scale(place.scale).training.dtype
        dtype = own if place.dtype == "auto" else place.dtype
        look(recipe, place.scale, splits, base=place.base, dtype=dtype, device=place.device)
        return
    from ovbench.training.speech import look_speech

    look_speech(recipe, place.scale, job.task, base=place.base, splits=splits)


def run_fold(job: FoldJob) -> None:
    """Train and answer; what an earlier process has done of either is not done again.

    Raises
    ------
    InputError, OvbenchError
        As training and evaluation do.
    """
    part = job.part()
    out = job.home / TRAIN
    dtype = None if job.place.dtype == "auto" else job.place.dtype
    place = replace(job.place, adapter=out)
    options = EvalOptions(
        seed=job.seed,
        cache=job.cache,
        scoring=Options(draws=0, floors=False),
        command="ovbench sweep",
    )
    recipe, splits = job.recipe, (part.train, part.dev)
    if isinstance(recipe, CausalLmRecipe):
        from ovbench.training.train import train

        train(
            recipe,
            place.scale,
            job.seed,
            out,
            splits=splits,
            base=place.base,
            resume=True,
            device=place.device,
            dtype=dtype,
        )
        _answer(job, recipe, place, part, options)
        return
    from ovbench.runs.hearing import evaluate_hearing
    from ovbench.training.speech import train_speech

    train_speech(
        recipe,
        place.scale,
        job.seed,
        out,
        splits=splits,
        base=place.base,
        resume=True,
        device=place.device,
        dtype=dtype,
    )
    evaluate_hearing(
        recipe,
        [part.held_out],
        job.home,
        place,
        options,
        batch_size=job.batch_size,
        missing=Missing(recipe.name),
    )


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
