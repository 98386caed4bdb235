"""TinySpeech: items from the generator; their clips are made on first use, in the user's cache."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from ovbench.io.atomic import write_bytes
from ovbench.io.cache import cache_folder
from ovbench.io.riff import told_bytes
from ovbench.normalize.canonical import canonical
from ovbench.progress import track
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.testbed.frames import Split
from ovbench.testbed.speech import Clip, clips, fingerprint, render, wav


def read(_folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split; :func:`provide` makes the clips that the items name.

    Raises
    ------
    InputError
        If the cache folder cannot be made.
    """
    folder, rows = _folder_of(split), []
    for clip in clips(_split(split)):
        example = clip.example
        path = str(_path(folder, clip))
        item = Item(clip.id, "", example.transcript, path, clip.speaker.id)
        gold = Gold(example.labels, canonical(example.category), example.valence)
        rows.append((item, gold))
    return rows


def provide(split: str) -> None:
    """Make the clips of a split that are not there, or not whole.

    Each is written whole or not at all, so what is stopped goes on where it was, and processes that
    make the same clips do not harm each other.

    Raises
    ------
    InputError
        If the cache cannot be written to.
    OvbenchError
        If writing fails midway (a full disk).
    """
    folder = _folder_of(split)
    missing = [clip for clip in clips(_split(split)) if not _is_whole(_path(folder, clip))]
    for clip in track(missing, f"clips of tinyspeech, {split}", len(missing)):
        write_bytes(_path(folder, clip), wav(render(clip)), durable=False)


def _split(name: str) -> Split:
    return next(split for split in get_args(Split) if split == name)


def _folder_of(split: str) -> Path:
    return cache_folder("tinyspeech", fingerprint(), split)


def _path(folder: Path, clip: Clip) -> Path:
    return folder / f"{clip.id}.wav"


def _is_whole(path: Path) -> bool:
    """Whether a RIFF file is there and as long as its header says."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
        size = path.stat().st_size
    except OSError:
        return False
    return told_bytes(head) == size
