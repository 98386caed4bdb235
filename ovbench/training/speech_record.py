"""The report of a finished training of a system that hears."""

from __future__ import annotations

import torch

from ovbench.systems.hearing.base import SpeechModel
from ovbench.training.record import device_name, peak_memory, versions
from ovbench.training.speech_data import Examples, class_weights
from ovbench.training.speech_report import SpeechTrainingReport
from ovbench.training.speech_state import SpeechProgress, value_of
from ovbench.training.speech_trainer import SpeechPlan


def speech_report_of(
    plan: SpeechPlan,
    progress: SpeechProgress,
    model: SpeechModel,
    train: Examples,
    dev: Examples,
) -> SpeechTrainingReport:
    """The report of a run that :class:`ovbench.training.speech_trainer.SpeechTrainer` has ended."""
    best = progress.best
    assert best is not None  # every epoch is evaluated
    settings, weights = plan.settings, class_weights(plan.settings, train, model.classes)
    epochs, seconds = len(progress.curve), progress.train_seconds
    named = {} if weights is None else dict(zip(model.classes, weights, strict=True))
    return SpeechTrainingReport(
        system=plan.recipe.name,
        kind=plan.recipe.kind,
        scale=plan.scale,
        recipe_digest=plan.recipe.digest(),
        parts=model.provenance(),
        task=plan.task,
        train_digest=train.digest,
        dev_digest=dev.digest,
        classes={name: train.categories.count(name) for name in model.classes},
        class_weights=named or None,
        train_items=train.statuses,
        dev_items=dev.statuses,
        seed=plan.seed,
        batch_order_seed=plan.order_seed,
        epochs=epochs,
        planned_epochs=settings.epochs,
        steps=progress.curve[-1].step,
        ended_by="epochs" if epochs == settings.epochs else "patience",
        batch_size=settings.batch_size,
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        total_parameters=sum(p.numel() for p in model.parameters()),
        curve=tuple(progress.curve),
        chosen_by=settings.choose_by,
        best_epoch=best.epoch,
        best_value=value_of(best, settings.choose_by),
        train_seconds=seconds,
        eval_seconds=progress.eval_seconds,
        items_per_second=epochs * len(train.items) / seconds,
        peak_memory_bytes=peak_memory(plan.device),
        dtype=settings.dtype,
        device=device_name(plan.device),
        threads=torch.get_num_threads(),
        resumed=progress.resumed,
        notes=tuple(progress.notes),
        versions=versions(),
    )
