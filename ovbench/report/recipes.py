"""Recipes as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from ovbench.report.sections import DASH, Section
from ovbench.systems.recipe import CausalLmRecipe, ConstantRecipe, Scale

AnyRecipe = CausalLmRecipe | ConstantRecipe


def recipe_list(recipes: Iterable[AnyRecipe]) -> Section:
    """Every recipe on one line."""
    rows: list[tuple[str, ...]] = []
    for recipe in recipes:
        if isinstance(recipe, CausalLmRecipe):
            method = recipe.method
            scales, source = ", ".join(recipe.scales), recipe.context.source
            rows.append((recipe.name, method.name, str(method.r), scales, source, recipe.title))
        else:
            rows.append((recipe.name, "constant", DASH, "any", "none", recipe.title))
    return Section(
        "Models",
        ("name", "method", "rank", "scales", "context", "what"),
        tuple(rows),
        (
            "everything about one: ovbench show model NAME",
            "evaluate some: ovbench eval --model NAME[,NAME…]",
        ),
    )


def recipes_json(recipes: Iterable[AnyRecipe]) -> str:
    """``{"models": [...]}``: the recipes' fields, with the digest that a run records."""
    models = [recipe.model_dump(mode="json") | {"digest": recipe.digest()} for recipe in recipes]
    return json.dumps({"models": models}, indent=2, ensure_ascii=False) + "\n"


def recipe_card(recipe: AnyRecipe) -> Iterator[Section]:
    """Everything that a recipe says, in sections."""
    told = (("paper", recipe.paper), ("citation", recipe.citation), ("licence", recipe.licence))
    about = [("kind", recipe.kind), *((name, text) for name, text in told if text)]
    about.append(("digest", recipe.digest()))
    yield Section(f"{recipe.name}: {recipe.title}", ("", "value"), tuple(about), recipe.notes)
    if isinstance(recipe, ConstantRecipe):
        k = str(recipe.k or "mean number of labels of a train item")
        rows = [("answer", recipe.answer), *([("k", k)] if recipe.answer == "frequent-k" else [])]
        yield Section("Answer", ("", "value"), tuple(rows))
    else:
        yield Section("Method", ("setting", "value"), _rows(recipe.method))
        yield _scales(recipe)
        for name, scale in recipe.scales.items():
            yield _prompt(name, scale)
    if recipe.published:
        figures = [
            (p.dataset, p.metric, f"{p.value:g}", p.source, p.note or "") for p in recipe.published
        ]
        yield Section(
            "Published by its authors (not measured here)",
            ("dataset", "metric", "value", "source", "note"),
            tuple(figures),
        )


def _scales(recipe: CausalLmRecipe) -> Section:
    """Settings side by side, one column per scale."""
    columns = []
    for name, scale in recipe.scales.items():
        settings = {"backbone": scale.backbone, "prompt": scale.prompt.file}
        settings |= {"train task": recipe.train_task(name)}
        settings |= {"eval tasks": ", ".join(recipe.eval_tasks(name))}
        settings |= _named("training", scale.training)
        settings |= _named("context", recipe.context_at(name))
        settings |= _named("decoding", recipe.decoding_at(name))
        columns.append(settings)
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = tuple((key, *(column.get(key, DASH) for column in columns)) for key in keys)
    return Section("Scales", ("setting", *recipe.scales), rows)


def _prompt(name: str, scale: Scale) -> Section:
    prompt = scale.prompt
    rows = (("text", prompt.text), ("sha256", prompt.sha256))
    return Section(f"Prompt of scale {name}: {prompt.file}", ("", "value"), rows)


def _named(group: str, settings: BaseModel) -> dict[str, str]:
    return {f"{group}.{name}": value for name, value in _rows(settings)}


def _rows(settings: BaseModel) -> tuple[tuple[str, str], ...]:
    """The fields that say something, as text."""
    return tuple(
        (name, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
        for name, value in settings
        if value is not None
    )
