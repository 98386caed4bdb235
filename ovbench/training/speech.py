"""Train a system that hears: everything by name in, its weights and a report out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch
from transformers.utils import logging

from ovbench.errors import InputError, OvbenchError
from ovbench.io.folders import make_folder, settle
from ovbench.io.lock import locked
from ovbench.systems.devices import is_out_of_memory, resolve_device, resolve_dtype
from ovbench.systems.hearing.base import SpeechModel
from ovbench.systems.hearing.opening import build_model, locate_features, locate_frozen_parts
from ovbench.systems.hearing.recipes import HearingRecipe, SpeechTraining
from ovbench.systems.missing import Missing
from ovbench.systems.recipe import Recipe
from ovbench.systems.registry import load_recipe
from ovbench.training.checkpoint import check_kept
from ovbench.training.folder import check_finished, finished_report, take_over, write_report
from ovbench.training.prepare import first_weights
from ovbench.training.report import ADAPTER, LAST
from ovbench.training.speech_data import Examples, examples
from ovbench.training.speech_record import speech_report_of
from ovbench.training.speech_report import SpeechTrainingReport, read_speech_report
from ovbench.training.speech_state import SpeechProgress, SpeechState, load_state
from ovbench.training.speech_trainer import SpeechPlan, SpeechTrainer
from ovbench.training.splits import Splits, splits_of, told
from ovbench.training.states import Identity, check_identity
from ovbench.training.step import randomness_kept
from ovbench.training.stop import StopRequest, interrupted


def train_speech(
    recipe: HearingRecipe | str,
    scale: str,
    seed: int,
    out: str | Path,
    *,
    task: str | None = None,
    splits: Splits | None = None,
    base: str | Path | None = None,
    resume: bool = False,
    batch_order_seed: int | None = None,
    device: str | None = None,
    dtype: str | None = None,
    epochs: int | None = None,
) -> SpeechTrainingReport:
    """Train ``recipe`` on the task's train split; keep the epoch that is best on its dev split.

    ``out`` ends up with ``adapter/`` (:mod:`ovbench.systems.hearing.saved`) and ``training.json``;
    while training goes on, ``last/`` holds the states to resume from. A resumed run ends, on a CPU,
    with the bytes of an unbroken one.

    Parameters
    ----------
    scale:
        ``tiny`` or ``paper``, as the recipe has it.
    seed:
        Of the first weights, dropout and augmentation, and of the order of the items unless
        ``batch_order_seed`` is given: the same start, another order.
    task:
        In place of the recipe's own at that scale.
    splits:
        What to learn from and what to choose the epoch on, in place of a task's train and dev
        splits.
    base:
        In place of the recipe's backbone.
    resume:
        Go on from ``last/``; without a state there, begin; when finished, return the report.
    device, dtype, epochs:
        In place of the best device, and of the recipe's dtype and epochs.

    Raises
    ------
    InputError
        If the recipe, scale, base, device or data cannot be used, or ``out`` holds another run or
        is being written by another process.
    NonFiniteError
        If the loss is no number any more; the best weights so far stay.
    InterruptedRunError
        After Ctrl-C or SIGTERM, once the running step is done and its state is saved.
    OvbenchError
        If memory ran out, or writing failed.
    """
    chosen, where = _hearing(recipe), _device(device)
    plan = SpeechPlan(
        recipe=chosen,
        scale=scale,
        settings=_settings(chosen.scale(scale).training, dtype, where, epochs),
        task=splits[0].id if splits else task or chosen.train_task(scale),
        seed=seed,
        order_seed=seed if batch_order_seed is None else batch_order_seed,
        out=Path(out),
        device=where,
        stop=StopRequest(),
    )
    finished = finished_report(plan.out, resume, read_speech_report)
    found = look_speech(chosen, scale, splits or plan.task, base=base)
    model = build_model(
        chosen,
        scale,
        seed=seed,
        device=where,
        dtype=plan.settings.dtype,
        base=None if base is None else str(base),
    )
    identity = _identity(plan, model, found)
    if finished is not None:
        check_finished(_identity_of(finished), identity, plan.out)
        return finished
    identity["first weights"] = first_weights(model)
    make_folder(plan.out)
    with locked(plan.out):
        take_over(plan.out, resume)
        train, dev = (examples(split, model) for split in found)
        dev = replace(dev, notes=(*told(found[1]), *dev.notes))
        with plan.stop:
            progress = _trained(model, train, dev, plan, identity, resume)
        report = speech_report_of(plan, progress, model, train, dev)
        write_report(plan.out, report)
    return report


def look_speech(
    recipe: Recipe,
    scale: str,
    task: str | Splits,
    *,
    base: str | Path | None = None,
) -> Splits:
    """The task's train and dev splits, or those given, if they and all frozen weights are here.

    Raises
    ------
    UnknownNameError
        If the task does not exist.
    InputError
        If the recipe is none of a system that hears, a split is a test split, or something is
        missing; all that is missing is told at once, with the next command.
    """
    chosen = _hearing(recipe)
    missing = Missing(f"training {chosen.name} at scale {scale}")
    locate_frozen_parts(chosen, scale, base, missing)
    found = splits_of(task, missing)
    locate_features(chosen, scale, [item for one in found for item in one.items], missing)
    missing.tell()
    train, dev = found
    return train, dev


def _trained(
    model: SpeechModel,
    train: Examples,
    dev: Examples,
    plan: SpeechPlan,
    identity: Identity,
    resume: bool,
) -> SpeechProgress:
    """The run, from its beginning or its newest state to its end."""
    settle(plan.out / ADAPTER)
    progress = SpeechProgress(plan.settings.choose_by, notes=[*train.notes, *dev.notes])
    state = _state(plan, identity) if resume else None
    if state is not None:
        progress = state.progress
        progress.resumed += 1
    before = logging.get_verbosity()
    try:
        with randomness_kept(plan.device):
            trainer = SpeechTrainer(model, train, dev, plan, progress, identity)
            if plan.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(plan.device)
            if not plan.finished(progress):
                trainer.run(state)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OvbenchError(
            f"memory ran out with {plan.settings.batch_size} items at a time. Use a 16-bit dtype, "
            "a smaller base, a smaller batch_size in the recipe, or a larger device."
        ) from None
    finally:
        logging.set_verbosity(before)
    if not plan.finished(progress):
        total = trainer.steps_per_epoch * plan.settings.epochs
        raise interrupted(progress.step, total, plan.out / LAST)
    return progress


def _state(plan: SpeechPlan, identity: Identity) -> SpeechState | None:
    """The newest whole state of this run, if there is one."""
    last = plan.out / LAST
    found = load_state(last)
    if found is None:
        return None
    state, damaged = found
    check_identity(state.identity, identity, last, "the saved state")
    best = state.progress.best
    if best:
        check_kept(plan.out / ADAPTER, f"epoch {best.epoch}")
    state.progress.notes += damaged
    return state


def _hearing(recipe: Recipe | str) -> HearingRecipe:
    chosen: object = load_recipe(recipe) if isinstance(recipe, str) else recipe
    for kind in get_args(HearingRecipe):
        if isinstance(chosen, kind):
            return chosen  # type: ignore[no-any-return]
    raise InputError(
        f"{getattr(chosen, 'name', recipe)!r} is no system that hears",
        mend="train a language model's adapter with ovbench.training.train",
    )


def _device(name: str | None) -> torch.device:
    device = resolve_device(name or "auto")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "systems that hear are trained in one process", mend="start it without a launcher"
        )
    if device.type == "cuda" and device.index:
        raise InputError(
            f"training takes the first GPU, not {device}",
            mend=f"choose it with CUDA_VISIBLE_DEVICES={device.index} and --device cuda",
        )
    return device


def _settings(
    settings: SpeechTraining, dtype: str | None, device: torch.device, epochs: int | None
) -> SpeechTraining:
    """The recipe's settings with what was asked for in their place."""
    changes: dict[str, object] = {}
    if dtype is not None:
        changes["dtype"] = str(resolve_dtype(dtype, device)).removeprefix("torch.")
    if epochs is not None:
        if epochs < 1:
            raise InputError(f"{epochs} epochs", expected="1 or more")
        changes["epochs"] = epochs
    changed = settings.model_copy(update=changes)
    if changed.dtype == "float16" and device.type == "cpu":
        raise InputError(
            "float16 training needs a GPU", mend="choose --dtype float32 or bfloat16 on a CPU"
        )
    return changed


def _identity(plan: SpeechPlan, model: SpeechModel, splits: Splits) -> dict[str, str | int]:
    """What a run is of."""
    return {
        "recipe": plan.recipe.digest(),
        "scale": plan.scale,
        "task": plan.task,
        "dtype": plan.settings.dtype,
        "epochs": plan.settings.epochs,
        **model.provenance(),
        "train split": splits[0].digest(),
        "dev split": splits[1].digest(),
        "seed": plan.seed,
        "batch order seed": plan.order_seed,
    }


def _identity_of(report: SpeechTrainingReport) -> dict[str, str | int]:
    """What a finished run was of, by the names of a running one."""
    return {
        "recipe": report.recipe_digest,
        "scale": report.scale,
        "task": report.task,
        "seed": report.seed,
        "batch order seed": report.batch_order_seed,
        "dtype": report.dtype,
        "epochs": report.planned_epochs,
        **report.parts,
        "train split": report.train_digest,
        "dev split": report.dev_digest,
    }
