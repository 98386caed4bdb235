"""A finished run's report: its cost, its provenance, the versions that it ran on."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch

from ovbench.training.checkpoint import Progress
from ovbench.training.loop import Plan
from ovbench.training.prepare import Ready
from ovbench.training.report import TrainingReport

if TYPE_CHECKING:
    from accelerate import Accelerator

PACKAGES = (
    "ovbench",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "tokenizers",
    "safetensors",
    "numpy",
)


def report_of(
    ready: Ready, plan: Plan, progress: Progress, accelerator: Accelerator
) -> TrainingReport:
    """The report of a run that :func:`ovbench.training.loop.fit` has ended."""
    best = progress.best
    assert best is not None  # the last step is always evaluated
    no_context = ready.context.source == "none"
    return TrainingReport(
        system=ready.recipe.name,
        scale=ready.scale,
        recipe_digest=ready.recipe.digest(),
        base=ready.base.sha256,
        context=None if no_context else ready.context.digest,
        context_source=ready.context.source,
        train_digest=ready.train_digest,
        dev_digest=ready.dev_digest,
        train_items=ready.train.statuses,
        dev_items=ready.dev.statuses,
        seams=ready.train.seams,
        seed=plan.seed,
        batch_order_seed=plan.batch_order_seed,
        steps=progress.step,
        planned_steps=plan.steps,
        ended_by="steps" if progress.step == plan.steps else "patience",
        effective_batch=plan.effective_batch,
        device_batch=progress.device_batch,
        memory_halvings=progress.halvings,
        skipped_steps=progress.skipped,
        tokens=progress.tokens,
        target_tokens=progress.targets,
        padding_share=1 - progress.tokens / progress.positions,
        train_seconds=progress.train_seconds,
        eval_seconds=progress.eval_seconds,
        tokens_per_second=progress.tokens / progress.train_seconds,
        peak_memory_bytes=peak_memory(accelerator.device),
        trainable_parameters=sum(p.numel() for p in ready.model.parameters() if p.requires_grad),
        curve=tuple(progress.curve),
        best_step=best.step,
        best_loss=best.loss,
        dtype=plan.settings.dtype,
        device=device_name(accelerator.device),
        threads=torch.get_num_threads(),
        processes=accelerator.num_processes,
        resumed=progress.resumed,
        notes=(*ready.notes, *progress.notes),
        versions=versions(),
    )


def peak_memory(device: torch.device) -> int:
    """Bytes: on CUDA the most held by tensors, elsewhere the most this process was resident in."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def device_name(device: torch.device) -> str:
    """``cpu``, or the accelerator's name."""
    if device.type != "cuda":
        return device.type
    return f"{device} {torch.cuda.get_device_name(device)}"


def versions() -> dict[str, str]:
    """Of Python and the packages that the numbers depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
