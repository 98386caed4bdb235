"""Clips of longer videos with a sentiment value each: CMU-MOSI, CMU-MOSEI, SIMS and SIMSv2.

Three layouts:

- MERBench's process folder: ``label.npz`` and a table of transcripts;
- MMSA's: ``label.csv`` (SIMSv2: ``meta.csv``) with a row per clip of all splits;
- SIMS's own: ``metadata/sentiment/label_M.csv`` and a list of rows per split.

Ids are MERBench's in all of them: the video and the clip, joined by an underscore.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ovbench.errors import InputError
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import clips, filled, plain, transcripts
from ovbench.tasks.readers.files import clip, merbench_labels, sentiment_value, table

PROCESSED, MMSA, OWN = "label.npz", ("label.csv", "meta.csv"), "metadata/sentiment/label_M.csv"
TRANSCRIPTS = ("transcription-engchi-polish.csv", "transcription.csv")
_CORPUS = {"train": "train_corpus", "dev": "val_corpus", "test": "test_corpus"}
_MODES = {"train": "train", "valid": "dev", "test": "test"}
_INDEX = {"train": "train_index.csv", "dev": "val_index.csv", "test": "test_index.csv"}
_SIMS_DIGITS = 4
"""SIMS writes its clips' numbers with so many digits; some of its tables lost the zeros."""


@dataclass(frozen=True)
class _Clip:
    """A row of a table: one clip of one video."""

    video: str
    number: str
    text: str
    value: float | None

    @property
    def id(self) -> str:
        return f"{self.video}_{self.number}"


def read(folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, in the file's order.

    Raises
    ------
    InputError
        If no layout's files are there, or they are damaged.
    """
    processed = folder.find(PROCESSED)
    if processed is not None:
        return _processed(folder, processed, split)
    if (mmsa := folder.find(*MMSA)) is not None:
        found = list(_of_mode(folder, mmsa, split))
    elif (own := folder.find(OWN)) is not None:
        found = _of_index(folder, own, split)
    else:
        raise folder.missing(PROCESSED, *MMSA)
    raw = [path for base in folder.folders if (path := base / "Raw").is_dir()]
    return [
        (Item(one.id, "", one.text, _raw_clip(raw, one)), Gold(valence=one.value)) for one in found
    ]


def _processed(folder: DataFolder, path: Path, split: str) -> list[tuple[Item, Gold]]:
    said = transcripts(folder, *TRANSCRIPTS)
    clip_of = clips(folder, "subaudio", "audio", "subvideo", "video", "subvideo_new", "video_new")
    return [
        (Item(name, "", said.get(name, ""), clip_of(name)), Gold(valence=label.value))
        for name, label in merbench_labels(path, _CORPUS[split]).items()
    ]


def _of_mode(folder: DataFolder, path: Path, split: str) -> Iterator[_Clip]:
    """The rows of MMSA's table whose ``mode`` is the split."""
    for row in table(path, ["video_id", "clip_id", "text", "label", "mode"]):
        mode = row["mode"].strip()
        if mode not in _MODES:
            raise InputError(
                f"the mode {mode!r:.60}", where=str(path), expected=", ".join(map(repr, _MODES))
            )
        if _MODES[mode] == split:
            yield _clip(folder, row, row["text"].strip(), path)


def _of_index(folder: DataFolder, path: Path, split: str) -> list[_Clip]:
    """The rows of SIMS's own table that the split's index names, by their place from 0 on."""
    rows = table(path, ["video_id", "clip_id", "label"])
    index = folder.need(f"metadata/{_INDEX[split]}")
    found = []
    for entry in table(index, ["index"]):
        place = filled(entry, "index", str(index))
        number = int(place) if re.fullmatch(r"[0-9]{1,9}", place) else len(rows)
        if number >= len(rows):
            raise InputError(
                f"the index {place!r:.60}", where=str(index), expected=f"0…{len(rows) - 1}"
            )
        found.append(_clip(folder, rows[number], "", path))
    return found


def _clip(folder: DataFolder, row: dict[str, str], text: str, path: Path) -> _Clip:
    video, number = (filled(row, column, str(path)) for column in ("video_id", "clip_id"))
    if folder.card.id == "sims":
        number = number.zfill(_SIMS_DIGITS)
    return _Clip(video, number, text, sentiment_value(row["label"], f"{path}, {video} {number}"))


def _raw_clip(raw: list[Path], one: _Clip) -> str | None:
    if not (plain(one.video) and plain(one.number)):
        return None
    return clip(raw, f"{one.video}/{one.number}.mp4", f"{one.video}/{one.number}.wav")
