"""MELD, by its own tables (``test_sent_emo.csv``) or MERBench's ``label.npz``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ovbench.errors import InputError
from ovbench.io.classes import CLASS_MAPS
from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import clips, transcripts, unique
from ovbench.tasks.readers.files import canonical_class, class_word, merbench_labels, table

_PREFIX = {"train": "train", "dev": "val", "test": "test"}
"""Split → how its ids begin in predictions files and in MERBench's."""
_CLIPS = {
    "train": ("train_splits", "train/train_splits"),
    "dev": ("dev_splits_complete", "dev/dev_splits_complete"),
    "test": ("output_repeated_splits_test", "test/output_repeated_splits_test"),
}
"""Split → folders of the release that may hold its clips, as ``dia0_utt0.mp4``."""
_MERBENCH_CLIPS = ("audio", "subaudio", "video", "subvideo")
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_VALENCE = {"positive": 1.0, "neutral": 0.0, "negative": -1.0}
_BROKEN = ("train_dia125_utt3", "val_dia110_utt7", "test_dia279_utt15")
"""Clips that cannot be decoded, or are flagged by MERTools (the last)."""

Rows = list[tuple[Item, Gold]]


def read(folder: DataFolder, part: str, split: str) -> Rows:
    """Items and gold of a split, in the table's order.

    Parameters
    ----------
    part:
        ``emotion``, or ``sentiment``: MELD's own tables alone have it.

    Raises
    ------
    InputError
        If the files are missing or damaged.
    """
    own = folder.find(*_tables(split))
    labels = folder.find("label.npz")
    if own is None and labels is not None and part == "emotion":
        return _from_merbench(folder, labels, split)
    return _from_table(folder, own or folder.need(*_tables(split)), split)


def _tables(split: str) -> tuple[str, ...]:
    name = f"{split}_sent_emo.csv"
    return (name, f"data/MELD/{name}", f"{split}/{name}")


def _from_table(folder: DataFolder, path: Path, split: str) -> Rows:
    clip = _clip_of(folder, split)
    found: dict[str, tuple[Item, Gold]] = {}
    for row in table(path, _COLUMNS):
        turn = f"dia{row['Dialogue_ID'].strip()}_utt{row['Utterance_ID'].strip()}"
        where = f"{path}, {turn}"
        name = unique(f"{_PREFIX[split]}_{turn}", found, where)
        word, sentiment = (row[c].strip().lower() for c in ("Emotion", "Sentiment"))
        if sentiment not in _VALENCE:
            raise InputError(
                f"the sentiment {sentiment!r:.60}", where=where, expected=", ".join(_VALENCE)
            )
        found[name] = (
            Item(name, "", row["Utterance"].strip(), clip(name), row["Speaker"].strip()),
            Gold((word,), canonical_class(folder.card, word, where), _VALENCE[sentiment], word),
        )
    return list(found.values())


def _from_merbench(folder: DataFolder, path: Path, split: str) -> Rows:
    clip, said = _clip_of(folder, split), transcripts(folder, "transcription-engchi-polish.csv")
    rows = []
    for name, label in merbench_labels(path, f"{_PREFIX[split]}_corpus").items():
        where = f"{path}, {name!r}"
        word = class_word(label, CLASS_MAPS["meld"], where)
        gold = Gold((word,), canonical_class(folder.card, word, where), word=word)
        rows.append((Item(name, "", said.get(name, ""), clip(name)), gold))
    return rows


def _clip_of(folder: DataFolder, split: str) -> Callable[[str], str | None]:
    """Where an item's clip lies: in the release by its turn, in MERBench's folders by its id."""
    own, merbench = clips(folder, *_CLIPS[split]), clips(folder, *_MERBENCH_CLIPS)
    return lambda name: own(name.partition("_")[2]) or merbench(name)


def examine(folder: DataFolder, _part: str) -> list[Finding]:
    """Clips known to be broken, and whether the two forms of the labels agree."""
    found = []
    for name in _BROKEN:
        split = next(s for s, prefix in _PREFIX.items() if name.startswith(prefix))
        clip = _clip_of(folder, split)(name)
        if clip is not None:
            found.append(Finding("note", f"the clip of {name} is known to be broken: {clip}"))
    labels = folder.find("label.npz")
    for split in _PREFIX:
        own = folder.find(*_tables(split))
        if own is not None and labels is not None:
            found.append(_compared(folder, own, labels, split))
    return found


def _compared(folder: DataFolder, own: Path, labels: Path, split: str) -> Finding:
    one = {item.id: gold.category for item, gold in _from_table(folder, own, split)}
    other = {item.id: gold.category for item, gold in _from_merbench(folder, labels, split)}
    differ = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    if not differ:
        return Finding("ok", f"{split}: {own.name} and {labels.name} agree on {len(one)} items")
    return Finding(
        "wrong",
        f"{split}: {own.name} and {labels.name} differ on {len(differ)} items, first {min(differ)}",
    )
