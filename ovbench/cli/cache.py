"""``ovbench cache``: answers that were generated once, kept for every run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ovbench.cli import options as opt
from ovbench.errors import InputError

if TYPE_CHECKING:
    from ovbench.runs.cache_upkeep import Entry

app = typer.Typer(rich_markup_mode=None)
_GB = 1e9


@app.callback(invoke_without_command=True)
def show_cache(context: typer.Context, json: opt.Json = None) -> None:
    """Show the cache of generated answers: its size, and what it holds of each recipe.

    \b
    Examples:
      ovbench cache
      ovbench cache prune --older-than 30d
      ovbench cache prune --keep-gb 5
      ovbench cache prune --recipe lora-las-r4
      ovbench cache clear

    OVBENCH_CACHE names another folder for it.
    """
    if context.invoked_subcommand is not None:
        return
    from ovbench.cli.console import show, write_json
    from ovbench.report.cache import cache_section
    from ovbench.runs.cache_upkeep import report
    from ovbench.runs.generation_cache import AnswerCache

    found = report(AnswerCache().folder)
    if json is not None:
        write_json(json, found.to_json())
    if json != "-":
        show([cache_section(found)])


@app.command("prune")
def prune(
    older_than: Annotated[
        str | None, typer.Option(help="Remove what was not used for so long: 12h, 30d or 2w.")
    ] = None,
    keep_gb: Annotated[
        float | None,
        typer.Option(min=0, help="Remove the least recently used, until so many GB are left."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Only answers of this recipe; alone, all of them.")
    ] = None,
) -> None:
    """Remove answers from the cache; whoever needs them again generates them again.

    \b
    Examples:
      ovbench cache prune --older-than 30d
      ovbench cache prune --keep-gb 5
      ovbench cache prune --recipe lora-las-r4 --older-than 1w
    """
    from ovbench.runs.cache_upkeep import prune as remove
    from ovbench.runs.cache_upkeep import seconds
    from ovbench.runs.generation_cache import AnswerCache

    if older_than is None and keep_gb is None and recipe is None:
        raise InputError(
            "nothing says what to remove",
            expected="--older-than, --keep-gb or --recipe",
            mend="remove everything with: ovbench cache clear",
        )
    _say(
        remove(
            AnswerCache().folder,
            older_than=None if older_than is None else seconds(older_than),
            keep_bytes=None if keep_gb is None else keep_gb * _GB,
            recipe=recipe,
        )
    )


@app.command("clear")
def clear() -> None:
    """Remove all answers from the cache.

    \b
    Example:
      ovbench cache clear
    """
    from ovbench.runs.cache_upkeep import prune as remove
    from ovbench.runs.generation_cache import AnswerCache

    _say(remove(AnswerCache().folder))


def _say(gone: Sequence[Entry]) -> None:
    from ovbench.report.sections import size_text

    answers = sum(entry.answers for entry in gone)
    typer.echo(f"removed {answers} answers, {size_text(sum(entry.size for entry in gone))}")
