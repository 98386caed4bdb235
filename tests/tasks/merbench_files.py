"""Small files in the layouts of MERBench, MERTools and MMSA, with invented contents."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ovbench.tasks import Gold, Item
from ovbench.tasks.card import card_of
from ovbench.tasks.load import read_view
from ovbench.tasks.places import DataFolder


def folder_of(task: str, *paths: Path) -> DataFolder:
    return DataFolder(card_of(task), paths, paths)


def rows(task: str, split: str, *paths: Path) -> list[tuple[Item, Gold]]:
    """What is read of a split, whatever number of items the card expects."""
    card = card_of(task)
    return read_view(card, card.views[task], split, folder_of(task, *paths))[0]


def write_csv(path: Path, header: str, *lines: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(lines)
    return path


def write_labels(path: Path, **corpora: Mapping[str, Mapping[str, object]]) -> Path:
    """A label file as ``numpy.savez_compressed`` writes dicts: each a pickled 0-d object array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{f"{name}_corpus": dict(c) for name, c in corpora.items()})
    return path


def touch(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)
