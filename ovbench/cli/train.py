"""``ovbench train``: fine-tune a recipe's adapter."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ovbench.cli import options as opt


def train(
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A recipe's name (ovbench list models) or TOML file."),
    ],
    scale: opt.Scale = "tiny",
    task: Annotated[
        str | None,
        typer.Option(
            help="Task whose train and dev splits are used. Default: the recipe's at that scale."
        ),
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of a task with folds: train on fold N's train split, choose on its dev split.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the adapter's first weights and dropout.")
    ] = 0,
    batch_order_seed: Annotated[
        int | None, typer.Option(min=0, help="Of the order of the batches. Default: the seed.")
    ] = None,
    base: opt.Base = None,
    output_path: Annotated[
        str | None,
        typer.Option(
            "--output-path", "-o", help="Folder. Default: runs/NAME/train, or train-fold2."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with a training that was stopped; exact to the last bit.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps, in place of the recipe's.")
    ] = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = None,
    tracker: Annotated[str | None, typer.Option(help="Also log to: tensorboard or wandb.")] = None,
    data: opt.Data = None,
    json: opt.Json = None,
) -> None:
    """Fine-tune a recipe's adapter on a task's train split; dev chooses the checkpoint.

    The adapter is found by ovbench eval where it is written by default. Several processes:
    accelerate launch -m ovbench train …

    \b
    Examples:
      ovbench train --model lora-las-r4
      ovbench train --model dora-r8 --seed 3 --output-path runs/dora-r8/seed3
      ovbench train --model lora-las-r4 --resume
      ovbench train --model peft-ser-whisper-tiny-lora
      ovbench train --model lora-las-r4 --scale paper --base ~/models/Qwen2.5-7B-Instruct
      ovbench train --model cmgi-fusion --scale paper --task iemocap-4class --fold 2

    A fold's training is evaluated with: ovbench eval … --split fold2-test --adapter FOLDER.

    What is missing (weights, memory, data) is told before anything is loaded.

    Exit codes: 0 trained, 1 failed while training (a loss that is not a number, memory or disk that
    ran out), 2 bad input, or something is missing, 3 a damaged file, 130 stopped (go on with
    --resume).
    """
    from ovbench.cli import running
    from ovbench.cli.console import needs_models, show, training_line, write_json
    from ovbench.report.speech_training import speech_training_sections
    from ovbench.report.training import training_sections
    from ovbench.runs.place import train_folder
    from ovbench.systems import CausalLmRecipe
    from ovbench.systems.registry import load_trainable

    recipe = load_trainable(model)
    usual = train_folder(opt.RUNS, recipe.name, scale)
    if fold is not None:
        usual = usual.with_name(f"{usual.name}-fold{fold}")
    out = Path(output_path) if output_path else usual
    chosen = task or recipe.train_task(scale)
    running.say_scale(scale, [chosen])
    reads = isinstance(recipe, CausalLmRecipe)  # the others show their own progress
    line = training_line(f"training {recipe.name}") if reads else nullcontext()
    with needs_models("ovbench train"), line as on_step:
        from ovbench.training.processes import is_main_process
        from ovbench.training.report import TrainingReport
        from ovbench.training.splits import fold_of
        from ovbench.training.start import train_recipe

        report = train_recipe(
            recipe,
            scale,
            seed,
            out,
            base=base,
            resume=resume,
            batch_order_seed=batch_order_seed,
            device=device,
            dtype=dtype,
            tracker=tracker,
            on_step=on_step,
            steps=steps,
            task=chosen,
            splits=None if fold is None else fold_of(chosen, fold),
        )
    if not is_main_process():
        return
    if json is not None:
        write_json(json, report.to_json())
    if json == "-":
        return
    if isinstance(report, TrainingReport):
        show(training_sections(report, out, model))
    else:
        show(speech_training_sections(report, out, model))
