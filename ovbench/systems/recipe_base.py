"""What every recipe has, whatever its kind, and the prompt field that several kinds share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationInfo

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems.prompting import Prompt, read_prompt
from ovbench.systems.settings import Published, Setting

ScaleName = Literal["tiny", "paper"]
S = TypeVar("S")
TRAIN_TASK: dict[ScaleName, str] = {"tiny": "tinyov", "paper": "mer-caption-plus"}
"""What recipes are trained on at a scale, unless they say otherwise."""
EVAL_TASKS: dict[ScaleName, tuple[str, ...]] = {"tiny": ("tinyov",), "paper": ("ov-merd",)}
"""What they are evaluated on."""

_LATER = ("describer", "fallback", "words")
"""Fields that recipes were given after the first digests of them stood in records."""


def _prompt(value: object, info: ValidationInfo) -> object:
    """A prompt file's name, relative to the recipe's folder, becomes its text and hash."""
    if not (isinstance(value, str) and info.context):
        return value
    folder = Path(info.context["folder"])
    path = folder / value
    # A recipe from elsewhere must not show a model this machine's other files.
    if "\0" in value or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            "the prompt file lies outside the recipe's folder",
            where=value,
            expected="a file's name relative to the folder of the recipe",
        )
    return read_prompt(path, name=value)


PromptFile = Annotated[Prompt, BeforeValidator(_prompt)]
"""In the TOML file: the prompt file's name, relative to the recipe's folder."""


class BaseRecipe(Setting):
    """What names a system and tells people about it; its kinds add what makes it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]
    """What ``--model`` knows it by: lower-case letters, digits, ``-``, ``+``, ``.``."""
    title: str
    """One line for lists."""
    paper: str | None = None
    """Where the method was published."""
    citation: str | None = None
    """How to cite it."""
    licence: str | None = None
    """Under which the method's code and weights may be used."""
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know."""
    published: tuple[Published, ...] = ()
    """Figures that its authors report."""

    def digest(self) -> str:
        """SHA-256 over every field that can change a prediction; hexadecimal."""
        told = ("name", "title", "paper", "citation", "licence", "notes", "published")
        # The task is recorded for itself, whether it was named or not.
        scales = {
            name: {"train_task", "eval_tasks", *_unset(scale)}
            for name, scale in getattr(self, "scales", {}).items()
        }
        left_out = dict.fromkeys((*told, *_unset(self)), True)
        text = self.model_dump_json(exclude={**left_out, "scales": scales})
        return hashlib.sha256(text.encode()).hexdigest()


def _unset(part: Setting) -> set[str]:
    """Later fields that a recipe, or its scale, leaves unset: its digest is as before them."""
    return {name for name in _LATER if getattr(part, name, None) is None}


def scale_of(recipe: str, scales: Mapping[ScaleName, S], name: str) -> S:
    """The part of a recipe for one scale.

    Raises
    ------
    UnknownNameError
        If the recipe called ``recipe`` has no such scale.
    """
    for known, found in scales.items():
        if known == name:
            return found
    raise UnknownNameError(
        f"scale of {recipe}", name, scales, mend=f"choose one with --scale {next(iter(scales))}"
    )


def scale_name(text: str) -> ScaleName:
    """Raise :class:`UnknownNameError` if there is no such scale."""
    for name in TRAIN_TASK:
        if name == text:
            return name
    raise UnknownNameError("scale", text, TRAIN_TASK)
