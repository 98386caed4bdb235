"""What training a system that hears was and cost: ``training.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from ovbench.frozen import Frozen
from ovbench.training.report import ReportFile, TrainingReport, read_as, read_report

SPEECH_SCHEMA: Literal["ovbench.speech-training/1"] = "ovbench.speech-training/1"
"""Rises whenever a field changes meaning; fields are never reused."""

Choice = Literal["uar", "macro_f1", "accuracy", "loss"]


class EpochPoint(Frozen):
    """One pass over the train split, and the dev split after it."""

    epoch: int
    """Passes done."""
    step: int
    """Optimiser steps done."""
    learning_rate: float
    """Of the epoch's last step."""
    train_loss: float
    """Mean over the epoch's items as they were trained on, the model changing meanwhile."""
    loss: float
    """Mean over the dev split's items, weighted by class where training is."""
    uar: float
    """Mean recall of the classes of dev's gold: UAR, UA."""
    macro_f1: float
    """Mean F1 of the classes that are in dev's gold or among the answers."""
    accuracy: float
    """Share of dev items that are answered rightly: WA."""


class SpeechTrainingReport(ReportFile):
    """A finished training run of a system that hears."""

    schema_version: Literal["ovbench.speech-training/1"] = SPEECH_SCHEMA
    system: str
    """Name of the recipe."""
    kind: str
    """The recipe's kind."""
    scale: str
    recipe_digest: str
    """sha256 over the recipe's fields that can change a prediction."""
    parts: dict[str, str]
    """sha256 of each frozen part, by what it is called."""
    task: str
    train_digest: str
    """sha256 over the train split's items and gold."""
    dev_digest: str
    """sha256 over the dev split's items and gold, on which the best epoch was chosen."""
    classes: dict[str, int]
    """Items of each class that were trained on, in the order of the model's outputs."""
    class_weights: dict[str, float] | None
    """Weight of each class in the loss; null: all weigh the same."""
    train_items: dict[str, int]
    """Items of the train split by status: ``ok``; ``error``, which the model cannot hear, and
    ``other_class``, whose class it does not have, were left out."""
    dev_items: dict[str, int]
    """The same of the dev split."""
    seed: int
    """Of the first weights, dropout and augmentation."""
    batch_order_seed: int
    """Of the order of the items; ``seed`` unless given apart."""
    epochs: int
    """Passes over the train split that were done."""
    planned_epochs: int
    steps: int
    """Optimiser steps done."""
    ended_by: Literal["epochs", "patience"]
    """``epochs``: all were done; ``patience``: dev had stopped getting better."""
    batch_size: int
    trainable_parameters: int
    total_parameters: int
    """With the frozen ones."""
    curve: tuple[EpochPoint, ...]
    """Every epoch, in order."""
    chosen_by: Choice
    """The dev figure that the kept epoch is best in."""
    best_epoch: int
    """Epoch of the weights that are kept, the earliest of equals."""
    best_value: float
    """Its dev figure."""
    train_seconds: float
    """Time in epochs without dev, over all starts of the run."""
    eval_seconds: float
    """Time on dev."""
    items_per_second: float
    """Items trained on per second of ``train_seconds``."""
    peak_memory_bytes: int
    """CUDA: most memory held by tensors. CPU: most memory the process was resident in, over its
    whole life. Of the last start of the run."""
    dtype: str
    """Of frozen weights and activations; what is trained is float32."""
    device: str
    """``cpu``, or the accelerator's name."""
    threads: int
    """Of the CPU; sums are bitwise the same only under the same number."""
    resumed: int
    """How often the run was resumed from a saved state."""
    notes: tuple[str, ...]
    """What happened that a reader should know, in sentences."""
    versions: dict[str, str]
    """Of Python and the packages that the numbers depend on."""


def read_any_report(path: Path) -> TrainingReport | SpeechTrainingReport:
    """Read a ``training.json``, of whichever kind of system.

    Raises
    ------
    ValidationError
        If the file is not a training report.
    """
    try:
        heard = json.loads(path.read_bytes()).get("schema_version") == SPEECH_SCHEMA
    except (OSError, ValueError, RecursionError, AttributeError):
        heard = False
    return read_speech_report(path) if heard else read_report(path)


def read_speech_report(path: Path) -> SpeechTrainingReport:
    """Read ``training.json``.

    Raises
    ------
    ValidationError
        If the file is not the report of a system that hears.
    """
    what = "a training report of a system that hears"
    return read_as(SpeechTrainingReport, path, what)
