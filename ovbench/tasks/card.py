"""A data set's card: the TOML file that says what it is; how it is read is in ``readers``.

A card declares one or more *views*; each view is a task (``meld``, ``meld-sentiment``).
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ovbench.errors import UnknownNameError
from ovbench.frozen import Frozen
from ovbench.tasks.task import Answers, Role

_FOLDER = resources.files("ovbench.tasks") / "cards"
UNKNOWN = -1
"""In place of a count that nobody has verified, in lists of counts: TOML has no null."""

Speakers = Literal["apart", "shared"]
"""What a data set says of its splits: nobody speaks in both train and test, or some do."""


class Split(Frozen):
    """One split of a view, and what is known of it."""

    role: Role
    """What it may be used for: only ``train`` and ``dev`` may be learnt from or chosen on."""
    items: int | None = None
    """How many items it has; null where that depends on the release."""
    classes: dict[str, int] = Field(default_factory=dict)
    """Canonical class → items, where known."""
    fold: str = ""
    """Of several folds, the one it belongs to: splits of two folds share items on purpose."""


class File(Frozen):
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


class View(Frozen):
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
    speakers: Speakers | None = None
    """In place of what the card says."""
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know."""


class Folds(Frozen):
    """A view whose splits are folds; ``fold1-train``, ``fold1-test``, … are made of the counts."""

    title: str
    """One line for lists."""
    part: str
    """Which part of the data set the reader is asked for."""
    protocols: Annotated[tuple[str, ...], Field(min_length=1)] = ("hit-open-1", "closed-set")
    """Ids of the protocols that score it; the first is the headline."""
    train: Annotated[tuple[int, ...], Field(min_length=1)]
    """Items of each fold's train split, fold 1 first; ``UNKNOWN`` where nobody has counted."""
    dev: tuple[int, ...] = ()
    """The same for dev; none: the folds have no dev split."""
    test: Annotated[tuple[int, ...], Field(min_length=1)]
    """The same for test."""
    classes: tuple[str, ...] = ()
    """As of a view; counts are of items of these classes."""
    speakers: Speakers | None = None
    """As of a view."""
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know."""

    @model_validator(mode="after")
    def _as_many_of_each(self) -> Self:
        if not len(self.train) == len(self.test) == (len(self.dev) or len(self.test)):
            raise ValueError("train, dev and test have different numbers of folds")
        return self

    def view(self) -> View:
        """The view that these folds are."""
        splits = {}
        for number in range(len(self.test)):
            fold = f"fold{number + 1}"
            for role, counts in self._counts().items():
                items = None if counts[number] == UNKNOWN else counts[number]
                splits[f"{fold}-{role}"] = Split(role=role, items=items, fold=fold)
        return View(
            title=self.title,
            answers="class",
            protocols=self.protocols,
            split="fold1-test",
            part=self.part,
            classes=self.classes,
            splits=splits,
            speakers=self.speakers,
            notes=self.notes,
        )

    def _counts(self) -> dict[Role, tuple[int, ...]]:
        every: dict[Role, tuple[int, ...]] = {
            "train": self.train,
            "dev": self.dev,
            "test": self.test,
        }
        return {role: counts for role, counts in every.items() if counts}


class Card(Frozen):
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
    corpora: tuple[str, ...] = ()
    """Ids of the data sets that it puts together; each is looked for by its own card."""
    labels: dict[str, str] = Field(default_factory=dict)
    """The data set's own class names → canonical ids."""
    splits: dict[str, Split] = Field(default_factory=dict)
    speakers: Speakers | None = None
    """Of train and test, where the data set tells; ``ovbench doctor`` checks it."""
    views: Annotated[dict[str, View], Field(min_length=1)]
    """Task id → view; those of ``folds`` are among them."""
    folds: dict[str, Folds] = Field(default_factory=dict)
    """Task id → folds, from which the view is made: a line or two for each of many."""
    citation: str
    notes: tuple[str, ...] = ()
    """What a reader of any of its scores must know."""
    traps: tuple[str, ...] = ()
    """What has gone wrong for others."""

    @model_validator(mode="before")
    @classmethod
    def _views_of_folds(cls, fields: dict[str, Any]) -> dict[str, Any]:
        made = {
            name: Folds.model_validate(folds).view()
            for name, folds in fields.get("folds", {}).items()
        }
        return {**fields, "views": {**fields.get("views", {}), **made}} if made else fields

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


def card_named(name: str) -> Card:
    """The card of a task, or of a data set by its own id.

    Raises
    ------
    UnknownNameError
        If there is neither.
    """
    every = cards()
    if name in every:
        return every[name]
    if name in _card_of_task():
        return _card_of_task()[name]
    known = {*every, *task_ids()}
    raise UnknownNameError("task", name, known, mend="list them with: ovbench tasks")
