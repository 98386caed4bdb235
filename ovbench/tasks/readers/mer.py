"""The MER challenges (2023 to 2026): one of six classes, valence, and open-vocabulary words.

Two layouts: the tables as distributed (columns ``name``, ``discrete`` and often ``valence``; open
words in ``openset``), and the process folder that MERBench and MERTools make (``label-6way.npz``).

Where a test set's labels are not public, MERTools writes *neutral* for every item of it. Such
labels are never given as gold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ovbench.errors import InputError
from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import clips, filled, transcripts, unique
from ovbench.tasks.readers.files import (
    canonical_class,
    merbench_labels,
    sentiment_value,
    table,
)
from ovbench.tasks.readers.openset import cells_of, shared_with_training, with_words

TRANSCRIPTS = (
    "transcription-engchi-polish.csv",
    "subtitle_chieng.csv",
    "track1_subtitle_chieng.csv",
    "transcription_merge.csv",
)
_WITHOUT_VALENCE = {("mer2023", "test3")}
"""Splits whose valence column, where there is one, holds placeholders."""


@dataclass(frozen=True)
class _Files:
    """Where a challenge keeps its labels.

    Attributes
    ----------
    processed:
        The label file of its process folder.
    classes:
        Split → the table as distributed, and the array of the process folder's label file.
    words:
        Split → the table of open-vocabulary words.
    """

    processed: str
    classes: Mapping[str, tuple[str | None, str | None]]
    words: Mapping[str, str]


_FILES = {
    "mer2023": _Files(
        "label-6way.npz",
        {s: (f"{s}-label.csv", f"{s}_corpus") for s in ("train", "test1", "test2", "test3")},
        {},
    ),
    "mer2024": _Files(
        "label-6way.npz",
        {"train": ("label-disdim.csv", "train_corpus"), "test1": (None, "test1_corpus")},
        {},
    ),
    "mer2025": _Files(
        "track1_label_6way.npz",
        {
            "train": ("track1_train_disdim.csv", "train_corpus"),
            "test": ("track1_test_dis.csv", "test1_corpus"),
        },
        {"test": "track2_test.csv"},
    ),
    "mer2026": _Files(
        "track1_label_6way.npz",
        {
            "train": ("track1_train.csv", "train_corpus"),
            "test": ("track1_test.csv", "test1_corpus"),
        },
        {"train": "track2_train_human.csv", "test": "track2_test.csv"},
    ),
}


def read(folder: DataFolder, part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, in the file's order.

    Parameters
    ----------
    part:
        ``""``: classes and valence; ``"words"``: the open-vocabulary track.

    Raises
    ------
    InputError
        If the labels are missing, damaged, or placeholders.
    """
    files = _FILES[folder.card.id]
    if part == "words":
        return with_words(folder, cells_of(folder.need(files.words[split])))
    distributed, corpus = files.classes[split]
    csv_path = folder.find(distributed) if distributed else None
    npz_path = folder.find(files.processed) if corpus else None
    if csv_path is not None:
        found = dict(_distributed(folder, csv_path, split))
        _refuse_placeholders(folder, found, split, csv_path)
    elif npz_path is not None and corpus is not None:
        found = dict(_processed(folder, npz_path, corpus))
        _refuse_placeholders(folder, found, split, npz_path)
    else:
        raise folder.missing(*filter(None, (distributed, files.processed)))
    said, clip_of = transcripts(folder, *TRANSCRIPTS), clips(folder, "audio", split, "video")
    return [
        (Item(name, "", said.get(name, ""), clip_of(name)), gold) for name, gold in found.items()
    ]


def _distributed(folder: DataFolder, path: Path, split: str) -> Iterator[tuple[str, Gold]]:
    with_valence = (folder.card.id, split) not in _WITHOUT_VALENCE
    known: set[str] = set()
    for row in table(path, ["name", "discrete"]):
        name = unique(filled(row, "name", str(path)), known, str(path))
        known.add(name)
        where = f"{path}, {name!r}"
        valence = sentiment_value(row.get("valence", ""), where) if with_valence else None
        yield name, _gold(folder, filled(row, "discrete", where), valence, where)


def _processed(folder: DataFolder, path: Path, corpus: str) -> Iterator[tuple[str, Gold]]:
    for name, label in merbench_labels(path, corpus).items():
        yield name, _gold(folder, str(label.emotion), label.value, f"{path}, {name!r}")


def _gold(folder: DataFolder, word: str, valence: float | None, where: str) -> Gold:
    """The class, also as the word that a system may learn to say."""
    return Gold((word,), canonical_class(folder.card, word, where), valence, word)


def _refuse_placeholders(
    folder: DataFolder, found: Mapping[str, Gold], split: str, path: Path
) -> None:
    """Refuse a test split of which every item is neutral: nobody has labelled it."""
    if split.startswith("test") and {gold.category for gold in found.values()} == {"neutral"}:
        raise InputError(
            f"all {len(found)} items of {split} are neutral: placeholders, not gold",
            where=str(path),
            expected=f"the organisers' labels of {folder.card.title}",
            mend="ask the organisers for them; MERTools' preprocessing writes neutral where there "
            "are none",
        )


def examine(folder: DataFolder, part: str) -> list[Finding]:
    """How many items with open-vocabulary words are also in MER-Caption+, where both lie there."""
    tables = _FILES[folder.card.id].words.values() if part == "words" else ()
    paths = [path for name in tables if (path := folder.find(name)) is not None]
    return [finding for path in paths for finding in shared_with_training(folder, path)]
