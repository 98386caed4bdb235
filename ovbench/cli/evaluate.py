"""``ovbench eval``: systems answer tasks, and are scored."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ovbench.cli import options as opt

if TYPE_CHECKING:
    from ovbench.runs.generation_cache import AnswerCache
    from ovbench.runs.preflight import Preflight
    from ovbench.runs.records import RunResult


class Backend(StrEnum):
    """What generates: transformers and PEFT, or vLLM."""

    hf = "hf"
    vllm = "vllm"


def evaluate(
    model: opt.Model,
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks", "-t", help="Tasks, comma-separated. Default: the recipe's at that scale."
        ),
    ] = None,
    scale: opt.Scale = "tiny",
    adapter: Annotated[
        str | None,
        typer.Option(help="Folder of a trained adapter, or of the training that made it."),
    ] = None,
    base: opt.Base = None,
    split: Annotated[
        str | None, typer.Option(help="Split of the tasks. Default: the one their cards mean.")
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit", "-L", help="Only the first N items, or this share; not comparable then."
        ),
    ] = None,
    batch_size: Annotated[
        str, typer.Option("--batch-size", "-b", help="Items generated together, or auto.")
    ] = "auto",
    device: opt.Device = "auto",
    dtype: opt.Dtype = None,
    backend: Annotated[
        Backend, typer.Option(help="What generates a language model's answers.")
    ] = Backend.hf,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Answer on so many Ray workers, each with the model."),
    ] = None,
    cache: Annotated[
        bool, typer.Option(help="Take answers from the cache, and keep new ones there.")
    ] = True,
    output_path: opt.OutputPath = opt.RUNS,
    log_samples: Annotated[
        bool, typer.Option("--log-samples", "-s", help="Write what every item scored, and why.")
    ] = False,
    seed: opt.Seed = 0,
    draws: opt.Draws = 10_000,
    confidence: opt.Confidence = 0.95,
    floors: Annotated[bool, typer.Option(help="Score the trivial answers too.")] = True,
    fresh: Annotated[
        bool, typer.Option(help="Throw away what an earlier run left in the same folder.")
    ] = False,
    data: opt.Data = None,
    json: opt.Json = None,
    format: Annotated[  # noqa: A002 - the option's name
        opt.Format, typer.Option("--format", "-f", help="How to print the report.")
    ] = opt.Format.table,
) -> None:
    """Let models answer a task's items, score the answers, and keep the run.

    The tiny scale needs no download: its backbone, adapters and data ship with ovbench. A run that
    was stopped goes on where it was, and ends with the same files.

    \b
    Examples:
      ovbench eval --model lora-las-r4
      ovbench eval --model lora-las-r4,affectgpt-lora-r8,frequent-k --tasks tinyov,tinyov-6class
      ovbench eval --model lora-las-r4 --limit 20 --json -
      ovbench eval --model prosody-lora-las-r4,single-layer-fusion --tasks tinyspeech-6class
      ovbench eval --model my-recipe.toml --adapter runs/my-recipe/train --log-samples
      ovbench eval --model lora-las-r4 --scale paper --base ~/models/Qwen2.5-7B-Instruct
      ovbench eval --model affectgpt-lora-r8 --scale paper --backend vllm --workers 8

    Answers are kept by content, so that nothing is generated twice on a machine (ovbench cache).
    Several processes: accelerate launch -m ovbench eval …

    What is missing (weights, adapter, memory, data) is told before anything is loaded.

    Exit codes: 0 scored, 1 failed while running (an adapter that does nothing, memory or disk that
    ran out), 2 bad input, or something is missing, 3 a damaged file, 130 stopped (what was done is
    kept).
    """
    from ovbench.cli import running
    from ovbench.cli.console import needs_models, note, show, watched, write_json
    from ovbench.report.runs import run_sections
    from ovbench.runs.engines import Engine
    from ovbench.runs.evaluate import EvalOptions
    from ovbench.runs.generation_cache import AnswerCache
    from ovbench.runs.parallel import is_first
    from ovbench.runs.recipe import evaluate_recipe
    from ovbench.runs.scores import results_json
    from ovbench.scoring import Options
    from ovbench.systems.registry import load_recipe

    names = opt.names(model, "model")
    task_names = None if tasks is None else opt.names(tasks, "task")
    where = running.place(scale, adapter, base, device, dtype)
    kept = AnswerCache() if cache else None
    chosen = EvalOptions(
        seed=seed,
        limit=running.limit(limit),
        fresh=fresh,
        log_samples=log_samples,
        cache=kept,
        scoring=Options(draws=draws, seed=seed, confidence=confidence, floors=floors),
    )
    size = running.batch_size(batch_size)
    recipes = [load_recipe(name) for name in names]  # a wrong one is told before work on others
    if is_first():
        running.say_scale(scale, task_names or [t for r in recipes for t in r.eval_tasks(scale)])

    def checked(found: Preflight) -> None:
        note(found.line())

    found = []
    for name in names:
        with needs_models("ovbench eval"), watched():
            found += evaluate_recipe(
                name,
                task_names,
                out=output_path,
                place=where,
                batch_size=size,
                options=chosen,
                split=split,
                on_preflight=checked,
                engine=Engine(backend.value, workers),
            )
    if not is_first():
        return
    _say_cached(found, kept)
    if json is not None:
        write_json(json, results_json(result for run in found for result in run.results))
    if json != "-":
        show(run_sections(found), format.value)


def _say_cached(found: Sequence[RunResult], cache: AnswerCache | None) -> None:
    """What was not generated, and what could not be kept."""
    from ovbench.cli import running
    from ovbench.cli.console import note

    for run in found:
        if run.cached:
            note(f"{run.folder}: {run.cached} answers from the cache (ovbench cache)")
    running.say_cache_fault(cache)
