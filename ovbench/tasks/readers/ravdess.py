"""RAVDESS, speech: everything is in the names of its clips."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import unique
from ovbench.tasks.readers.files import canonical_class
from ovbench.tasks.readers.folds import people_of

ACTORS = range(1, 25)
_NAME = re.compile(r"03-01-(0[1-8])-\d\d-\d\d-\d\d-(\d\d)")
"""Audio only, speech; emotion, intensity, statement, repetition, actor."""


def read(folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, sorted by actor and name.

    Raises
    ------
    InputError
        If there are no clips, or one comes twice.
    """
    chosen = people_of(split, ACTORS)
    found: dict[str, tuple[Item, Gold]] = {}
    for path, code, actor in _clips(folder):
        if actor not in chosen:
            continue
        name = unique(path.stem, found, str(path))
        category = canonical_class(folder.card, code, str(path))
        item = Item(name, "", "", str(path), f"{actor:02d}")
        found[name] = item, Gold((category,), category)
    return list(found.values())


def _clips(folder: DataFolder) -> Iterator[tuple[Path, str, int]]:
    """Clips of speech with their emotion's code and their actor."""
    first = folder.need("Actor_01")
    for path in sorted(first.parent.glob("Actor_*/*.wav")):
        match = _NAME.fullmatch(path.stem)
        if match:
            yield path, match[1], int(match[2])


def examine(folder: DataFolder, _part: str) -> list[Finding]:
    """Actors whose 60 clips are not all there, and clips that lie in another actor's folder."""
    per_actor = dict.fromkeys(ACTORS, 0)
    astray = []
    for path, _, actor in _clips(folder):
        per_actor[actor] = per_actor.get(actor, 0) + 1
        if path.parent.name != f"Actor_{actor:02d}":
            astray.append(path.name)
    wrong = [f"actor {actor:02d} has {n} of 60 clips" for actor, n in per_actor.items() if n != 60]
    wrong += [f"{name} lies in another actor's folder" for name in astray]
    return [Finding("wrong", text) for text in wrong] or [Finding("ok", "60 clips of each actor")]
