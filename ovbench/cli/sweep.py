"""``ovbench sweep``: a grid of settings, cross-validated on training data."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt


def sweep(
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A recipe's name (ovbench list models) or TOML file."),
    ],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=V1,V2…]…", help="More keys of the grid.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2…",
            help="Values of a setting of the recipe's method or training; further keys follow, or "
            "repeat the option.",
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Stratified folds.")] = 5,
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="Task to train on. Default: the recipe's at that scale."),
    ] = None,
    split: Annotated[str, typer.Option(help="Split to deal to folds: one to train on.")] = "train",
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "-p",
            help="How to score. Default: the task's first; of a class task, its first closed-set.",
        ),
    ] = None,
    scale: opt.Scale = "tiny",
    base: opt.Base = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = None,
    batch_size: Annotated[
        str, typer.Option("--batch-size", "-b", help="Items generated together, or auto.")
    ] = "auto",
    cache: Annotated[
        bool, typer.Option(help="Take answers from the cache, and keep new ones there.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and of every training.")] = 0,
    limit: Annotated[
        float | None,
        typer.Option("--limit", "-L", help="Take only N items of the split, or a share below 1."),
    ] = None,
    draws: opt.Draws = 10_000,
    output_path: Annotated[
        str, typer.Option("--output-path", "--out", "-o", help="Folder of trainings and answers.")
    ] = "sweep",
    plot: Annotated[
        str | None,
        typer.Option(help="Draw a heat map (two keys) or a line (one): .svg or .png."),
    ] = None,
    markdown: Annotated[
        str | None, typer.Option(help="Write the table as Markdown to a file.")
    ] = None,
    json: opt.Json = None,
    data: opt.Data = None,
) -> None:
    """Train every cell of a grid on every fold of a training split, and score the folds held out.

    Test splits are never touched, and no score here is a test score: the best cell's is optimistic,
    because it was chosen by it. A sweep that was stopped goes on where it was, and more values can
    be added to one that is finished.

    \b
    Examples:
      ovbench sweep --model thau-gemma-lora --grid lora_r=16,32,64 lora_alpha=32,64 --seed 42
      ovbench sweep --model thau-gemma-lora --grid lora_r=16,64 --folds 2 --limit 60
      ovbench sweep --model affectgpt-lora-r8 --grid lora_r=4,8,16 lora_alpha=8,16 --plot heat.svg
      ovbench sweep --model thau-gemma-lora --scale paper --grid lora_r=16,64 --base ~/gemma
      ovbench sweep --model mine.toml --task emospeech --grid learning_rate=1e-4,1e-3 epochs=4,6

    Exit codes: 0 done, 1 failed while training (memory or disk that ran out), 2 bad input, or
    something is missing, 3 a damaged file, 130 stopped (what was done is kept).
    """
    from ovbench.cli import running
    from ovbench.cli.console import needs_models, show, watched, write_json
    from ovbench.io.atomic import write_text
    from ovbench.report import render
    from ovbench.report.sweep import check_figure, sweep_sections, write_figure
    from ovbench.runs.generation_cache import AnswerCache
    from ovbench.runs.grid import read_grid
    from ovbench.runs.sweep import sweep as run
    from ovbench.systems.registry import load_trainable

    recipe, texts = load_trainable(model), [*(grid or []), *(more or [])]
    axes = read_grid(texts, recipe, scale)
    if plot is not None:
        check_figure(plot, {axis.key: axis.values for axis in axes})
    chosen = task or recipe.train_task(scale)
    running.say_scale(scale, [chosen])
    kept = AnswerCache() if cache else None
    with needs_models("ovbench sweep"), watched():
        found = run(
            model,
            texts,
            out=output_path,
            task=chosen,
            split=split,
            folds=folds,
            seed=seed,
            limit=running.limit(limit),
            place=running.place(scale, None, base, device, dtype),
            protocol=protocol,
            batch_size=running.batch_size(batch_size),
            draws=draws,
            cache=kept,
        )
    running.say_cache_fault(kept)
    if json is not None:
        write_json(json, found.to_json())
    if markdown is not None:
        write_text(markdown, render.markdown(sweep_sections(found)))
    if plot is not None:
        write_figure(found, plot)
    if json != "-":
        show(sweep_sections(found))
