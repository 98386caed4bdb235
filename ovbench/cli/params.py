"""``ovbench params``: what a recipe trains, counted without weights."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt


def params(
    model: opt.Model,
    base: Annotated[
        str,
        typer.Option(help="A known base, its name on the hub, or a folder with a config.json."),
    ] = "qwen2.5-7b",
    label_dim: Annotated[
        int | None,
        typer.Option(
            min=1, help="Length of the label context (LoRA-LAS). Default: 768 as published."
        ),
    ] = None,
    json: opt.Json = None,
) -> None:
    """Count what recipes train on a base: adapter and context projection apart.

    LoRA-LAS is counted with each form of its context projection, the recipe's own first.
    Nothing is downloaded: the shapes of common bases ship with ovbench.

    \b
    Examples:
      ovbench params --model lora-las-r4
      ovbench params --model lora-las-r4,lora-las-r4-full,dora-r8 --base qwen2.5-7b
      ovbench params --model lora-las-r4 --base ~/models/Qwen2.5-0.5B --json -
    """
    from ovbench.cli.console import needs_models, show, write_json
    from ovbench.report.parameters import parameters_json, parameters_section
    from ovbench.systems.registry import load_tunable

    recipes = [load_tunable(name) for name in opt.names(model, "model")]
    with needs_models("ovbench params"):
        from ovbench.systems.parameters import count_parameters, every_projection

        counts = [
            count_parameters(form, base, label_dim=label_dim)
            for recipe in recipes
            for form in every_projection(recipe)
        ]
    if json is not None:
        write_json(json, parameters_json(counts))
    if json != "-":
        show([parameters_section(counts)])
