"""A finished training of a system that hears, as a person reads it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.report.sections import Section, percent, size_text

if TYPE_CHECKING:
    from ovbench.training.speech_report import SpeechTrainingReport


def speech_training_sections(
    report: SpeechTrainingReport, out: Path, model: str
) -> Iterator[Section]:
    """What was trained and what it cost, then the curve on dev.

    ``model``: the recipe as it was asked for, a name or a file.
    """
    ended = "" if report.ended_by == "epochs" else " (dev had stopped getting better)"
    left_out = [f"{n} {status}" for status, n in report.train_items.items() if status != "ok" and n]
    items = f"{report.train_items.get('ok', 0)}" + (f", {', '.join(left_out)}" if left_out else "")
    rows = (
        ("trainable parameters", f"{report.trainable_parameters:,}"),
        ("epochs", f"{report.epochs} of {report.planned_epochs}{ended}"),
        ("items", items),
        ("best on dev", f"epoch {report.best_epoch}, {_best(report)}"),
        ("speed", f"{report.items_per_second:,.1f} clips/s"),
        ("time", f"{report.train_seconds:.1f} s, and {report.eval_seconds:.1f} s on dev"),
        ("peak memory", size_text(report.peak_memory_bytes)),
        ("device, dtype", f"{report.device}, {report.dtype}"),
        ("seed", str(report.seed)),
    )
    scale = [] if report.scale == "tiny" else ["--scale", report.scale]
    following = shlex.join(["ovbench", "eval", "--model", model, *scale, "--adapter", str(out)])
    notes = (*report.notes, f"weights: {out / 'adapter'}", f"evaluate: {following}")
    yield Section(f"{report.system}, scale {report.scale}", ("", "value"), rows, notes)
    curve = tuple(
        (
            str(p.epoch),
            f"{p.train_loss:.4f}",
            f"{p.loss:.4f}",
            percent(p.uar),
            percent(p.macro_f1),
            percent(p.accuracy),
        )
        for p in report.curve
    )
    heads = ("epoch", "train loss", "dev loss", "dev UA", "dev macro F1", "dev WA")
    yield Section("On dev", heads, curve)


_TITLES = {"uar": "UA", "macro_f1": "macro F1", "accuracy": "WA"}


def _best(report: SpeechTrainingReport) -> str:
    """The figure that the epoch was chosen by, as in the table of dev."""
    if report.chosen_by in _TITLES:
        return f"{_TITLES[report.chosen_by]} {percent(report.best_value)}"
    return f"{report.chosen_by} {report.best_value:.4f}"
