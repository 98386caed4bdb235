"""A task: one view of one split of a data set, its gold, and the protocols that score it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from ovbench.errors import InputError
from ovbench.protocols import Protocol, load_protocol
from ovbench.tasks.item import Gold, Item

Role = Literal["train", "dev", "test"]
"""What a split is for."""
Answers = Literal["labels", "class", "sentiment"]

_FIELD: dict[Answers, str] = {"labels": "labels", "class": "category", "sentiment": "valence"}
"""The field of :class:`Gold` that a view scores against."""


@dataclass(frozen=True)
class Task:
    """One split of a data set, as one view of it is scored.

    Attributes
    ----------
    id, title:
        Name of the view, and one line for lists.
    split:
        Name of the split; a task never mixes them.
    role:
        What the split is for: to ``train`` on, to choose on (``dev``), or to ``test`` on.
    items:
        What a system sees, in a fixed order.
    gold:
        By item id, for these items and no others.
    answers:
        What is scored: emotion words against annotators' words (``labels``) or against a class
        (``class``), or their polarity against a sentiment value (``sentiment``).
    protocols:
        Ids of the protocols that score it; the first is the headline.
    notes:
        What a reader of its scores must know.
    folds:
        Of several test folds together (:func:`ovbench.tasks.load_folds`), each item's fold; None of
        a single split.
    undescribed:
        The same task before its clips were described on this machine (:meth:`described`).

    Raises
    ------
    InputError
        If an id comes twice, or an item has no gold of the kind that ``answers`` needs.
    """

    id: str
    title: str
    split: str
    role: Role
    items: tuple[Item, ...]
    gold: Mapping[str, Gold]
    answers: Answers
    protocols: tuple[str, ...]
    notes: tuple[str, ...] = ()
    folds: Mapping[str, str] | None = None
    undescribed: Task | None = None

    def __post_init__(self) -> None:
        ids = [item.id for item in self.items]
        where = f"task {self.id}, {self.split}"
        if not ids:
            raise InputError("there are no items", where=where)
        if len(set(ids)) < len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise InputError(f"the id {twice!r} comes twice", where=where)
        if set(ids) != set(self.gold):
            odd = sorted(set(ids) ^ set(self.gold))[0]
            raise InputError(f"items and gold differ, first at id {odd!r}", where=where)
        if self.folds is not None and set(ids) != set(self.folds):
            raise InputError("items and folds differ", where=where)
        for name in ids:
            if getattr(self.gold[name], _FIELD[self.answers]) in ((), None):
                raise InputError(f"item {name!r} has no gold {_FIELD[self.answers]}", where=where)

    def gold_source(self, protocol: Protocol | str | None = None) -> dict[str, object]:
        """The gold by id, as :func:`ovbench.scoring.score_files` takes it.

        Lists of words (``labels``), the class's name (``class``) or the value (``sentiment``).
        Authors look up their own words (*joy*), which their tables do not always place where they
        place the canonical ones (*happy*): for a ``protocol`` with official tables, a class is the
        data set's word.
        """
        chosen = load_protocol(protocol) if isinstance(protocol, str) else protocol
        found = {n: getattr(self.gold[n], _FIELD[self.answers]) for n in (i.id for i in self.items)}
        if self.answers == "class" and getattr(chosen, "normalizer", "").startswith("official:"):
            found |= {name: word for name in found if (word := self.gold[name].word)}
        return found

    def answer(self, labels: Sequence[str]) -> tuple[str, ...]:
        """What a prediction's emotion words become in this view, ready to be scored.

        The words themselves, or their polarity (:mod:`ovbench.tasks.polarity`) as the only entry;
        nothing stays nothing.
        """
        if self.answers != "sentiment":
            return tuple(labels)
        from ovbench.tasks.polarity import polarity_of

        found = polarity_of(labels)
        return () if found is None else (found,)

    def digest(self) -> str:
        """SHA-256 over id, split, every item's text and its gold, in order; hexadecimal.

        Where a clip lies on this machine does not enter; a field that is not set does not either.
        """
        if self.undescribed is not None:
            return self.undescribed.digest()
        rows = [[_told(item), _told(self.gold[item.id])] for item in self.items]
        text = json.dumps([self.id, self.split, rows], ensure_ascii=True, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def described(self, items: Sequence[Item], note: str) -> Task:
        """The same task with ``items``, which have got descriptions since; ``note`` says whose.

        Its digest stays: descriptions made on the way belong to the system, not to the task.
        """
        return replace(self, items=tuple(items), notes=(*self.notes, note), undescribed=self)

    def limited(self, n: float | None) -> Task:
        """The first ``n`` items; a number below 1 is a share of them, rounded up; None: all.

        Raises
        ------
        InputError
            If ``n`` is not above 0, or is neither whole nor below 1.
        """
        if n is None:
            return self
        if not (math.isfinite(n) and n > 0 and (n < 1 or n == int(n))):
            raise InputError(
                f"a limit of {n}", expected="a whole number of items, or a share below 1"
            )
        count = math.ceil(len(self.items) * n) if n < 1 else int(n)
        if count >= len(self.items):
            return self
        items = self.items[:count]
        note = f"limited to {count} of {len(self.items)} items: not comparable with the whole"
        gold = {item.id: self.gold[item.id] for item in items}
        folds = None if self.folds is None else {name: self.folds[name] for name in gold}
        before = None if self.undescribed is None else self.undescribed.limited(n)
        return replace(
            self,
            items=items,
            gold=gold,
            folds=folds,
            notes=(*self.notes, note),
            undescribed=before,
        )


def trainable(task: Task) -> Task:
    """The same task, if a system may learn from it.

    Raises
    ------
    InputError
        If it is a test split, which nothing may be trained or chosen on.
    """
    if task.role == "test":
        raise InputError(
            f"task {task.id!r}, {task.split} is a test split, and training on it would void every "
            "score",
            expected="a train split; choose checkpoints and settings on dev",
        )
    return task


def _told(part: Item | Gold) -> dict[str, object]:
    """The fields that are set, without those that say where something lies."""
    fields = asdict(part)
    return {k: v for k, v in fields.items() if v is not None and k not in ("audio", "speaker")}
