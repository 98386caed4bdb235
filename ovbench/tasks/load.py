"""Tasks by name: a card, and what its reader finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ovbench.errors import InputError, UnknownNameError
from ovbench.tasks.card import Card, View, card_of, task_ids
from ovbench.tasks.errors import WrongCountError
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder, data_folder
from ovbench.tasks.readers.beside import unique
from ovbench.tasks.readers.files import objects
from ovbench.tasks.task import Task

__all__ = ["load_task", "read_split", "read_view", "task_ids", "view_of"]

Rows = list[tuple[Item, Gold]]
DESCRIPTIONS = "descriptions.jsonl"
"""Beside a data set's files: one object per line with ``id`` and ``description``."""
_NO_DESCRIPTION = ("not a description", '{"id": "…", "description": "…"}')
"""What is said of another line, and what was expected."""


class Reader(Protocol):
    """What a module of ``ovbench.tasks.readers`` offers."""

    def read(self, folder: DataFolder, part: str, split: str) -> Iterable[tuple[Item, Gold]]:
        """Items and gold of a split, in a fixed order; gold by canonical class ids."""


def load_task(
    name: str,
    split: str | None = None,
    data: str | Path | None = None,
    *,
    clips: bool = True,
) -> Task:
    """One split of a task.

    Parameters
    ----------
    name:
        Id of the task, one of :func:`task_ids`.
    split:
        One of the task's splits; None: the one that its card says is meant.
    data:
        The data folder (:mod:`ovbench.tasks.places`).
    clips:
        Make the clips of a generated data set that are not on this machine yet; without, its items
        may name files that are not there, which is enough for whoever looks at gold or texts alone.

    Raises
    ------
    UnknownNameError
        If there is no such task or split; the message names the nearest ones.
    MissingDataError
        If its files are not on this machine.
    WrongCountError
        If the reader finds another number of items than the card says.
    """
    card = card_of(name)
    view = card.views[name]
    chosen = view.split if split is None else split
    splits = card.splits_of(name)
    if chosen not in splits:
        raise UnknownNameError(f"split of {name}", chosen, splits)
    rows, notes = read_view(card, view, chosen, data_folder(card, data))
    check_count(rows, card, name, chosen)
    if clips:
        _provide(card, chosen)
    return Task(
        id=name,
        title=view.title,
        split=chosen,
        role=splits[chosen].role,
        items=tuple(item for item, _ in rows),
        gold={item.id: gold for item, gold in rows},
        answers=view.answers,
        protocols=view.protocols,
        notes=(*card.notes, *view.notes, *notes),
    )


def check_count(rows: Rows, card: Card, view: str, split: str) -> None:
    """Refuse a view's split with another number of items than its card says, where it says one.

    Raises
    ------
    WrongCountError
        If it has.
    """
    known = card.splits_of(view)[split].items
    if known is not None and len(rows) != known:
        raise WrongCountError(
            f"{len(rows)} items were read",
            where=f"task {view}, {split}",
            expected=f"{known}, as its card says",
            mend=f"see what is missing or too many with: ovbench doctor {card.id}",
        )


def read_view(
    card: Card, view: View, split: str, folder: DataFolder
) -> tuple[Rows, tuple[str, ...]]:
    """What the reader finds of a view's split, whatever the card expects; and notes on it.

    Items without the gold that the view needs, or of a class that is none of the view's, are left
    out, and the notes say how many.

    Raises
    ------
    InputError
        If the files are missing or damaged.
    """
    return view_of(view, read_split(card, view.part, split, folder))


def read_split(card: Card, part: str, split: str, folder: DataFolder) -> Rows:
    """All items of a split, of whichever view, in the reader's order. Raises as its reader does."""
    reader: Reader = import_module(f"ovbench.tasks.readers.{card.reader}")
    return _described(list(reader.read(folder, part, split)), folder)


def _provide(card: Card, split: str) -> None:
    """Have the reader make the clips, if it is one that makes them."""
    reader = import_module(f"ovbench.tasks.readers.{card.reader}")
    make: Callable[[str], None] | None = getattr(reader, "provide", None)
    if make is not None:
        make(split)


def view_of(view: View, rows: Rows) -> tuple[Rows, tuple[str, ...]]:
    """The items that belong to a view, and how many do not, in words where there are some."""
    kept = [(item, gold) for item, gold in rows if _belongs(gold, view)]
    if len(kept) == len(rows):
        return kept, ()
    return kept, (f"{len(rows) - len(kept)} of {len(rows)} items are no part of this view",)


def _belongs(gold: Gold, view: View) -> bool:
    if view.answers == "labels":
        return bool(gold.labels)
    if view.answers == "sentiment":
        return gold.valence is not None
    return gold.category is not None and (not view.classes or gold.category in view.classes)


def _described(rows: Rows, folder: DataFolder) -> Rows:
    """The same rows with the descriptions that lie beside the data, where there are any."""
    path = folder.find(DESCRIPTIONS)
    if path is None:
        return rows
    texts: dict[str, str] = {}
    for where, entry in objects(path, *_NO_DESCRIPTION):
        name, text = entry.get("id"), entry.get("description")
        if not isinstance(name, str) or not isinstance(text, str):
            raise InputError(_NO_DESCRIPTION[0], where=where, expected=_NO_DESCRIPTION[1])
        texts[unique(name, texts, where)] = text
    return [
        (replace(item, description=texts.get(item.id, item.description)), gold)
        for item, gold in rows
    ]
