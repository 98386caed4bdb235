"""Recipes by name: the bundled ones, folders on ``OVBENCH_ADAPTERS``, and entry points.

Third parties add a TOML file, a folder on ``OVBENCH_ADAPTERS`` (several are separated as on
``PATH``), or a Python entry point in the group ``ovbench.systems`` that names a recipe and leads to
its file: a path, or a function that returns one.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import ovbench
from ovbench.errors import InputError, UnknownNameError
from ovbench.io.toml import toml_fields, toml_text
from ovbench.systems.recipe import (
    TRAINABLE,
    CausalLmRecipe,
    ConstantRecipe,
    Recipe,
    Trainable,
    read_recipe,
)

FOLDERS_VARIABLE = "OVBENCH_ADAPTERS"
ENTRY_POINTS = "ovbench.systems"


@cache
def bundled_folder() -> Path:
    """Where the bundled recipes are: beside the modules in a wheel, above them in a checkout.

    Raises
    ------
    InputError
        If they are in neither place.
    """
    package = Path(ovbench.__file__).resolve().parent
    for folder in (package / "adapters", package.parent / "adapters"):
        if any(folder.glob("*.toml")):
            return folder
    raise InputError(
        "the bundled recipes are not there",
        where=str(package / "adapters"),
        mend="install ovbench again",
    )


def recipe_names() -> tuple[str, ...]:
    """Names of all registered recipes, sorted. Raises as :func:`load_recipe`."""
    return tuple(sorted({**_entry_points(), **_files()}))


def load_recipe(name: str | Path) -> Recipe:
    """A recipe by its name, or from the TOML file at a path.

    Raises
    ------
    UnknownNameError
        If no recipe has that name; the message names the nearest ones.
    InputError
        If its file cannot be read or does not describe a recipe, or if two registered files (or the
        file given and another, registered one) give different recipes the same name.
    """
    text = str(name)
    files, points = _files(), _entry_points()
    if text.endswith(".toml"):
        return _from_path(Path(text), files)
    if text in files and text in points:
        raise _same_name(text, files[text], f"the entry point {points[text].value}")
    if text in files:
        return read_recipe(files[text])
    if text in points:
        return _from_entry_point(points[text])
    raise UnknownNameError(
        "model", text, {*files, *points}, mend="list them with: ovbench list models"
    )


def load_trainable(name: str | Path) -> Trainable:
    """A recipe that trains something. Raises as :func:`load_recipe`, and for any other."""
    recipe = load_recipe(name)
    if not isinstance(recipe, TRAINABLE):
        raise InputError(
            nothing_to_train(recipe),
            mend=f"run it as it is: ovbench eval --model {name}",
        )
    return recipe


def nothing_to_train(recipe: Recipe) -> str:
    """Why a recipe cannot be trained, as a clause."""
    why = (
        "it answers the same whatever the item"
        if isinstance(recipe, ConstantRecipe)
        else "its models come as they are"
    )
    return f"model {recipe.name!r} has nothing to train: {why}"


def load_tunable(name: str | Path) -> CausalLmRecipe:
    """A fine-tuned language model's recipe. Raises as :func:`load_recipe`, and for other kinds."""
    recipe = load_recipe(name)
    if not isinstance(recipe, CausalLmRecipe):
        raise InputError(
            f"model {recipe.name!r} is of kind {recipe.kind!r}",
            expected="a recipe of kind 'causal_lm'",
            mend="list them with: ovbench list models",
        )
    return recipe


def _from_path(path: Path, files: dict[str, Path]) -> Recipe:
    recipe = read_recipe(path)
    other = files.get(recipe.name)
    if other and not path.samefile(other) and read_recipe(other) != recipe:
        raise _same_name(recipe.name, other, path)
    return recipe


def _files() -> dict[str, Path]:
    """The recipe files of all folders, by the name that each gives itself."""
    found: dict[str, Path] = {}
    for folder in (bundled_folder(), *_user_folders()):
        for path in sorted(folder.glob("*.toml")):
            name = _name_in(path)
            if name in found and not path.samefile(found[name]):
                raise _same_name(name, found[name], path)
            found[name] = path
    return found


def _user_folders() -> list[Path]:
    folders = [
        Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part
    ]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{folder} is not a folder",
                where=FOLDERS_VARIABLE,
                expected=f"folders with recipes, separated by {os.pathsep!r}",
            )
    return folders


def _name_in(path: Path) -> str:
    """The name that a recipe file gives itself; what else it says is read when it is used."""
    text = toml_text(path)
    try:
        name = toml_fields(text, str(path)).get("name")
    except InputError:
        name = None
    return name if isinstance(name, str) else path.stem


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _from_entry_point(point: EntryPoint) -> Recipe:
    where = f"entry point {point.name} = {point.value}"
    try:
        target = point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(f"cannot be loaded ({error})", where=where) from None
    path = target() if callable(target) else target
    if not isinstance(path, str | Path):
        raise InputError(
            f"leads to {type(path).__name__}", where=where, expected="the path of a TOML file"
        )
    recipe = read_recipe(Path(path))
    if recipe.name != point.name:
        raise InputError(f"leads to a recipe called {recipe.name!r}", where=where)
    return recipe


def _same_name(name: str, first: Path, second: Path | str) -> InputError:
    return InputError(
        f"two recipes are called {name!r}: {first} and {second}", mend="rename one of them"
    )
