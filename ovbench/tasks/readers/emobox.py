"""EmoBox: which clips of 32 corpora are in which fold, and their classes, without the audio."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path, PurePosixPath

from ovbench.errors import InputError
from ovbench.io.records import MAX_CHARACTERS
from ovbench.io.text import file_text
from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import unique
from ovbench.tasks.readers.files import canonical_class, clip, objects

_ROLE = {"train": "train", "dev": "valid", "test": "test"}
"""What the last part of a split's name is in EmoBox's file names."""
_KEPT_APART = {("iemocap", "exc"): "excited"}
"""Corpus and class that EmoBox's map merges into another; merging is the protocol's choice."""

_SINGLE = {
    "amused": "amused",
    "anxious": "anxious",
    "apologetic": "apologetic",
    "assertive": "assertive",
    "boredom": "bored",
    "breath": "breath",
    "concerned": "concerned",
    "disappointment, disapproval": "disappointed",
    "encouraging": "encouraging",
    "enthusiastic": "enthusiastic",
    "pain, groan": "pained",
    "pleasure": "pleased",
    "poker": "poker",
    "sarcastic": "sarcastic",
    "sleepy": "sleepy",
    "unknown": "unknown",
}
"""Classes that only single corpora have, and no canonical id: a word for each."""


def read(folder: DataFolder, part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of one fold's split, in the file's order.

    Parameters
    ----------
    part:
        The corpus, by the name of its folder.
    split:
        ``fold1-train``, ``fold1-dev``, ``fold1-test``, …

    Raises
    ------
    InputError
        If the files are missing or damaged.
    """
    fold, _, role = split.partition("-")
    number = fold.removeprefix("fold")
    path = _need(folder, part, f"fold_{number}/{part}_{_ROLE[role]}_fold_{number}.jsonl")
    names = _label_map(folder, part)
    found: dict[str, tuple[Item, Gold]] = {}
    for where, row in _rows(path):
        key, own = row.get("key"), row.get("emo")
        if not isinstance(key, str) or not isinstance(own, str) or not key:
            raise InputError("no key or no emo", where=where, expected='{"key": "…", "emo": "…"}')
        unique(key, found, where)
        # EmoDB's map lacks its class neutral; a class that is not in the map stands for itself.
        name = _KEPT_APART.get((part, own)) or names.get(own, own)
        name = name.lower()
        category = _SINGLE.get(name) or canonical_class(folder.card, name, where)
        found[key] = Item(key, "", "", _audio(folder, row)), Gold((category,), category)
    return list(found.values())


def _need(folder: DataFolder, corpus: str, *files: str) -> Path:
    return folder.need(*(f"{data}{corpus}/{file}" for file in files for data in ("data/", "")))


def _label_map(folder: DataFolder, corpus: str) -> dict[str, str]:
    path = _need(folder, corpus, "label_map.json", "label_dict.json")
    text = file_text(path)
    found = None
    if len(text) <= MAX_CHARACTERS:
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise InputError("no label map", where=str(path), expected='{"ang": "Angry", …}')
    return found


def _rows(path: Path) -> list[tuple[str, dict[str, object]]]:
    """Each line's place and content."""
    return list(objects(path, "not an item", "a JSON object per line"))


def _audio(folder: DataFolder, row: dict[str, object]) -> str | None:
    """The clip below EmoBox's folder; none where it is a stretch of a longer file."""
    wav = row.get("wav")
    if not isinstance(wav, str) or "start_time" in row or "\0" in wav:
        return None
    path = PurePosixPath(wav)
    if path.is_absolute() or ".." in path.parts:
        return None
    return clip(folder.folders, str(path))


def examine(folder: DataFolder, part: str) -> list[Finding]:
    """Classes of a corpus that its own label map lacks."""
    try:
        names = _label_map(folder, part)
        path = _need(folder, part, f"fold_1/{part}_test_fold_1.jsonl")
    except InputError:
        return []
    lacking = sorted({str(row.get("emo")) for _, row in _rows(path)} - names.keys())
    if not lacking:
        return []
    return [Finding("note", f"{part}: EmoBox's label map lacks {', '.join(lacking)}")]
