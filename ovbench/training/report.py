"""What a training run was and cost: ``training.json``, and the line shown while it goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from ovbench.errors import ValidationError as BrokenFileError
from ovbench.frozen import Frozen

REPORT_FILE = "training.json"
ADAPTER, LAST = "adapter", "last"
"""Folders in a run's output: the best adapter so far, and the states to resume from."""
REPORT_SCHEMA: Literal["ovbench.training/1"] = "ovbench.training/1"
"""Rises whenever a field changes meaning; fields are never reused."""

Report = TypeVar("Report", bound="ReportFile")
Tracker = Literal["tensorboard", "wandb"]
Ending = Literal["steps", "patience"]


class DevPoint(Frozen):
    """One evaluation on the dev split."""

    step: int
    """Optimiser steps done before it."""
    loss: float
    """Mean negative log likelihood (nats) over all completion tokens of the split."""
    accuracy: float
    """Share of completion tokens that are the most likely one, given the true ones before."""


class ReportFile(Frozen):
    """What :data:`REPORT_FILE` holds, whatever was trained."""

    def to_json(self) -> str:
        """The report as the file's text; numbers as Python writes them (1e-05)."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


class TrainingReport(ReportFile):
    """A finished training run."""

    schema_version: Literal["ovbench.training/1"] = REPORT_SCHEMA
    system: str
    """Name of the recipe."""
    scale: str
    recipe_digest: str
    """sha256 over the recipe's fields that can change a prediction."""
    base: str | None
    """Hash of the backbone's weights, or what names them."""
    context: str | None
    """Provenance hash of the label contexts; null for a method that takes none."""
    context_source: str
    train_digest: str
    """sha256 over the train split's items and gold."""
    dev_digest: str
    """sha256 over the dev split's items and gold, on which the best checkpoint was chosen."""
    train_items: dict[str, int]
    """Items of the train split by status: ``ok``, ``too_long`` and ``no_target`` (left out)."""
    dev_items: dict[str, int]
    """The same of the dev split."""
    seams: int
    """Train items that tokenised as a whole would have other tokens where the completion begins."""
    seed: int
    """Of the adapter's first weights and of dropout."""
    batch_order_seed: int
    """Of which items make a batch, and in which order; ``seed`` unless given apart."""
    steps: int
    """Optimiser steps done."""
    planned_steps: int
    """Optimiser steps of the schedule."""
    ended_by: Ending
    """``steps``: all were done; ``patience``: the dev loss had stopped falling."""
    effective_batch: int
    """Items per optimiser step, over all processes and accumulated batches."""
    device_batch: int
    """Items per forward pass and process, at the end."""
    memory_halvings: int
    """How often the device's batch was halved because memory ran out; the effective batch and the
    weight of every token stayed as they were."""
    skipped_steps: int
    """float16 only: steps that overflowed and were left out."""
    tokens: int
    """Tokens trained on, prompts included, padding not."""
    target_tokens: int
    """Of those, tokens of completions, which the loss is taken over."""
    padding_share: float
    """Share of all positions computed that were padding."""
    train_seconds: float
    """Time in optimiser steps, over all starts of the run."""
    eval_seconds: float
    """Time in evaluations on dev."""
    tokens_per_second: float
    """``tokens / train_seconds``."""
    peak_memory_bytes: int
    """CUDA: most memory held by tensors on the main process's device during training. CPU: most
    memory that process was resident in, over its whole life. Of the last start of the run."""
    trainable_parameters: int
    curve: tuple[DevPoint, ...]
    """Every evaluation, in order."""
    best_step: int
    """Step of the adapter that is kept: the lowest dev loss, the earliest of equals."""
    best_loss: float
    dtype: str
    """Of the base's weights and activations; adapters are float32."""
    device: str
    """``cpu``, or the accelerator's name."""
    threads: int
    """Of the CPU, per process; sums are bitwise the same only under the same number."""
    processes: int
    resumed: int
    """How often the run was resumed from a saved state."""
    notes: tuple[str, ...]
    """What happened that a reader should know, in sentences."""
    versions: dict[str, str]
    """Of Python and the packages that the numbers depend on."""


def read_report(path: Path) -> TrainingReport:
    """Read :data:`REPORT_FILE`.

    Raises
    ------
    ValidationError
        If the file is not a training report.
    """
    return read_as(TrainingReport, path, "a training report")


def read_as(kind: type[Report], path: Path, what: str) -> Report:
    """Read :data:`REPORT_FILE` of one kind of training, ``what`` by name.

    Raises
    ------
    ValidationError
        If the file is no such report.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "file"
        raise BrokenFileError(
            f"{path}: not {what} ({field}: {first['msg']}). Train again into an empty folder."
        ) from None


@dataclass(frozen=True)
class StepReport:
    """Where training stands after one optimiser step, for whoever shows it."""

    step: int
    """Steps done."""
    steps: int
    """Steps of the schedule."""
    epoch: float
    """Passes over the train split."""
    loss: float
    """Mean negative log likelihood (nats) over the step's completion tokens."""
    learning_rate: float
    """The lowest of the groups' rates (LoRA+ has a higher one for B)."""
    gradient_norm: float
    """Before clipping."""
    tokens_per_second: float
    """Tokens without padding, over the steps of this start of the run, evaluations left out."""
    seconds_left: float
    """Expected until the last step, evaluations included; early stopping is not foreseen."""
    dev: DevPoint | None
    """The evaluation that followed this step, if one did."""
    best_step: int | None
    """Step of the lowest dev loss so far."""
    device_batch: int
    """Items per forward pass and process."""
