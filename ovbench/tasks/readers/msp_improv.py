"""MSP-IMPROV, by its file of evaluations."""

from __future__ import annotations

import re

from ovbench.errors import InputError
from ovbench.io.text import file_lines
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import unique
from ovbench.tasks.readers.files import canonical_class, clip
from ovbench.tasks.readers.folds import sessions_of

SESSIONS = (1, 2, 3, 4, 5, 6)
_RELEASED = {"train": (1, 2, 3, 6), "dev": (4,), "test": (5,)}
"""Splits of no fold: those of PEFT-SER's released models."""
_FILES = ("Evalution.txt", "Evaluation.txt")
"""The release spells it the first way."""
_TURN = re.compile(
    r"UTD-(IMPROV-(?P<scene>S\d\d[A-Z])-(?P<speaker>[FM]0(?P<session>\d))-(?P<kind>[A-Z])-\w+)"
    r"\.avi;\s*(?P<own>\w)\b"
)
"""A turn and its class; the raters' lines below it begin otherwise."""


def read(folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, sorted by id.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    sessions = _RELEASED.get(split) or sessions_of(split, SESSIONS)
    path = folder.need(*_FILES)
    found: dict[str, tuple[Item, Gold]] = {}
    for where, line in file_lines(path):
        if not line.startswith("UTD-"):
            continue
        match = _TURN.match(line)
        if match is None:
            raise InputError(
                f"no turn: {line.strip()!r:.60}",
                where=where,
                expected="UTD-IMPROV-S01A-F01-S-FM01.avi; N; … (a clip and its class)",
            )
        if int(match["session"]) not in sessions:
            continue
        name = unique(f"MSP-{match[1]}", found, where)
        below = f"session{match['session']}/{match['scene']}/{match['kind']}/{name}.wav"
        audio = clip(folder.folders, f"Audio/{below}", below)
        category = canonical_class(folder.card, match["own"], where)
        found[name] = Item(name, "", "", audio, match["speaker"]), Gold((category,), category)
    return [found[name] for name in sorted(found)]
