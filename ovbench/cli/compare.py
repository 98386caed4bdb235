"""``ovbench compare``: methods side by side, over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ovbench.cli import options as opt
from ovbench.cli.given import refuse
from ovbench.errors import InputError

if TYPE_CHECKING:
    from ovbench.runs.comparison import Comparison
    from ovbench.runs.place import Place


def compare(
    context: typer.Context,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|NAME…", help="Run folders, or recipes; the first is compared to."
        ),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Recipes: training seeds 0, 1, … of each.")] = 5,
    tasks: Annotated[
        str | None,
        typer.Option(
            "--task",
            "--tasks",
            "-t",
            help="Recipes: the task to train and evaluate on; or views of the same items, "
            "comma-separated: a recipe is trained on its own if it is one of them, else on the "
            "first. Default: the first recipe's at that scale.",
        ),
    ] = None,
    noise: Annotated[
        bool,
        typer.Option(help="Recipes: train the first again in another batch order (noise floor)."),
    ] = True,
    noise_run: Annotated[
        list[str] | None,
        typer.Option(help="Runs: one with the same seed in another batch order; repeatable."),
    ] = None,
    scale: opt.Scale = "tiny",
    base: opt.Base = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = None,
    batch_size: Annotated[
        str, typer.Option("--batch-size", "-b", help="Items generated together, or auto.")
    ] = "auto",
    cache: Annotated[
        bool, typer.Option(help="Recipes: take answers from the cache, and keep new ones there.")
    ] = True,
    output_path: Annotated[
        str, typer.Option("--output-path", "-o", help="Recipes: folder of trainings and runs.")
    ] = "comparison",
    draws: opt.Draws = 10_000,
    data: opt.Data = None,
    json: opt.Json = None,
    markdown: Annotated[
        str | None, typer.Option(help="Write the table as Markdown to a file.")
    ] = None,
    plot: Annotated[
        str | None, typer.Option(help="Write the plot to a file: .svg or .png.")
    ] = None,
) -> None:
    """Compare methods: scores, paired differences to the first, costs, and the noise floor.

    Given recipes, whatever is missing is trained and evaluated; a comparison that was stopped goes
    on where it was. Given run folders, those of one method under several seeds make one row.

    \b
    Examples:
      ovbench compare affectgpt-lora-r8 lora-las-r4 --seeds 5 --plot comparison.svg
      ovbench compare runs/affectgpt-lora-r8/tinyov runs/lora-las-r4/tinyov
      ovbench compare affectgpt-lora-r8 dora-r8 --seeds 3 --markdown table.md --json -
      ovbench compare prosody-lora-las-r8 single-layer-fusion --task tinyspeech,tinyspeech-6class

    Exit codes: 0 compared, 1 failed while running (memory or disk that ran out), 2 bad input,
    or something is missing, 3 a damaged file, 130 stopped (what was done is kept).
    """
    from ovbench.cli import running
    from ovbench.cli.console import needs_models, show, watched, write_json
    from ovbench.io.atomic import write_text
    from ovbench.report import render
    from ovbench.report.comparison import comparison_lines, comparison_sections
    from ovbench.report.plot import check_plot, write_plot

    if plot is not None:
        check_plot(plot)
    where, size = running.place(scale, None, base, device, dtype), running.batch_size(batch_size)
    are_runs = [Path(one).is_dir() for one in what]
    if any(are_runs) != all(are_runs):
        raise InputError("run folders and names of recipes are mixed", expected="one or the other")
    if all(are_runs):
        refuse(
            context,
            ("seeds", "tasks", "noise", "batch_size", "cache", "output_path"),
            "run folders",
            expected="it with recipes, which are trained and evaluated",
        )
    with needs_models("ovbench compare"), watched():
        if all(are_runs):
            found = _of_runs(what, noise_run or [], where, draws)
        else:
            if noise_run:
                raise InputError("--noise-run goes with run folders", mend="leave it out")
            from ovbench.systems.registry import load_recipe

            asked = None if tasks is None else opt.names(tasks, "task")
            running.say_scale(scale, asked or load_recipe(what[0]).eval_tasks(scale))
            found = _of_recipes(what, seeds, output_path, asked, where, size, noise, draws, cache)
    if json is not None:
        write_json(json, found.to_json())
    if markdown is not None:
        write_text(markdown, render.markdown(comparison_sections(found)))
    if plot is not None:
        write_plot(found, plot)
    if json != "-":
        show(comparison_lines(found))


def _of_runs(folders: list[str], noise: list[str], place: Place, draws: int) -> Comparison:
    from ovbench.runs.compare import compare_runs
    from ovbench.runs.costs import costs_of_runs, with_costs

    found = compare_runs(folders, noise=noise, draws=draws)
    return with_costs(found, costs_of_runs(found, place))


def _of_recipes(
    names: list[str],
    seeds: int,
    out: str,
    tasks: list[str] | None,
    place: Place,
    batch_size: int | str,
    noise: bool,
    draws: int,
    cache: bool,
) -> Comparison:
    from ovbench.cli import running
    from ovbench.runs.generation_cache import AnswerCache
    from ovbench.runs.replicate import compare_recipes

    kept = AnswerCache() if cache else None
    found = compare_recipes(
        names,
        seeds=seeds,
        out=out,
        tasks=tasks,
        place=place,
        batch_size=batch_size,  # type: ignore[arg-type]
        noise=noise,
        draws=draws,
        cache=kept,
    )
    running.say_cache_fault(kept)
    return found
