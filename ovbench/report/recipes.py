"""Recipes as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel

from ovbench.report.sections import DASH, Section
from ovbench.systems.prompting import Prompt
from ovbench.systems.recipe import (
    TRAINABLE,
    CausalLmRecipe,
    ConstantRecipe,
    Recipe,
)


def recipe_list(recipes: Iterable[Recipe]) -> Section:
    """Every recipe on one line."""
    rows: list[tuple[str, ...]] = []
    for recipe in recipes:
        method = getattr(recipe, "method", None)
        scales = ", ".join(getattr(recipe, "scales", ())) or "any"
        source = recipe.context.source if isinstance(recipe, CausalLmRecipe) else DASH
        rows.append(
            (
                recipe.name,
                recipe.kind,
                getattr(method, "name", DASH),
                str(getattr(method, "r", DASH)),
                scales,
                source,
                recipe.title,
            )
        )
    return Section(
        "Models",
        ("name", "kind", "method", "rank", "scales", "context", "what"),
        tuple(rows),
        (
            "everything about one: ovbench show model NAME",
            "evaluate some: ovbench eval --model NAME[,NAME…]",
        ),
    )


def recipes_json(recipes: Iterable[Recipe]) -> str:
    """``{"models": [...]}``: the recipes' fields, with the digest that a run records."""
    models = [recipe.model_dump(mode="json") | {"digest": recipe.digest()} for recipe in recipes]
    return json.dumps({"models": models}, indent=2, ensure_ascii=False) + "\n"


def recipe_card(recipe: Recipe) -> Iterator[Section]:
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
        yield from _made_of(recipe)
    if recipe.published:
        figures = [
            (p.dataset, p.metric, f"{p.value:g}", p.source, p.note or "") for p in recipe.published
        ]
        yield Section(
            "Published by its authors (not measured here)",
            ("dataset", "metric", "value", "source", "note"),
            tuple(figures),
        )


_TOLD = {
    *("kind", "name", "title", "paper", "citation", "licence", "notes", "published", "scales"),
    *("method", "context", "decoding", "describer"),
}
"""Fields of a recipe that are shown elsewhere than among its settings."""


def _made_of(recipe: Recipe) -> Iterator[Section]:
    """Settings, method and scales of a recipe that has them."""
    settings = tuple((name, value) for name, value in _rows(recipe) if name not in _TOLD)
    if settings:
        yield Section("Settings", ("setting", "value"), settings)
    method = getattr(recipe, "method", None)
    if method is not None:
        yield Section("Method", ("setting", "value"), _rows(method))
    scales = getattr(recipe, "scales", {})
    if scales:
        yield _scales(recipe, scales)
    for name, scale in scales.items():
        for prompt in _prompts(scale):
            yield _prompt(name, prompt)


def _scales(recipe: Recipe, scales: Mapping[str, BaseModel]) -> Section:
    """Settings side by side, one column per scale."""
    columns = []
    for name, scale in scales.items():
        settings = {"eval tasks": ", ".join(recipe.eval_tasks(name))}
        if isinstance(recipe, TRAINABLE):
            settings |= {"train task": recipe.train_task(name)}
        settings |= dict(_flat(scale))
        if isinstance(recipe, CausalLmRecipe):
            settings |= _named("context", recipe.context_at(name))
            settings |= _named("decoding", recipe.decoding_at(name))
        columns.append(settings)
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = tuple((key, *(column.get(key, DASH) for column in columns)) for key in keys)
    return Section("Scales", ("setting", *scales), rows)


def _flat(scale: BaseModel) -> Iterator[tuple[str, str]]:
    """The settings of a scale, those of its parts behind the part's name; a prompt by its file."""
    for name, value in scale:
        if isinstance(value, Prompt):
            yield name, value.file
        elif isinstance(value, BaseModel):
            yield from ((f"{name}.{key}", text) for key, text in _flat(value))
        elif value is not None and name not in ("train_task", "eval_tasks"):
            yield name, _text(value)


def _prompts(scale: BaseModel) -> Iterator[Prompt]:
    """The prompts of a scale and of its parts."""
    for _, value in scale:
        if isinstance(value, Prompt):
            yield value
        elif isinstance(value, BaseModel):
            yield from _prompts(value)


def _prompt(scale: str, prompt: Prompt) -> Section:
    rows = (("text", prompt.text), ("sha256", prompt.sha256))
    return Section(f"Prompt of scale {scale}: {prompt.file}", ("", "value"), rows)


def _named(group: str, settings: BaseModel) -> dict[str, str]:
    return {f"{group}.{name}": value for name, value in _rows(settings)}


def _rows(settings: BaseModel) -> tuple[tuple[str, str], ...]:
    """The fields that say something, as text."""
    return tuple((name, _text(value)) for name, value in settings if value is not None)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    return str(value)
