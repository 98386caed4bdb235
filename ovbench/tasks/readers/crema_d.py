"""CREMA-D, by its table of votes; the intended emotion also by the names of its clips alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ovbench.errors import InputError
from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import unique
from ovbench.tasks.readers.files import canonical_class, clip, files_in, table
from ovbench.tasks.readers.folds import people_of

ACTORS = range(1001, 1092)
_TABLE = "processedResults/summaryTable.csv"
_TABLES = (_TABLE, "summaryTable.csv")
_VOTE = {"voice": "VoiceVote", "audiovisual": "MultiModalVote"}
"""Part → column of the table; the part ``intended`` is in the clip's name."""
_NAME = re.compile(r"(\d{4})_[A-Z]{3}_([A-Z]{3})_[A-Z]{2}")
"""Actor, sentence, emotion and level."""
_RELEASED = "fold5"
"""The fold that the splits without one are: PEFT-SER's released models were trained on it."""
_POINTER_BYTES = 1000
"""A clip below this is no recording but the pointer that Git LFS leaves in its place."""
BROKEN = "1076_MTI_SAD_XX"
"""The clip without speech. It stays an item here; whoever leaves it out says so."""


def read(folder: DataFolder, part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, sorted by id.

    Parameters
    ----------
    part:
        ``intended``: the emotion the actor was asked for; ``voice``, ``audiovisual``: the one most
        raters heard, or heard and saw. A tie between emotions is no gold.

    Raises
    ------
    InputError
        If the files are missing or damaged.
    """
    chosen = people_of(split if split.startswith("fold") else f"{_RELEASED}-{split}", ACTORS)
    rows = []
    for name, vote in sorted(_votes(folder, part).items()):
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"the clip {name!r:.80}", expected="names such as 1001_IEO_NEU_XX")
        if int(match[1]) not in chosen:
            continue
        own = match[2] if vote is None else vote
        gold = Gold()
        if ":" not in own:
            category = canonical_class(folder.card, own, name)
            gold = Gold((category,), category)
        audio = clip(folder.folders, f"AudioWAV/{name}.wav", f"AudioMP3/{name}.mp3")
        rows.append((Item(name, "", "", audio, match[1]), gold))
    return rows


def _votes(folder: DataFolder, part: str) -> dict[str, str | None]:
    """Clip → its vote; None where the part is what the name says."""
    path = folder.find(*_TABLES)
    clips = folder.find("AudioWAV")
    if path is None and part == "intended" and clips is not None:
        return dict.fromkeys(file.stem for file in files_in(clips, "*.wav"))
    path = path or folder.need(_TABLE)
    column = _VOTE.get(part)
    found: dict[str, str | None] = {}
    for row in table(path, ["FileName", *_VOTE.values()]):
        name = unique(row["FileName"].strip(), found, str(path))
        found[name] = row[column].strip() if column else None
    return found


def examine(folder: DataFolder, part: str) -> list[Finding]:
    """Ties, clips that are pointers, and the one clip that is broken."""
    found = []
    if folder.find(*_TABLES) and part in _VOTE:
        ties = _ties(_votes(folder, part).values())
        found.append(Finding("note", f"{ties} ties in {_VOTE[part]} have no gold"))
    clips = folder.find("AudioWAV")
    if clips is not None:
        files = files_in(clips, "*.wav")
        pointers = [file.name for file in files if file.stat().st_size < _POINTER_BYTES]
        if pointers:
            told = f"{len(pointers)} of {len(files)} clips are pointers of Git LFS or empty"
            found.append(Finding("wrong", f"{told}, first {pointers[0]}: fetch them with git lfs"))
        if any(file.stem == BROKEN for file in files):
            found.append(Finding("note", f"the clip {BROKEN}.wav is known to hold no speech"))
    return found


def _ties(votes: Iterable[str | None]) -> int:
    return sum(":" in vote for vote in votes if vote)
