"""Where output goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ovbench.cli.starting import begin_work

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ovbench.report.sections import Section
    from ovbench.training.report import StepReport

PIPED_WIDTH = 160
"""Columns for tables that are not printed to a terminal, so that logs are not folded to 80."""


def stdout() -> Console:
    """A console on standard output; NO_COLOR and pipes are honoured by Rich."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


_MODELS_EXTRA = {"torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers"}

SLOW = 2.0
"""Seconds after which a person wants to see that something is going on."""


@contextmanager
def watched() -> Iterator[None]:
    """Show the progress of slow work on standard error, where that is a terminal."""
    from ovbench.progress import reporting

    begin_work()
    if not sys.stderr.isatty():
        yield
        return
    with reporting(_bar):
        yield


def _bar(items: Iterable[object], what: str, total: int | None) -> Iterator[object]:
    """Pass items through; a bar with rate and time left appears once the work is slow."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Items per second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:,.0f}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=total)
    start, shown, pending = time.monotonic(), False, 0
    try:
        for item in items:
            yield item
            pending += 1
            if not shown and time.monotonic() - start > SLOW:
                bar.start()
                shown = True
            if shown and (pending > 1000 or total is not None):
                bar.advance(task, pending)
                pending = 0
    finally:
        bar.stop()


@contextmanager
def training_line(what: str) -> Iterator[Callable[[StepReport], None] | None]:
    """A bar with loss, tokens/s and time left on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    fields = TextColumn(
        "loss {task.fields[loss]}  {task.fields[rate]} tokens/s  {task.fields[left]}"
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), fields)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, loss="–", rate="–", left="")

        def on_step(report: StepReport) -> None:
            minutes, seconds = divmod(round(report.seconds_left), 60)
            bar.update(
                task,
                completed=report.step,
                total=report.steps,
                loss=f"{report.loss:.3f}",
                rate=f"{report.tokens_per_second:,.0f}",
                left=f"{minutes}:{seconds:02d} left",
            )
            if report.dev is not None:
                bar.console.print(f"step {report.step}: dev loss {report.dev.loss:.4f}")

        yield on_step


def show(parts: Iterable[Section], form: str = "table") -> None:
    """Print sections as tables, or in one of the text formats."""
    from ovbench.report import render

    if form == "table":
        print_all(render.rich_tables(parts))
    else:
        typer.echo(render.FORMATS[form](parts), nl=False)


def print_all(renderables: Iterable[RenderableType]) -> None:
    """Print Rich renderables to standard output."""
    from rich.text import Text

    console = stdout()
    for renderable in renderables:
        # A signature must stay on one line, to be copied.
        console.print(renderable, soft_wrap=isinstance(renderable, Text))


def note(text: str) -> None:
    """A line on standard error, beside whatever progress is shown there."""
    from ovbench.errors import visible

    typer.echo(visible(text), err=True)


def write_json(target: str, text: str) -> None:
    """JSON to a file (whole or not at all), or to standard output for ``-``."""
    if target == "-":
        typer.echo(text, nl=False)
        return
    from ovbench.io.atomic import write_text

    write_text(Path(target), text)


@contextmanager
def needs_models(what: str) -> Iterator[None]:
    """Say which extra is missing where a block's imports fail for want of it.

    Raises
    ------
    MissingExtraError
        If torch, transformers, peft or accelerate is not installed.
    """
    from ovbench.errors import MissingExtraError

    begin_work()
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _MODELS_EXTRA:
            raise MissingExtraError(what, "models") from None
        raise
