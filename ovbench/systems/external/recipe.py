"""What an external recipe says: which program, what it is shown, how long it may take."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from ovbench.systems.recipe_base import (
    EVAL_TASKS,
    TRAIN_TASK,
    BaseRecipe,
    ScaleName,
    scale_name,
    scale_of,
)
from ovbench.systems.settings import Count, Number, Setting, Whole

FieldName = Literal["audio", "transcript", "description"]
PYTHON = "{python}"
RECIPE_FOLDER = "{recipe_folder}"
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ExternalScale(Setting):
    """The program at one scale."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """The program and its arguments, run as they are, without a shell. The program is a name that
    is looked for on ``PATH``, or an absolute path. ``{python}`` is the Python that runs ovbench,
    ``{recipe_folder}`` the folder of the recipe's file; there are no other placeholders."""
    needs: str | None = None
    """What to get, and where to put it; told where the program is not there."""
    eval_tasks: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Tasks that ``ovbench eval`` takes where none are named; default: ``EVAL_TASKS``."""

    @field_validator("command")
    @classmethod
    def _command_is_plain(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        for part in command:
            for found in _PLACEHOLDER.findall(part):
                if found not in (PYTHON, RECIPE_FOLDER):
                    raise ValueError(f"{found} is no placeholder: {PYTHON}, {RECIPE_FOLDER}")
            if "\0" in part:
                raise ValueError("an argument holds a null character")
        program = command[0]
        rooted = program.startswith((PYTHON, RECIPE_FOLDER)) or Path(program).is_absolute()
        if not rooted and Path(program).name != program:
            raise ValueError(
                f"the program {program!r} is a relative path; begin it with {RECIPE_FOLDER}/"
            )
        return command


class ExternalRecipe(BaseRecipe):
    """A program that answers items: whatever runs elsewhere, in an environment of its own."""

    kind: Literal["external"]
    scales: dict[ScaleName, ExternalScale] = Field(min_length=1)
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)] = (
        "audio",
        "transcript",
        "description",
    )
    """What it is shown of an item beside its id. No item has gold."""
    timeout_seconds: Number = Field(default=120.0, gt=0)
    """Longest wait for the next answer. Then the item that has waited longest has failed."""
    startup_seconds: Number = Field(default=600.0, ge=0)
    """Added to the first wait after each start, in which the program loads its model."""
    restarts: Annotated[Whole, Field(ge=0)] = 3
    """How often in a row, without an answer between, it is started again before the run stops."""
    batch: Count = 1
    """Most items that it has been sent and has not answered."""
    folder: str | None = None
    """Where it runs: an absolute path or ``{recipe_folder}/…``; default: where ovbench runs."""
    env: tuple[str, ...] = ()
    """Names of environment variables that it sees beside the usual few (``PATH``, ``HOME``, …)."""
    _home: Path | None = PrivateAttr(default=None)

    @field_validator("env")
    @classmethod
    def _names_of_variables(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is no variable's name; values are not given here")
        return names

    @field_validator("folder")
    @classmethod
    def _folder_is_rooted(cls, folder: str | None) -> str | None:
        if folder and not folder.startswith(RECIPE_FOLDER) and not Path(folder).is_absolute():
            raise ValueError(f"{folder!r} is relative; begin it with {RECIPE_FOLDER}/")
        return folder

    @model_validator(mode="after")
    def _knows_its_home(self, info: ValidationInfo) -> Self:
        used = [part for scale in self.scales.values() for part in scale.command]
        if any(RECIPE_FOLDER in part for part in (*used, self.folder or "")) and info.context:
            self._home = Path(info.context["folder"]).absolute()
        return self

    def scale(self, name: str) -> ExternalScale:
        """The part for one scale. Raises :class:`UnknownNameError` if the recipe has no such."""
        return scale_of(self.name, self.scales, name)

    def train_task(self, scale: str) -> str:
        """The task whose train split stands for its training data, where one is asked for."""
        return TRAIN_TASK[scale_name(scale)]

    def eval_tasks(self, scale: str) -> tuple[str, ...]:
        """The tasks that it is evaluated on at that scale, where none are named."""
        return self.scale(scale).eval_tasks or EVAL_TASKS[scale_name(scale)]

    def command_at(self, scale: str) -> tuple[str, ...]:
        """Program and arguments with the placeholders filled in."""
        return tuple(self.filled(part) for part in self.scale(scale).command)

    def filled(self, text: str) -> str:
        """``text`` with the placeholders filled in."""
        home = "" if self._home is None else str(self._home)
        return text.replace(PYTHON, sys.executable).replace(RECIPE_FOLDER, home)
