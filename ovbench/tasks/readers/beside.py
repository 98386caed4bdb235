"""What lies beside the labels: transcripts and clips, found by an item's id."""

from __future__ import annotations

from collections.abc import Callable, Container

from ovbench.errors import InputError
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.files import clip, table

ENGLISH_FIRST = ("english", "sentence", "chinese")
"""Columns of MERBench's and AffectGPT's transcript files, the preferred ones first."""
_ENDINGS = (".wav", ".flac", ".mp3", ".mp4", ".avi")
_LONGEST = 60
"""Characters of a file's name; of four bytes each they still are a name that file systems take."""


def transcripts(folder: DataFolder, *files: str) -> dict[str, str]:
    """Item → what is said, from the first of the files that is there; empty where none is.

    The files have a column ``name`` and one or more of :data:`ENGLISH_FIRST`; of each row the
    first that is not blank is taken.

    Raises
    ------
    InputError
        If a file is there but is no such table.
    """
    path = folder.find(*files)
    if path is None:
        return {}
    return {
        row["name"].strip(): next((t for c in ENGLISH_FIRST if (t := row.get(c, "").strip())), "")
        for row in table(path, ["name"])
    }


def clips(folder: DataFolder, *subfolders: str) -> Callable[[str], str | None]:
    """How a clip is found by its item's id in whichever of the subfolders are there.

    An id that is no plain file name finds none: a label file cannot lead out of the folder.
    """
    found = [path for base in folder.folders for sub in subfolders if (path := base / sub).is_dir()]

    def clip_of(name: str) -> str | None:
        if not plain(name):
            return None
        return clip(found, *(f"{name}{ending}" for ending in _ENDINGS))

    return clip_of


def plain(name: str) -> bool:
    """Whether a name can be a file's: a single part of a path, none that leads up, not too long."""
    one_part = "/" not in name and "\\" not in name
    return one_part and name not in ("", ".", "..") and len(name) <= _LONGEST


def filled(row: dict[str, str], column: str, where: str) -> str:
    """A cell that must hold something, without blanks at its ends.

    Raises
    ------
    InputError
        If it is blank.
    """
    text = row[column].strip()
    if not text:
        raise InputError(f"an empty {column!r}", where=where, expected="every row to have one")
    return text


def unique(name: str, known: Container[str], where: str) -> str:
    """The name, if it is not yet known.

    Raises
    ------
    InputError
        If it is.
    """
    if name in known:
        raise InputError(f"the id {name!r:.80} comes twice", where=where, expected="a row per item")
    return name
