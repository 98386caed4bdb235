"""A finished training as a person reads it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.report.sections import Section, size_text

if TYPE_CHECKING:
    from ovbench.training.report import TrainingReport


def training_sections(report: TrainingReport, out: Path, model: str) -> Iterator[Section]:
    """What was trained and what it cost, then the curve on dev.

    ``model``: the recipe as it was asked for, a name or a file.
    """
    ended = "" if report.ended_by == "steps" else " (dev loss had stopped falling)"
    rows = (
        ("trainable parameters", f"{report.trainable_parameters:,}"),
        ("steps", f"{report.steps} of {report.planned_steps}{ended}"),
        ("items per step", str(report.effective_batch)),
        ("best on dev", f"step {report.best_step}, loss {report.best_loss:.4f}"),
        ("tokens", f"{report.tokens:,} ({100 * report.padding_share:.1f} % padding beside them)"),
        ("speed", f"{report.tokens_per_second:,.0f} tokens/s"),
        ("time", f"{report.train_seconds:.1f} s, and {report.eval_seconds:.1f} s on dev"),
        ("peak memory", size_text(report.peak_memory_bytes)),
        ("device, dtype", f"{report.device}, {report.dtype}"),
        ("seed, batch order", f"{report.seed}, {report.batch_order_seed}"),
    )
    notes = (*report.notes, f"adapter: {out / 'adapter'}", f"evaluate: {_next(report, out, model)}")
    yield Section(f"{report.system}, scale {report.scale}", ("", "value"), rows, notes)
    curve = tuple((str(p.step), f"{p.loss:.4f}", f"{p.accuracy:.3f}") for p in report.curve)
    yield Section("On dev", ("step", "loss", "token accuracy"), curve)


def _next(report: TrainingReport, out: Path, model: str) -> str:
    scale = [] if report.scale == "tiny" else ["--scale", report.scale]
    return shlex.join(["ovbench", "eval", "--model", model, *scale, "--adapter", str(out)])
