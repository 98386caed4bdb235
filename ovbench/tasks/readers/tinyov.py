"""TinyOV: train and dev are generated, the test split is read from the file that ships."""

from __future__ import annotations

import json
from importlib import resources

from ovbench.errors import ValidationError
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.testbed.corpus import Example, generate

FILE = resources.files("ovbench.testbed") / "data" / "test.jsonl"
"""The test split: one item with its gold per line, as ``generate("test")`` makes them."""


def read(_folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split; no folder is needed.

    Raises
    ------
    ValidationError
        If the shipped file is missing or damaged.
    """
    examples = shipped() if split == "test" else generate("train" if split == "train" else "dev")
    return [
        (
            Item(example.id, example.description, example.transcript),
            Gold(example.labels, example.category, example.valence),
        )
        for example in examples
    ]


def shipped() -> list[Example]:
    """The test split from its file.

    Raises
    ------
    ValidationError
        If the file is missing or damaged.
    """
    try:
        rows = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
        return [Example(**{**row, "labels": tuple(row["labels"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValidationError(
            f"{FILE}: the shipped test split cannot be read ({error}). Install ovbench again."
        ) from None
