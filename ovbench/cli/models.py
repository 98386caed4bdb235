"""``ovbench list`` and ``ovbench show``: the recipes."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt

list_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
show_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@list_app.callback()
def list_() -> None:
    """List what is registered.

    \b
    Example:
      ovbench list models
    """


@show_app.callback()
def show_() -> None:
    """Show one registered thing in full.

    \b
    Example:
      ovbench show model lora-las-r4
    """


@list_app.command("models")
def list_models(json: opt.Json = None) -> None:
    """List the systems that --model knows.

    Recipes ship with ovbench, lie in the folders named by OVBENCH_ADAPTERS, or come from installed
    packages (entry points of the group ovbench.systems).

    \b
    Examples:
      ovbench list models
      ovbench list models --json -
    """
    from ovbench.cli.console import show, write_json
    from ovbench.report.recipes import recipe_list, recipes_json
    from ovbench.systems.registry import load_recipe, recipe_names

    recipes = [load_recipe(name) for name in recipe_names()]
    if json is not None:
        write_json(json, recipes_json(recipes))
    if json != "-":
        show([recipe_list(recipes)])


@show_app.command("model")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A recipe's name or TOML file.")],
    json: opt.Json = None,
) -> None:
    """Show a recipe: method, both scales, prompt, context, licence, what its authors report.

    \b
    Examples:
      ovbench show model lora-las-r4
      ovbench show model my-recipe.toml --json -
    """
    from ovbench.cli.console import show, write_json
    from ovbench.report.recipes import recipe_card, recipes_json
    from ovbench.systems.registry import load_recipe

    recipe = load_recipe(name)
    if json is not None:
        write_json(json, recipes_json([recipe]))
    if json != "-":
        show(recipe_card(recipe))
