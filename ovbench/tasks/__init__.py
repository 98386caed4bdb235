"""What is evaluated: items, their gold, and the protocols that score answers to them.

Loading is imported when it is first used: to score files, no card is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovbench.lazy import lazily
from ovbench.tasks.errors import MissingDataError, WrongCountError
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.task import Role, Task, trainable

if TYPE_CHECKING:
    from ovbench.tasks.card import task_ids
    from ovbench.tasks.folds import load_folds
    from ovbench.tasks.load import load_task

__all__ = [
    "Gold",
    "Item",
    "MissingDataError",
    "Role",
    "Task",
    "WrongCountError",
    "load_folds",
    "load_task",
    "task_ids",
    "trainable",
]

__getattr__ = lazily(
    __name__,
    {
        "load_folds": "ovbench.tasks.folds",
        "load_task": "ovbench.tasks.load",
        "task_ids": "ovbench.tasks.card",
    },
)
