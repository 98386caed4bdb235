"""Where output goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ovbench.report.sections import Section

PIPED_WIDTH = 160
"""Columns for tables that are not printed to a terminal, so that logs are not folded to 80."""


def stdout() -> Console:
    """A console on standard output; NO_COLOR and pipes are honoured by Rich."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def show(parts: Iterable[Section], form: str = "table") -> None:
    """Print sections as tables, or in one of the text formats."""
    from ovbench.report import render

    if form == "table":
        print_all(render.rich_tables(parts))
    else:
        typer.echo(render.FORMATS[form](parts), nl=False)


def print_all(renderables: Iterable[RenderableType]) -> None:
    """Print Rich renderables to standard output."""
    console = stdout()
    for renderable in renderables:
        console.print(renderable)


def write_json(target: str, text: str) -> None:
    """JSON to a file (whole or not at all), or to standard output for ``-``."""
    if target == "-":
        typer.echo(text, nl=False)
        return
    from ovbench.io.atomic import write_text

    write_text(Path(target), text)
