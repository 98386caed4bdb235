"""Tasks by name: a card, and what its reader finds."""

from __future__ import annotations

from importlib import import_module

from ovbench.errors import ValidationError
from ovbench.tasks.card import load_card, task_ids
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.task import Task, check_split

__all__ = ["load_task", "task_ids"]


def load_task(name: str, split: str = "test") -> Task:
    """One split of a task.

    Parameters
    ----------
    name:
        Id of the task, one of :func:`task_ids`.
    split:
        ``train``, ``dev`` or ``test``.

    Raises
    ------
    UnknownNameError
        If there is no such task or split; the message names the nearest ones.
    ValidationError
        If the reader finds another number of items than the card says.
    """
    card = load_card(name)
    chosen = check_split(split)
    rows: list[tuple[Item, Gold]] = import_module(f"ovbench.tasks.readers.{card.reader}").read(
        chosen
    )
    if len(rows) != card.sizes[chosen]:
        raise ValidationError(
            f"task {name}, {split}: {len(rows)} items were read; "
            f"its card says {card.sizes[chosen]}."
        )
    return Task(
        id=card.id,
        title=card.title,
        split=chosen,
        items=tuple(item for item, _ in rows),
        gold={item.id: gold for item, gold in rows},
        answers=card.answers,
        protocols=card.protocols,
        notes=card.notes,
    )
