"""MSP-Podcast, by the consensus labels of one release."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ovbench.errors import InputError
from ovbench.tasks.errors import WrongCountError
from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import clips, plain, unique
from ovbench.tasks.readers.files import canonical_class, is_there, spoken, table

_FILES = ("Labels/labels_consensus.csv", "labels_consensus.csv")
_SETS = {
    "train": ("Train",),
    "dev": ("Development", "Validation"),
    "test1": ("Test1",),
    "test2": ("Test2",),
}
"""Split → what the releases call it. Test3 has no public labels."""
_TURNS = {
    "1.11": {"train": 84_030, "dev": 19_815, "test1": 30_647, "test2": 14_815},
    "1.12": {},
}
"""Release → turns of each split, of whatever class, as its documentation says; where known."""
_BETWEEN = {"1.11": (0, 151_654), "1.12": (151_654, 207_136)}
"""Release → turns in all: more than the release before, at most its own."""
_COLUMNS = ("FileName", "EmoClass", "SpkrID", "Split_Set")


def read(folder: DataFolder, part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, in the file's order.

    Parameters
    ----------
    part:
        The release, whose number of turns the file must have.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another release.
    """
    path = folder.need(*_FILES)
    every = table(path, _COLUMNS)
    rows = [row for row in every if row["Split_Set"] in _SETS[split]]
    _check_release(path, part, split, len(every), len(rows))
    clip_of, texts = clips(folder, "Audios", "Audio"), folder.find("Transcripts")
    found: dict[str, tuple[Item, Gold]] = {}
    for row in rows:
        name = row["FileName"].strip().removesuffix(".wav")
        where = f"{path}, {name!r}"
        if not plain(unique(name, found, where)):
            raise InputError(
                "no plain file name", where=where, expected="MSP-PODCAST_0001_0008.wav"
            )
        category = canonical_class(folder.card, row["EmoClass"].strip(), where)
        speaker = row["SpkrID"].strip()
        item = Item(
            name, "", _said(texts, name), clip_of(name), None if speaker == "Unknown" else speaker
        )
        found[name] = item, Gold((category,), category)
    return list(found.values())


def _check_release(path: Path, release: str, split: str, turns: int, in_split: int) -> None:
    known = _TURNS[release].get(split, in_split)
    over, most = _BETWEEN[release]
    if in_split != known or not over < turns <= most:
        raise WrongCountError(
            f"{in_split} turns of {split}, {turns} in all",
            where=str(path),
            expected=f"release {release}, which has "
            + (f"{known} of {split}" if split in _TURNS[release] else f"{most} in all"),
            mend="take the task of your release; scores of two releases are not comparable",
        )


def _said(texts: Path | None, name: str) -> str:
    path = texts / f"{name}.txt" if texts else None
    return spoken(path).strip() if path is not None and is_there(path) else ""


def examine(folder: DataFolder, part: str) -> list[Finding]:
    """How many turns each split has, of whatever class."""
    path = folder.find(*_FILES)
    if path is None:
        return []
    sets = Counter(row["Split_Set"] for row in table(path, _COLUMNS))
    told = ", ".join(f"{name} {n:,}" for name, n in sorted(sets.items()))
    return [Finding("note", f"asked for release {part}; {path.name} has {told}")]
