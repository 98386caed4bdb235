"""TinyOV: train and dev are generated, the test split is read from the file that ships."""

from __future__ import annotations

import json

from ovbench.errors import ValidationError
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.testbed.bundled import test_file
from ovbench.testbed.corpus import Example, generate


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
    file = test_file()
    try:
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        return [Example(**{**row, "labels": tuple(row["labels"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValidationError(
            f"{file}: the shipped test split cannot be read ({error}). Install ovbench again."
        ) from None
