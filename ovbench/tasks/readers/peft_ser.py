"""PEFT-SER's four corpora as one task, each read by its own card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ovbench.tasks.card import Card
from ovbench.tasks.errors import MissingCorporaError, MissingDataError
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.load import Rows, check_count, read_split, view_of
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.crema_d import BROKEN

_VIEWS = {
    "iemocap": "iemocap-4class",
    "msp-improv": "msp-improv",
    "msp-podcast": "msp-podcast-1.11",
    "crema-d": "crema-d-4class",
}
"""Data set → the view of it whose items are taken."""
_SPLITS = {("msp-podcast", "test"): "test1"}
"""Data set and split → what the data set calls that split, where it is another name."""
_CLASSES = {one: one for one in ("neutral", "angry", "sad", "happy")} | {"excited": "happy"}
"""A view's class → the one of this task; items of others are left out."""


def read(folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, data set by data set, each in its reader's order.

    Raises
    ------
    MissingDataError
        Naming every data set that is not on this machine.
    WrongCountError
        If one has another number of items than its card says.
    InputError
        If files of one are damaged.
    """
    found: list[tuple[Item, Gold]] = []
    missing: dict[str, MissingDataError] = {}
    for corpus in folder.corpora():
        try:
            found += _ours(corpus.card, _rows(corpus, split))
        except MissingDataError as error:
            missing[corpus.card.id] = error
    if missing:
        raise MissingCorporaError(folder.card.title, missing)
    return found


def _rows(corpus: DataFolder, split: str) -> Rows:
    """The items of one data set's view, as many as its card says, where it says so."""
    card = corpus.card
    name, own = _VIEWS[card.id], _SPLITS.get((card.id, split), split)
    rows, _ = view_of(card.views[name], read_split(card, card.views[name].part, own, corpus))
    check_count(rows, card, name, own)
    return rows


def _ours(card: Card, rows: Rows) -> Iterator[tuple[Item, Gold]]:
    """The rows under ids of this task, with its classes."""
    for item, gold in rows:
        category = _CLASSES.get(gold.category or "")
        nobody = card.id == "msp-podcast" and item.speaker is None
        if category is None or nobody or item.id == BROKEN:
            continue
        speaker = None if item.speaker is None else f"{card.id}:{item.speaker}"
        yield (
            replace(item, id=f"{card.id}:{item.id}", speaker=speaker),
            Gold((category,), category),
        )
