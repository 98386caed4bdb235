"""A task's card: the TOML file that says what it is; how it is read is in ``readers``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ovbench.errors import UnknownNameError
from ovbench.tasks.task import Answers, Split

_FOLDER = resources.files("ovbench.tasks") / "cards"


class Card(BaseModel):
    """What a person should know of a task, and how it is read and scored by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    """One line for lists."""
    licence: str
    """SPDX identifier, or the name of a research licence."""
    description: str
    contents: tuple[str, ...]
    """What an item holds, a line each."""
    reader: str
    """Module of ``ovbench.tasks.readers`` that knows where the items are."""
    answers: Answers
    protocols: Annotated[tuple[str, ...], Field(min_length=1)]
    """Ids of the protocols that score it; the first is the headline."""
    sizes: dict[Split, int]
    """Items per split, which a reader's result is checked against."""
    citation: str
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know."""


@cache
def task_ids() -> tuple[str, ...]:
    """Ids of the tasks that have a card, sorted."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_card(name: str) -> Card:
    """The card of a task.

    Raises
    ------
    UnknownNameError
        If no task has that id.
    """
    if name not in task_ids():
        raise UnknownNameError("task", name, task_ids(), mend="list them with: ovbench list tasks")
    return Card.model_validate(tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8")))
