"""What is evaluated: items, their gold, and the protocols that score answers to them."""

from ovbench.tasks.errors import MissingDataError, WrongCountError
from ovbench.tasks.folds import load_folds
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.load import load_task, task_ids
from ovbench.tasks.task import Role, Task, trainable

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
