"""A grid of settings, from text: ``lora_r=16,32,64 lora_alpha=32,64`` → recipes, one per cell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems.recipe_base import BaseRecipe

Value = str | int | float | bool | None
Cell = dict[str, Value]
"""Key → value, in the grid's order."""
R = TypeVar("R", bound=BaseRecipe)

_EXAMPLE = "--grid lora_r=16,32,64 lora_alpha=32,64"
_ALIASES = {"lora_r": "r"}
_KINDS = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
}
"""What a setting takes, by the error that another value makes."""
_LENGTHS = {"steps": "epochs", "epochs": "steps"}
"""Training has one of the two: who sets one unsets the other."""


@dataclass(frozen=True)
class Axis:
    """One key of a grid.

    Attributes
    ----------
    key:
        As the user wrote it.
    path:
        Where the setting stands in the recipe.
    values:
        In the order given, at least one.
    """

    key: str
    path: tuple[str, ...]
    values: tuple[Value, ...]


def read_grid(texts: Sequence[str], recipe: BaseRecipe, scale: str) -> tuple[Axis, ...]:
    """The axes of a grid over a recipe's method and training settings at a scale.

    Parameters
    ----------
    texts:
        ``KEY=V1,V2,…`` each; ``none`` unsets what may be unset.

    Raises
    ------
    InputError
        If there is no grid, a key has no values or comes twice, a value comes twice, or a value
        does not fit its key (or the other values of a cell).
    UnknownNameError
        If the recipe has no such setting.
    """
    if not texts:
        raise InputError("there is no grid", expected=_EXAMPLE)
    known = settings_of(recipe, scale)
    axes: list[Axis] = []
    for text in texts:
        key, equals, listed = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise InputError(f"--grid {text}", expected=f"KEY=V1,V2,…, as in {_EXAMPLE}")
        path = known.get(key) or known.get(_ALIASES.get(key, ""))
        if path is None:
            raise UnknownNameError(f"setting of {recipe.name}", key, {*known, *_aliases_in(known)})
        if any(axis.path == path for axis in axes):
            raise InputError(f"the grid has {key!r} twice", mend="give all its values at once")
        if (other := _LENGTHS.get(path[-1])) in {axis.path[-1] for axis in axes}:
            raise InputError(
                f"the grid has {key!r} and {other!r}",
                expected="one of them: each says how long to train, and unsets the other",
            )
        axes.append(Axis(key, path, _values(key, listed)))
    for cell in cells(axes):
        variant(recipe, axes, cell)
    return tuple(axes)


def cells(axes: Iterable[Axis]) -> Iterator[Cell]:
    """Every combination, the last key's values running fastest."""
    every = tuple(axes)
    for values in itertools.product(*(axis.values for axis in every)):
        yield {axis.key: value for axis, value in zip(every, values, strict=True)}


def cell_name(cell: Mapping[str, Value]) -> str:
    """``lora_r=16,lora_alpha=32``, as a folder can be called."""
    text = ",".join(f"{key}={shown(value)}" for key, value in cell.items())
    return re.sub(r"[^A-Za-z0-9.+=,_-]", "_", text)


def shown(value: Value) -> str:
    """A value as it is written in a grid."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(value)


def variant(recipe: R, axes: Iterable[Axis], cell: Mapping[str, Value]) -> R:
    """The recipe with a cell's settings in place of its own.

    Raises
    ------
    InputError
        If they do not fit the recipe, or each other.
    """
    fields = recipe.model_dump()
    for axis in axes:
        if axis.key in cell:
            *way, name = axis.path
            part = fields
            for step in way:
                part = part[step]
            part[name] = cell[axis.key]
            if way[-1:] == ["training"] and _LENGTHS.get(name) in part:
                part[_LENGTHS[name]] = None
    try:
        return type(recipe).model_validate(fields)
    except PydanticError as error:
        raise _misfit(error, axes, cell) from None


def _misfit(error: PydanticError, axes: Iterable[Axis], cell: Mapping[str, Value]) -> InputError:
    """What does not fit: the setting that the error is of, or the cell as a whole."""
    first = error.errors()[0]
    reason = _KINDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    for axis in axes:
        if first["loc"] and first["loc"][-1] == axis.path[-1]:
            given = f"--grid {axis.key}={shown(cell[axis.key])}"
            return InputError(given, expected=reason.removeprefix("Input should be "))
    return InputError(f"--grid {cell_name(cell)}: {reason[:1].lower()}{reason[1:]}")


def settings_of(recipe: BaseRecipe, scale: str) -> dict[str, tuple[str, ...]]:
    """Every setting that a grid may have: its name, and where it stands in the recipe.

    The method's come before the training's, and those before the recipe's own.

    Raises
    ------
    UnknownNameError
        If the recipe has no such scale.
    """
    training = recipe.scale(scale).training  # type: ignore[attr-defined]
    own = {name for name in _scalars(recipe) if name not in BaseRecipe.model_fields}
    found: dict[str, tuple[str, ...]] = {
        name: (name,) for name in sorted(own) if name not in ("kind", "fallback")
    }
    found |= {name: ("scales", scale, "training", name) for name in _scalars(training)}
    method = getattr(recipe, "method", None)
    if isinstance(method, BaseModel):
        found |= {name: ("method", name) for name in _scalars(method) if name != "name"}
    return found


def _aliases_in(known: Iterable[str]) -> set[str]:
    names = set(known)
    return {alias for alias, name in _ALIASES.items() if name in names}


def _scalars(part: BaseModel) -> list[str]:
    return [name for name, field in type(part).model_fields.items() if _scalar(field.annotation)]


def _scalar(annotation: Any) -> bool:
    """Whether a field holds one number, word or truth value (or nothing)."""
    if annotation in (int, float, str, bool, type(None)):
        return True
    if get_origin(annotation) in (tuple, list, dict):
        return False
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return True
    if hasattr(annotation, "__metadata__"):
        return _scalar(parts[0])
    return bool(parts) and all(_scalar(part) for part in parts)


def _values(key: str, listed: str) -> tuple[Value, ...]:
    texts = [part.strip() for part in listed.split(",")]
    if not all(texts):
        raise InputError(
            f"--grid {key}={listed}: an empty value",
            expected=f"values between the commas: {_EXAMPLE}",
        )
    values = [_value(text) for text in texts]
    for at, value in enumerate(values):
        if value in values[:at]:
            raise InputError(f"--grid {key}={listed}: {shown(value)} comes twice")
    return tuple(values)


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    if text == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
