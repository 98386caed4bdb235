"""The training loop: any PEFT model, any encoded texts; the best adapter is chosen on dev."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from torch import nn

from ovbench.errors import InputError
from ovbench.io.folders import settle, whole_folder
from ovbench.progress import track
from ovbench.systems.settings import TrainingSettings
from ovbench.training.buckets import epoch_batches, steps_per_epoch
from ovbench.training.checkpoint import (
    Progress,
    check_kept,
    load_state,
    restore,
    save_state,
)
from ovbench.training.encode import Encoded
from ovbench.training.evaluate import evaluate
from ovbench.training.optim import adamw, parameter_groups, rate_factor, set_rates
from ovbench.training.processes import DeviceBatch, same_start
from ovbench.training.report import ADAPTER, LAST, DevPoint, StepReport
from ovbench.training.states import Identity, check_identity
from ovbench.training.step import Stepper, StepSums, randomness_kept
from ovbench.training.stop import NonFiniteError, StopRequest, interrupted

if TYPE_CHECKING:
    from accelerate import Accelerator

MAX_SKIPPED = 50
"""float16 steps in a row that may overflow before training counts as diverged. The scaler needs
some 16 at the start to come down from its first scale."""


@dataclass(frozen=True)
class Plan:
    """What the loop is told, beside the model and the texts."""

    name: str
    """What is trained, for the progress display."""
    settings: TrainingSettings
    steps: int
    """Optimiser steps of the schedule (the settings' steps or epochs, resolved)."""
    seed: int
    """Of dropout."""
    batch_order_seed: int
    """Of which items make a batch, and in which order."""
    out: Path
    """Folder for :data:`ADAPTER` and :data:`LAST`; it exists."""
    identity: Identity
    """What a saved state must agree with to be resumed."""
    save_adapter: Callable[[Path], None]
    """Writes the model's adapter, as it is, into an empty folder."""

    @property
    def effective_batch(self) -> int:
        """Items per optimiser step, however many processes share them."""
        return self.settings.batch_size * self.settings.accumulation


def fit(
    model: nn.Module,
    train: Encoded,
    dev: Encoded,
    plan: Plan,
    accelerator: Accelerator,
    *,
    resume: bool = False,
    on_step: Callable[[StepReport], None] | None = None,
) -> Progress:
    """Train ``model``'s trainable parameters; keep the adapter with the lowest dev loss.

    An optimiser step takes ``plan.effective_batch`` items, divided over processes and parts: the
    number of either changes rounding and, with dropout, what is dropped; nothing else. With
    ``resume`` the newest whole state under ``plan.out`` is continued, on a CPU bit for bit as if
    there had been no break; without one, training begins anew.

    ``on_step`` is called in the main process after every step, in place of the progress of
    :mod:`ovbench.progress`.

    Raises
    ------
    InputError
        If the model takes a label context and the texts have none, or the reverse, or a saved
        state is of another run.
    NonFiniteError
        If the loss or its gradient is no number any more; the best adapter so far stays.
    InterruptedRunError
        After Ctrl-C or SIGTERM, once the running step is done and its state is saved.
    OvbenchError
        If memory ran out with one item at a time, or writing failed.
    """
    check_context(model, train, dev)
    loop = _Loop(model, train, dev, plan, accelerator)
    loop.start(resume)
    with StopRequest() as stop, randomness_kept(accelerator.device):
        loop.run(stop, on_step)
    return loop.progress


def check_context(model: nn.Module, *data: Encoded) -> None:
    """Refuse a context for a model that would swallow it, and a LoRA-LAS model without one."""
    takes = takes_context(model)
    for texts in data:
        if takes and texts.context is None:
            raise InputError(
                "a LoRA-LAS model is trained without label contexts",
                mend="set context.source in the recipe",
            )
        if not takes and texts.context is not None:
            raise InputError(
                "label contexts are given to a model that does not use them",
                mend="set context.source = 'none' in the recipe, or train with LoRA-LAS",
            )


def takes_context(model: nn.Module) -> bool:
    """Whether the model's active adapter is LoRA-LAS."""
    configs = getattr(model, "peft_config", {})
    active = getattr(model, "active_adapter", None)
    return str(getattr(getattr(configs.get(active), "peft_type", ""), "value", "")) == "LORA_LAS"


class _Loop:
    def __init__(
        self,
        model: nn.Module,
        train: Encoded,
        dev: Encoded,
        plan: Plan,
        accelerator: Accelerator,
    ) -> None:
        self.model = model.to(accelerator.device)
        self.train, self.dev, self.plan, self.accelerator = train, dev, plan, accelerator
        settings = plan.settings
        if settings.checkpointing:
            self.model.activation_checkpointing_enable(  # type: ignore[operator]
                activation_checkpointing_kwargs={"use_reentrant": False}
            )
        groups = parameter_groups(
            model.named_parameters(),
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            lora_plus_ratio=settings.lora_plus_ratio or 1.0,
        )
        optimizer = adamw(groups, fused=accelerator.scaler is None)
        self.optimizer = accelerator.prepare_optimizer(optimizer)
        share = -(-plan.effective_batch // accelerator.num_processes)
        self.progress = Progress(device_batch=min(settings.batch_size, share))
        self.last = plan.out / LAST
        self._batches: tuple[int, list[list[int]]] = (-1, [])
        self._begun = (0, 0, 0.0)
        self._skipped_in_row = 0

    def start(self, resume: bool) -> None:
        """Take up a saved state, or the main process's first weights."""
        self._tidy()
        found = load_state(self.last) if resume else None
        if found:
            state, damaged = found
            check_identity(state.identity, self.plan.identity, self.last, "the saved state")
            if state.progress.best:
                check_kept(self.plan.out / ADAPTER, f"step {state.progress.best.step}")
            restore(state, self.model, self.optimizer.optimizer)
            self.progress = state.progress
            self.progress.resumed += 1
            self.progress.notes += damaged
            if self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(state.scaler)
        else:
            same_start([p for p in self.model.parameters() if p.requires_grad], self.accelerator)
        progress = self.progress
        self.device_batch = DeviceBatch(progress.device_batch, self.accelerator, progress.halvings)
        clip = self.plan.settings.clip
        self.stepper = Stepper(
            self.model, self.train, self.optimizer, self.accelerator, self.device_batch, clip
        )
        self._begun = (progress.step, progress.tokens, progress.train_seconds)

    def _tidy(self) -> None:
        """Have the main process clear what a dead one left half done, before anyone reads."""
        if self.accelerator.is_main_process:
            settle(self.plan.out / ADAPTER)
        self.accelerator.wait_for_everyone()

    def run(self, stop: StopRequest, on_step: Callable[[StepReport], None] | None) -> None:
        plan, progress = self.plan, self.progress
        self.model.train()
        todo = range(progress.step, plan.steps)
        shown = self.accelerator.is_main_process and on_step is None
        for _ in track(todo, f"training {plan.name}", len(todo)) if shown else todo:
            if self.finished:
                break
            sums, rate = self._step(stop)
            point = self._evaluate() if self._is_evaluated(progress.step) else None
            if sums.stop and not self.finished:
                if point is None:
                    self._save()
                raise interrupted(progress.step, plan.steps, self.last)
            self._log(sums, rate, point)
            if on_step and self.accelerator.is_main_process:
                on_step(self._report(sums, rate, point))

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or dev has long stopped getting better."""
        patience = self.plan.settings.patience
        stale = patience is not None and self.progress.stale >= patience
        return self.progress.step >= self.plan.steps or stale

    def _is_evaluated(self, step: int) -> bool:
        return step % self.plan.settings.eval_every == 0 or step == self.plan.steps

    def _step(self, stop: StopRequest) -> tuple[StepSums, float]:
        plan, progress = self.plan, self.progress
        began = time.perf_counter()
        batch = self._batch(progress.step)
        settings = plan.settings
        factor = rate_factor(progress.step, plan.steps, settings.warmup_share, settings.schedule)
        rate = set_rates(self.optimizer.optimizer, factor)
        draw = f"step {plan.seed}/{progress.step}"
        sums = self.stepper.gradients(batch, draw, lambda: stop.requested)
        self._check_numbers(sums, rate)
        self._note_halvings()
        if self.stepper.apply():
            self._skipped_in_row = 0
        else:
            self._skipped_in_row += 1
            progress.skipped += 1
        progress.step += 1
        progress.tokens += sums.tokens
        progress.targets += sums.targets
        progress.positions += sums.positions
        progress.train_seconds += time.perf_counter() - began
        return sums, rate

    def _batch(self, step: int) -> list[int]:
        epoch, at = divmod(step, steps_per_epoch(len(self.train), self.plan.effective_batch))
        if self._batches[0] != epoch:
            order = epoch_batches(
                self.train.lengths,
                self.plan.effective_batch,
                self.plan.batch_order_seed,
                epoch,
            )
            self._batches = (epoch, order)
        return self._batches[1][at]

    def _check_numbers(self, sums: StepSums, rate: float) -> None:
        scaled = self.accelerator.scaler is not None and self._skipped_in_row < MAX_SKIPPED
        if not math.isfinite(sums.loss):
            raise self._diverged("the loss", sums.loss, self.progress.step + 1, rate)
        if not math.isfinite(sums.norm) and not scaled:
            raise self._diverged("the gradient", sums.norm, self.progress.step + 1, rate)

    def _diverged(self, what: str, value: float, step: int, rate: float) -> NonFiniteError:
        best = self.progress.best
        kept = (
            f"The adapter of step {best.step} (dev loss {best.loss:.4f}) is kept in "
            f"{self.plan.out / ADAPTER}."
            if best
            else "No adapter was kept: dev had not been evaluated yet."
        )
        return NonFiniteError(what, value, step, rate, kept, self.plan.settings.dtype)

    def _note_halvings(self) -> None:
        device, progress = self.device_batch, self.progress
        if device.halvings == progress.halvings:
            return
        progress.halvings, progress.device_batch = device.halvings, device.size
        progress.notes.append(
            f"memory ran out before step {progress.step + 1} was done: {device.size} items at a "
            f"time from then on, {self.plan.effective_batch} per step as before"
        )

    def _evaluate(self) -> DevPoint:
        progress = self.progress
        began = time.perf_counter()
        point = evaluate(self.model, self.dev, self.accelerator, self.device_batch, progress.step)
        self._note_halvings()
        if not math.isfinite(point.loss):
            rate = self.optimizer.optimizer.param_groups[0]["lr"]
            raise self._diverged("the loss on dev", point.loss, progress.step, rate)
        progress.curve.append(point)
        if progress.best is point and self.accelerator.is_main_process:
            with whole_folder(self.plan.out / ADAPTER, (SafetensorError,)) as folder:
                self.plan.save_adapter(folder)
        progress.eval_seconds += time.perf_counter() - began
        self._save()
        return point

    def _save(self) -> None:
        scaler = self.accelerator.scaler
        if self.accelerator.is_main_process:
            save_state(
                self.last,
                self.model,
                self.optimizer.optimizer,
                self.progress,
                self.plan.identity,
                scaler.state_dict() if scaler is not None else {},
            )
        self.accelerator.wait_for_everyone()

    def _log(self, sums: StepSums, rate: float, point: DevPoint | None) -> None:
        if not self.accelerator.trackers:
            return
        values = {"train/loss": sums.loss, "train/rate": rate, "train/gradient_norm": sums.norm}
        if point:
            values |= {"dev/loss": point.loss, "dev/accuracy": point.accuracy}
        self.accelerator.log(values, step=self.progress.step)

    def _report(self, sums: StepSums, rate: float, point: DevPoint | None) -> StepReport:
        plan, progress = self.plan, self.progress
        steps, tokens, seconds = self._begun
        spent = progress.train_seconds - seconds
        per_eval = progress.eval_seconds / len(progress.curve) if progress.curve else 0.0
        remaining = plan.steps - progress.step
        evals = -(-remaining // plan.settings.eval_every)
        return StepReport(
            step=progress.step,
            steps=plan.steps,
            epoch=progress.step / steps_per_epoch(len(self.train), plan.effective_batch),
            loss=sums.loss,
            learning_rate=rate,
            gradient_norm=sums.norm,
            tokens_per_second=(progress.tokens - tokens) / spent,
            seconds_left=remaining * spent / (progress.step - steps) + evals * per_eval,
            dev=point,
            best_step=progress.best.step if progress.best else None,
            device_batch=self.device_batch.size,
        )
