"""From an external recipe to a system and to its part of a run's record."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from ovbench.errors import InputError
from ovbench.io.hashes import file_sha256
from ovbench.systems.external.recipe import PYTHON, ExternalRecipe
from ovbench.systems.external.running import ExternalSystem
from ovbench.tasks.item import Item

GUIDE = "docs/how-to/external-system.md"


class ExternalRecord(TypedDict):
    """Fields of a run's system record that an external recipe fills."""

    name: str
    kind: str
    recipe: str
    scale: str
    command: str
    parts: dict[str, str]


def open_system(recipe: ExternalRecipe, scale: str) -> ExternalSystem:
    """The system; its program is not started yet. Use it in a ``with`` block, or close it.

    Raises
    ------
    UnknownNameError
        If the recipe has no such scale.
    InputError
        If the program or its working folder is not there; the message says what to get.
    """
    find_program(recipe, scale)
    folder = None if recipe.folder is None else Path(recipe.filled(recipe.folder))
    if folder is not None and not folder.is_dir():
        raise InputError(
            "the program's working folder is not there",
            where=str(folder),
            expected=recipe.scale(scale).needs,
        )
    return ExternalSystem(recipe, scale)


def find_program(recipe: ExternalRecipe, scale: str) -> Path:
    """The program's file.

    Raises
    ------
    InputError
        If it is not there, or may not be run; the message says what to get.
    """
    program = recipe.command_at(scale)[0]
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    there = Path(program).is_file()
    raise InputError(
        f"the program {program!r} of model {recipe.name!r} "
        + ("may not be run" if there else "is not there"),
        expected=recipe.scale(scale).needs or "a program on PATH, or an absolute path",
        mend=f"chmod +x {shlex.quote(program)}"
        if there
        else f"write it as {GUIDE} shows, then run: ovbench eval --model {recipe.name} "
        f"--scale {scale}",
    )


def require_fields(recipe: ExternalRecipe, items: Iterable[Item], task: str) -> None:
    """Refuse a task none of whose items has a field that the program is shown.

    Raises
    ------
    InputError
        If every item of ``task`` lacks all of them.
    """
    if not any(getattr(item, name) for item in items for name in recipe.fields):
        raise InputError(
            f"no item of {task} has any of {', '.join(recipe.fields)}",
            where=f"model {recipe.name}",
            expected="something that the program can answer from",
            mend="point to the data set's files with --data DIR, or add a descriptions.jsonl",
        )


def record_fields(recipe: ExternalRecipe, scale: str) -> ExternalRecord:
    """What a run's record says of the system.

    ``command`` has its placeholders, so that it says nothing of this machine; ``parts`` has the
    SHA-256 of the program (but for the Python that runs ovbench) and of every argument that is a
    file, by what the recipe calls it. Raises as :func:`find_program`.
    """
    command = recipe.scale(scale).command
    filled = recipe.command_at(scale)
    files = {part: Path(path) for part, path in zip(command[1:], filled[1:], strict=True)}
    if command[0] != PYTHON:
        files = {command[0]: find_program(recipe, scale)} | files
    return ExternalRecord(
        name=recipe.name,
        kind=recipe.kind,
        recipe=recipe.digest(),
        scale=scale,
        command=shlex.join(command),
        parts={part: _sha256(path) for part, path in files.items() if path.is_file()},
    )


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
