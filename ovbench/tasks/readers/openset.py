"""Items with emotion words in a table with the columns ``name`` and ``openset``.

So are OV-MERD, OV-MERD+ and MER-Caption+ distributed, and the open-vocabulary tracks of the MER
challenges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import clips, filled, transcripts, unique
from ovbench.tasks.readers.files import label_words, table

MER_CAPTION_PLUS = "track2_train_mercaptionplus.csv"
SUBTITLES = ("subtitle_chieng.csv", "subtitle_eng.csv")
DEV_ITEMS = 512
"""Size of the dev split that is set aside of MER-Caption+."""

_TABLES = {
    "ov-merd": ("track2_train_ovmerd.csv", "check-openset.csv", "ov_store/check-openset.csv"),
    "ov-merd-plus": ("ovlabel.csv",),
    "mer-caption-plus": (MER_CAPTION_PLUS,),
}
"""Data set → its table, by its usual names."""


def read(folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, in the file's order.

    Raises
    ------
    InputError
        If the table is missing or damaged.
    """
    cells = cells_of(folder.need(*_TABLES[folder.card.id]))
    if folder.card.id == "mer-caption-plus":
        dev = set_aside(cells)
        cells = {name: cell for name, cell in cells.items() if (name in dev) == (split == "dev")}
    return with_words(folder, cells)


def cells_of(path: Path) -> dict[str, str]:
    """Item → its cell of emotion words, as it stands in the table.

    Raises
    ------
    InputError
        If the file is no such table, or an item comes twice.
    """
    found: dict[str, str] = {}
    for row in table(path, ["name", "openset"]):
        found[unique(filled(row, "name", str(path)), found, str(path))] = row["openset"]
    return found


def with_words(folder: DataFolder, cells: dict[str, str]) -> list[tuple[Item, Gold]]:
    """Items with the annotators' words as gold; an item without any is *neutral*.

    That rule is the data sets' own: AffectGPT's loaders of OV-MERD, OV-MERD+, MER-Caption+ and
    Human-OV apply it. Transcript and clip are those that lie beside the table.

    Raises
    ------
    InputError
        If a cell is neither words nor empty.
    """
    said, clip_of = transcripts(folder, *SUBTITLES), clips(folder, "audio", "video")
    return [
        (
            Item(name, "", said.get(name, ""), clip_of(name)),
            Gold(labels=label_words(cell, f"{folder.card.id}, {name!r}") or ("neutral",)),
        )
        for name, cell in cells.items()
    ]


def set_aside(names: Iterable[str]) -> frozenset[str]:
    """The ``DEV_ITEMS`` ids whose SHA-256 is smallest: the same on every machine."""
    by_hash = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return frozenset(by_hash[:DEV_ITEMS])


def examine(folder: DataFolder, _part: str) -> list[Finding]:
    """How many items are also in MER-Caption+, where both lie there."""
    path = folder.find(*_TABLES[folder.card.id])
    if path is None or folder.card.id == "mer-caption-plus":
        return []
    return shared_with_training(folder, path)


def shared_with_training(folder: DataFolder, path: Path) -> list[Finding]:
    """The same for any table: a system trained on MER-Caption+ has seen these items."""
    training = folder.find(MER_CAPTION_PLUS)
    if training is None:
        return []
    both = cells_of(path).keys() & cells_of(training).keys()
    if not both:
        return [Finding("ok", f"no item of {path.name} is also in MER-Caption+")]
    told = f"{len(both)} items of {path.name} are also in MER-Caption+, first {min(both)}"
    return [Finding("note", f"{told}: a system trained on it has seen them")]
