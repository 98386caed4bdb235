"""Transformers' Trainer, told what a system that hears needs.

Trainer runs the loop: batches, gradients, clipping, schedules, fast-forwarding when a run is
resumed. The order of the items, the loss, dev, what is saved and when, are ours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from torch.utils.data import Sampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from ovbench.progress import track
from ovbench.systems.answers import item_seed
from ovbench.systems.hearing.base import SpeechModel
from ovbench.systems.hearing.clips import Clips
from ovbench.systems.hearing.recipes import HearingRecipe, SpeechTraining
from ovbench.systems.hearing.saved import save_speech_model
from ovbench.training.report import ADAPTER, LAST
from ovbench.training.speech_data import Examples, class_weights, dev_scores
from ovbench.training.speech_report import EpochPoint
from ovbench.training.speech_state import (
    SpeechProgress,
    SpeechState,
    restore_random,
    save_state,
)
from ovbench.training.states import Identity
from ovbench.training.stop import NonFiniteError, StopRequest

PLATEAU_FACTOR, PLATEAU_FLOOR = 0.5, 5e-5
"""What the rate is multiplied by on a plateau of the dev loss, and its least: PEFT-SER's code."""
STEP_END = 0.1
"""What the rate is multiplied by at the end of the schedule ``step``: the projectors' code."""


@dataclass(frozen=True)
class SpeechPlan:
    """What the trainer is told, beside the model and the examples."""

    recipe: HearingRecipe
    scale: str
    task: str
    """Name of what is learnt from."""
    settings: SpeechTraining
    seed: int
    """Of dropout; the model was built with it."""
    order_seed: int
    """Of the order of the items."""
    out: Path
    """Folder for :data:`ADAPTER` and :data:`LAST`; it exists once training begins."""
    device: torch.device
    stop: StopRequest

    def finished(self, progress: SpeechProgress) -> bool:
        """Whether all epochs are done, or dev has long stopped getting better."""
        patience = self.settings.patience
        stale = patience is not None and progress.stale >= patience
        return len(progress.curve) >= self.settings.epochs or stale


class SpeechTrainer(Trainer):
    """A training run, from its beginning or from a state.

    ``identity`` is what a saved state must agree with to be resumed.

    Raises, from :meth:`run`, :class:`NonFiniteError` if the loss is no number any more.
    """

    def __init__(
        self,
        model: SpeechModel,
        train: Examples,
        dev: Examples,
        plan: SpeechPlan,
        progress: SpeechProgress,
        identity: Identity,
    ) -> None:
        self.speech, self.learnt, self.dev, self.plan = model, train, dev, plan
        self.progress, self.identity = progress, identity
        self.begun, self.last_rate = time.perf_counter(), plan.settings.learning_rate
        self.steps_per_epoch = math.ceil(len(train.items) / plan.settings.batch_size)
        self.order = _Order(len(train.items), plan.order_seed)
        self._resumed: SpeechState | None = None
        weights = class_weights(plan.settings, train, model.classes)
        self._weights = None if weights is None else torch.tensor(weights, device=plan.device)
        super().__init__(
            model=model,
            args=_arguments(plan),
            train_dataset=cast(Any, range(len(train.items))),
            data_collator=lambda rows: {"rows": torch.tensor(rows)},
            callbacks=[_Flow(self)],
        )
        self.args._n_gpu = min(self.args._n_gpu, 1)
        self.remove_callback(PrinterCallback)

    def run(self, state: SpeechState | None) -> None:
        """Train to the end, or until a stop is asked for."""
        self._resumed = state
        self.train(resume_from_checkpoint=str(state.folder) if state else None)

    # What Trainer asks for.

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return self.order

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Adam, or AdamW, over all that is trained."""
        settings = self.plan.settings
        kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
        optimizer = kind(
            [parameter for parameter in self.speech.parameters() if parameter.requires_grad],
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
        )
        self.optimizer = optimizer
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The recipe's schedule; Trainer steps it: a plateau's after dev, others after a step."""
        settings, tuned = self.plan.settings, cast(Any, self.optimizer)
        scheduler: Any
        if settings.schedule == "plateau":
            scheduler = ReduceLROnPlateau(
                tuned,
                mode="min",
                factor=PLATEAU_FACTOR,
                patience=settings.plateau_patience or 0,
                min_lr=PLATEAU_FLOOR,
            )
        else:
            per_epoch = self.steps_per_epoch
            scheduler = LambdaLR(tuned, lambda step: rate_factor(settings, step, per_epoch))
        self.lr_scheduler = scheduler
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """The mean loss of a batch of rows of the train split."""
        rows = inputs["rows"].tolist()
        categories = [self.learnt.categories[row] for row in rows]
        batch = self.speech.batch([self.learnt.items[row] for row in rows], categories)
        outputs = model(**batch)
        loss, _ = self._loss(outputs, categories)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged("the loss", value)
        self.progress.loss_sum += value * len(rows)
        self.progress.items += len(rows)
        return loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The dev split after an epoch; weights that are the best so far are saved."""
        self.progress.train_seconds += time.perf_counter() - self.begun
        began = time.perf_counter()
        point = self._dev_point()
        self.progress.curve.append(point)
        self.progress.loss_sum, self.progress.items = 0.0, 0
        if self.progress.best is point:
            plan = self.plan
            save_speech_model(self.speech, plan.out / ADAPTER, plan.recipe, plan.scale)
        metrics = {"eval_loss": point.loss}  # a plateau's
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        self.begun = time.perf_counter()
        self.progress.eval_seconds += self.begun - began
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        now = time.perf_counter()
        self.progress.train_seconds += now - self.begun
        self.begun = now
        self.progress.step = self.state.global_step
        scaler = self.accelerator.scaler
        save_state(
            self.plan.out / LAST,
            self.progress,
            self.identity,
            parameters=self.speech.trained_state(),
            optimizer=cast(Any, self.optimizer).state_dict(),
            scheduler=cast(Any, self.lr_scheduler).state_dict(),
            scaler=scaler.state_dict() if scaler is not None else {},
            write_trainer=lambda path: self.state.save_to_json(str(path)),
        )

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        assert self._resumed is not None
        self.speech.load_state_dict(self._resumed.part("parameter"), strict=False)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self._resumed is not None:
            cast(Any, self.optimizer).load_state_dict(self._resumed.optimizer())
            cast(Any, self.lr_scheduler).load_state_dict(self._resumed.scheduler)

    def _load_scaler(self, checkpoint: str | None) -> None:
        if self._resumed is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self._resumed.scaler)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if self._resumed is not None:
            restore_random(self._resumed)

    # The rest is ours.

    def _loss(self, outputs: dict[str, Tensor], categories: list[str]) -> tuple[Tensor, float]:
        """The mean loss of some items, and what they weigh together."""
        if self._weights is None:
            return outputs["loss"], float(len(categories))
        logits = outputs["logits"].float()
        indices = [self.speech.classes.index(one) for one in categories]
        target = torch.tensor(indices, device=logits.device)
        weights = self._weights.to(logits.device)
        return cross_entropy(logits, target, weights), float(weights[target].sum())

    @torch.no_grad()
    def _dev_point(self) -> EpochPoint:
        size = self.plan.settings.batch_size
        starts = range(0, len(self.dev.items), size)
        answers: list[int] = []
        loss_sum = weight_sum = 0.0
        self.speech.eval()
        for start in track(starts, "dev", len(starts)):
            categories = list(self.dev.categories[start : start + size])
            batch = self.speech.batch(self.dev.items[start : start + size], categories)
            outputs = self.speech(**batch)
            loss, weight = self._loss(outputs, categories)
            loss_sum += float(loss) * weight
            weight_sum += weight
            answers += outputs["logits"].argmax(1).tolist()
        loss_value = loss_sum / weight_sum
        if not math.isfinite(loss_value):
            raise self._diverged("the loss on dev", loss_value)
        return EpochPoint(
            epoch=len(self.progress.curve) + 1,
            step=self.state.global_step,
            learning_rate=self.last_rate,
            train_loss=self.progress.loss_sum / self.progress.items,
            loss=loss_value,
            **dev_scores(self.dev.categories, answers, self.speech.classes),
        )

    def _diverged(self, what: str, value: float) -> NonFiniteError:
        best = self.progress.best
        kept = (
            f"The weights of epoch {best.epoch} (dev loss {best.loss:.4f}) are kept in "
            f"{self.plan.out / ADAPTER}."
            if best
            else "No weights were kept: dev had not been evaluated yet."
        )
        step, dtype = self.state.global_step + 1, self.plan.settings.dtype
        return NonFiniteError(what, value, step, self._rate(), kept, dtype)

    def _rate(self) -> float:
        return float(cast(Any, self.optimizer).param_groups[0]["lr"])


class _Order(Sampler[int]):
    """The train split's rows in an order that depends on the seed and the epoch alone."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed(item_seed(self.seed, f"order of epoch {self.epoch}"))
        return iter(torch.randperm(self.size, generator=draw).tolist())


class _Flow(TrainerCallback):
    """When dev is evaluated, states are saved and training stops; and the progress shown."""

    def __init__(self, trainer: SpeechTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        trainer = self.trainer
        trainer.begun = time.perf_counter()
        todo = range(state.global_step, trainer.steps_per_epoch * trainer.plan.settings.epochs)
        self.shown = iter(track(todo, f"training {trainer.plan.recipe.name}", len(todo)))
        next(self.shown, None)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        epoch = state.global_step // self.trainer.steps_per_epoch
        self.trainer.order.epoch = epoch
        clips = getattr(self.trainer.speech, "clips", None)
        if isinstance(clips, Clips):
            clips.epoch = epoch

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.trainer.last_rate = self.trainer._rate()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        next(self.shown, None)
        if self.trainer.plan.stop.requested:
            control.should_training_stop = True
            control.should_save = state.global_step % self.trainer.steps_per_epoch != 0

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.global_step % self.trainer.steps_per_epoch == 0:  # it was not broken off
            control.should_evaluate = control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        trainer = self.trainer
        if trainer.plan.stop.requested or trainer.plan.finished(trainer.progress):
            control.should_training_stop = True


def rate_factor(settings: SpeechTraining, step: int, per_epoch: int) -> float:
    """What the learning rate is multiplied by after ``step`` optimiser steps.

    Schedule ``step``: 1 - 0.9 · min(e / step_epochs, 1) after e whole epochs, so a tenth after
    ``step_epochs`` of them and for good.
    """
    if settings.schedule != "step":
        return 1.0
    epoch = step // per_epoch
    return 1 - (1 - STEP_END) * min(epoch / (settings.step_epochs or 1), 1)


def _arguments(plan: SpeechPlan) -> TrainingArguments:
    settings = plan.settings
    return TrainingArguments(
        output_dir=str(plan.out / LAST),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        max_grad_norm=settings.clip or 0.0,
        seed=plan.seed,
        use_cpu=plan.device.type == "cpu",
        fp16=settings.dtype == "float16",  # the scaled loss; bfloat16 needs none
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="critical",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
