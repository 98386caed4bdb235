"""A data set's card: the TOML file that says what it is; how it is read is in ``readers``.

A card declares one or more *views*; each view is a task (``meld``, ``meld-sentiment``).
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ovbench.errors import UnknownNameError
from ovbench.tasks.task import Answers, Role

_FOLDER = resources.files("ovbench.tasks") / "cards"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Split(_Frozen):
    """One split of a view, and what is known of it."""

    role: Role
    """What it may be used for: only ``train`` and ``dev`` may be learnt from or chosen on."""
    items: int | None = None
    """How many items it has; null where that depends on the release."""
    classes: dict[str, int] = Field(default_factory=dict)
    """Canonical class → items, where known."""


class File(_Frozen):
    """A file that the reader looks for."""

    path: str
    """Relative to the data set's folder; ``*`` and ``?`` stand for any characters."""
    holds: str
    """What it is read for."""
    needed: bool = True
    """False: the task can be read without it, or another file holds the same."""
    url: str | None = None
    """Where a public file can be fetched; never given for gated data."""
    sha256: str | None = None
    """Of the file behind ``url``."""

    @model_validator(mode="after")
    def _hash_goes_with_url(self) -> Self:
        if (self.url is None) != (self.sha256 is None):
            raise ValueError("url and sha256 go together")
        return self


class View(_Frozen):
    """One task made of the data set."""

    title: str
    """One line for lists."""
    answers: Answers
    protocols: Annotated[tuple[str, ...], Field(min_length=1)]
    """Ids of the protocols that score it; the first is the headline."""
    split: str = "test"
    """The split that is meant where none is named."""
    part: str = ""
    """Which part of the data set the reader is asked for, where it has several."""
    classes: tuple[str, ...] = ()
    """Canonical classes of the view; items of other classes are left out of it. Empty: all."""
    splits: dict[str, Split] = Field(default_factory=dict)
    """In place of the card's splits."""
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know."""


class Card(_Frozen):
    """What a person should know of a data set, and how it is read and scored by default."""

    id: str
    title: str
    """One line for lists."""
    licence: str
    """SPDX identifier, or the name of a research licence."""
    access: str
    """How to get the files: who to ask, where, on what terms. A sentence or two."""
    homepage: str | None = None
    description: str
    contents: tuple[str, ...]
    """What an item holds, a line each."""
    reader: str
    """Module of ``ovbench.tasks.readers`` that knows how it is read."""
    places: tuple[str, ...] = ()
    """Folders below the data folder that it may lie in, by its usual names; none: it ships."""
    files: tuple[File, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    """The data set's own class names → canonical ids."""
    splits: dict[str, Split] = Field(default_factory=dict)
    views: Annotated[dict[str, View], Field(min_length=1)]
    """Task id → view."""
    citation: str
    notes: tuple[str, ...] = ()
    """What a reader of any of its scores must know."""
    traps: tuple[str, ...] = ()
    """What has gone wrong for others."""

    @model_validator(mode="after")
    def _views_have_splits(self) -> Self:
        for name, view in self.views.items():
            splits = view.splits or self.splits
            if view.split not in splits:
                raise ValueError(f"view {name}: there is no split {view.split!r}")
        return self

    def splits_of(self, view: str) -> dict[str, Split]:
        """The splits of a view, by name."""
        return self.views[view].splits or self.splits


@cache
def cards() -> dict[str, Card]:
    """All cards by the data set's id, sorted."""
    names = sorted(e.name for e in _FOLDER.iterdir() if e.name.endswith(".toml"))
    found = (Card.model_validate(tomllib.loads((_FOLDER / n).read_text("utf-8"))) for n in names)
    return {card.id: card for card in found}


@cache
def _card_of_task() -> dict[str, Card]:
    return {name: card for card in cards().values() for name in card.views}


def task_ids() -> tuple[str, ...]:
    """Ids of the tasks, sorted."""
    return tuple(sorted(_card_of_task()))


def card_of(task: str) -> Card:
    """The card of the data set that a task is a view of.

    Raises
    ------
    UnknownNameError
        If no task has that id.
    """
    found = _card_of_task().get(task)
    if found is None:
        raise UnknownNameError("task", task, task_ids(), mend="list them with: ovbench tasks")
    return found
