"""Train one recipe at one scale: everything by name in, an adapter and its report out."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import torch

from ovbench.errors import InputError, MissingExtraError, UnknownNameError
from ovbench.io.folders import make_folder
from ovbench.io.lock import locked
from ovbench.systems.backbones import locate, weights_sha256
from ovbench.systems.devices import resolve_device, resolve_dtype
from ovbench.systems.origin import Origin
from ovbench.systems.recipe import TRAINABLE, CausalLmRecipe, Recipe
from ovbench.systems.registry import load_recipe, nothing_to_train
from ovbench.systems.saved import write_adapter
from ovbench.systems.settings import TrainingSettings
from ovbench.training.buckets import steps_per_epoch
from ovbench.training.checkpoint import Progress
from ovbench.training.folder import check_finished, finished_report, take_over, write_report
from ovbench.training.loop import Plan, fit
from ovbench.training.prepare import Ready, look, prepare
from ovbench.training.processes import open_accelerator
from ovbench.training.record import report_of
from ovbench.training.report import StepReport, Tracker, TrainingReport, read_report
from ovbench.training.splits import Splits, split_of

if TYPE_CHECKING:
    from accelerate import Accelerator

LOGS = "logs"
"""Folder of an experiment tracker's files, beside the adapter."""


def train(
    recipe: Recipe | str,
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
    tracker: str | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    steps: int | None = None,
) -> TrainingReport:
    """Train ``recipe``'s adapter on the task's train split; keep the best one on its dev split.

    ``out`` ends up with ``adapter/`` (as PEFT reads it) and ``training.json`` (the report); while
    training goes on, ``last/`` holds the states to resume from.

    Parameters
    ----------
    scale:
        ``tiny`` or ``paper``, as the recipe has it.
    seed:
        Of the adapter's first weights, of dropout, and of the batches unless
        ``batch_order_seed`` is given: the same start, another order.
    task:
        In place of the recipe's own at that scale.
    splits:
        What to learn from and what to choose checkpoints on, in place of a task's train and dev
        splits.
    base:
        A base in place of the recipe's, as :func:`ovbench.systems.loading.load_base` takes it.
    resume:
        Go on from ``last/``; without a state there, begin; when finished, return the report.
    device, dtype:
        In place of the best device and of the recipe's dtype.
    tracker:
        ``tensorboard`` or ``wandb``.
    on_step:
        Called in the main process after every optimiser step.
    steps:
        Optimiser steps in place of the recipe's.

    Raises
    ------
    InputError
        If the recipe, scale, base, device or data cannot be used, or ``out`` holds another run;
        weights, memory and data that are missing are told together, before anything is written.
    MissingExtraError
        If the tracker's package is not installed.
    NonFiniteError, InterruptedRunError, OvbenchError
        As :func:`ovbench.training.loop.fit`.
    """
    chosen = _trained(recipe)
    run = _Run(
        recipe=chosen,
        scale=scale,
        settings=_settings(chosen.scale(scale).training, dtype, device, steps),
        data=splits or task or chosen.train_task(scale),
        base=base,
        seed=seed,
        batch_order_seed=seed if batch_order_seed is None else batch_order_seed,
        out=Path(out),
    )
    finished = finished_report(run.out, resume, read_report)
    if finished:
        run.check(finished)
        return finished
    followed = _tracker(tracker) if tracker else None
    found = run.look(device or "auto")
    make_folder(run.out)  # before anything large is loaded in vain
    accelerator = open_accelerator(device or "auto", run.settings.dtype, followed, run.out / LOGS)
    with locked(run.out) if accelerator.is_main_process else nullcontext():
        if accelerator.is_main_process:
            take_over(run.out, resume)
        ready = run.prepare(found, accelerator.device)
        plan = run.plan(ready, accelerator.num_processes)
        progress = _followed(ready, plan, accelerator, followed, resume, on_step)
        report = report_of(ready, plan, progress, accelerator)
        if accelerator.is_main_process:
            write_report(run.out, report)
        accelerator.wait_for_everyone()
    return report


@dataclass(frozen=True)
class _Run:
    """A training as it was asked for, the recipe's own in place of what was left out."""

    recipe: CausalLmRecipe
    scale: str
    settings: TrainingSettings
    data: str | Splits
    """A task by name, or what to learn from and what to choose checkpoints on."""
    base: str | Path | None
    seed: int
    batch_order_seed: int
    out: Path

    def identity(self) -> dict[str, str | int]:
        """What is known of it before anything is read."""
        return {
            "recipe": self.recipe.digest(),
            "scale": self.scale,
            "task": self.data if isinstance(self.data, str) else self.data[0].id,
            "seed": self.seed,
            "batch order seed": self.batch_order_seed,
            "dtype": self.settings.dtype,
        }

    def check(self, finished: TrainingReport) -> None:
        """Refuse a finished training that is not this one, without loading a model."""
        data = self.data
        train, dev = (
            [split_of(data, split) for split in ("train", "dev")] if isinstance(data, str) else data
        )
        backbone = self.base or self.recipe.scale(self.scale).backbone
        known = self.identity() | {
            "base": weights_sha256(locate(str(backbone))),
            "train split": train.digest(),
            "dev split": dev.digest(),
            "steps": self.settings.steps or finished.planned_steps,
        }
        there = _identity_of(finished)
        check_finished(there, {key: known[key] for key in there}, self.out)

    def look(self, device: str) -> Splits:
        """:func:`ovbench.training.prepare.look` for it."""
        dtype = self.settings.dtype
        return look(self.recipe, self.scale, self.data, base=self.base, dtype=dtype, device=device)

    def prepare(self, splits: Splits, device: torch.device) -> Ready:
        """:func:`ovbench.training.prepare.prepare` for it."""
        return prepare(
            self.recipe,
            self.scale,
            self.seed,
            splits,
            base=self.base,
            dtype=self.settings.dtype,
            device=device,
        )

    def plan(self, ready: Ready, processes: int) -> Plan:
        """What the loop is told."""
        steps = _steps(self.settings, len(ready.train))
        shape: dict[str, str | int] = {"steps": steps, "processes": processes}
        return Plan(
            name=self.recipe.name,
            settings=self.settings,
            steps=steps,
            seed=self.seed,
            batch_order_seed=self.batch_order_seed,
            out=self.out,
            identity={**self.identity(), **ready.identity(), **shape},
            save_adapter=lambda place: _save(ready, place),
        )


def _save(ready: Ready, folder: Path) -> None:
    """Write the adapter and what its descriptions refer to into a folder that exists."""
    origin = Origin(ready.recipe, ready.scale, ready.context.provenance.vocabulary)
    write_adapter(ready.model, folder, ready.base, origin)
    if ready.describer is not None:
        ready.describer.save(folder)


def _followed(
    ready: Ready,
    plan: Plan,
    accelerator: Accelerator,
    tracker: Tracker | None,
    resume: bool,
    on_step: Callable[[StepReport], None] | None,
) -> Progress:
    """:func:`fit`, with memory counted from here on and the tracker closed however it ends."""
    if accelerator.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(accelerator.device)
    if tracker:
        logs = Path(accelerator.logging_dir or ".")
        logs.mkdir(parents=True, exist_ok=True)  # W&B takes another folder where its own is absent
        accelerator.init_trackers(
            "ovbench", config=dict(plan.identity), init_kwargs={"wandb": {"dir": str(logs)}}
        )
    try:
        return fit(
            ready.model, ready.train, ready.dev, plan, accelerator, resume=resume, on_step=on_step
        )
    finally:
        for one in accelerator.trackers:
            one.finish()


def _trained(recipe: Recipe | str) -> CausalLmRecipe:
    chosen = load_recipe(recipe) if isinstance(recipe, str) else recipe
    if not isinstance(chosen, CausalLmRecipe):
        if isinstance(chosen, TRAINABLE):
            raise InputError(
                f"{chosen.name} is a system that hears",
                mend="train it with ovbench.training.speech.train_speech",
            )
        raise InputError(
            nothing_to_train(chosen),
            mend=f"run it as it is: ovbench eval --model {chosen.name}",
        )
    return chosen


def _settings(
    settings: TrainingSettings, dtype: str | None, device: str | None, steps: int | None
) -> TrainingSettings:
    """The recipe's settings with what was asked for in their place."""
    changes: dict[str, object] = {}
    if dtype is not None:
        kind = resolve_dtype(dtype, resolve_device(device or "auto"))
        changes["dtype"] = str(kind).removeprefix("torch.")
    if steps is not None:
        if steps < 1:
            raise InputError(f"{steps} training steps", expected="1 or more")
        changes |= {"steps": steps, "epochs": None}
    return settings.model_copy(update=changes)


def _steps(settings: TrainingSettings, items: int) -> int:
    if settings.steps is not None:
        return settings.steps
    per_epoch = steps_per_epoch(items, settings.batch_size * settings.accumulation)
    return max(1, math.ceil((settings.epochs or 0) * per_epoch))


def _identity_of(report: TrainingReport) -> dict[str, str | int | None]:
    """What a finished run was of; not its task, which its report lacks: its splits tell more."""
    return {
        "recipe": report.recipe_digest,
        "scale": report.scale,
        "seed": report.seed,
        "batch order seed": report.batch_order_seed,
        "dtype": report.dtype,
        "base": report.base,
        "train split": report.train_digest,
        "dev split": report.dev_digest,
        "steps": report.planned_steps,
    }


def _tracker(name: str) -> Tracker:
    from accelerate.utils import is_tensorboard_available, is_wandb_available

    installed = {"tensorboard": is_tensorboard_available, "wandb": is_wandb_available}
    for known in get_args(Tracker):
        if name == known:
            if not installed[name]():
                raise MissingExtraError(f"--tracker {name}", "trackers")
            return known  # type: ignore[no-any-return]
    raise UnknownNameError("tracker", name, get_args(Tracker))
