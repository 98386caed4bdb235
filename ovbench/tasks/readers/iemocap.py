"""IEMOCAP, by the release of USC or by MERBench's label files."""

from __future__ import annotations

import re
from pathlib import Path

from ovbench.errors import InputError
from ovbench.io.classes import CLASS_MAPS
from ovbench.io.text import file_lines
from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import clips, transcripts, unique
from ovbench.tasks.readers.files import (
    canonical_class,
    class_word,
    clip,
    files_in,
    merbench_labels,
    spoken,
)
from ovbench.tasks.readers.folds import sessions_of

SESSIONS = (1, 2, 3, 4, 5)
_FOUR = ("label_4way.npz", "label-4way.npz")
_SIX = ("label_6way.npz", "label-6way.npz")
_TURN = re.compile(r"\[[\d.]+ - [\d.]+\]\t(Ses0[1-5][FM]_\w+)\t(\w+)\t\[")
"""A line of EmoEvaluation: times, turn, class, and three values in brackets."""
_SAID = re.compile(r"(Ses0[1-5][FM]_\w+) \[[\d.]+-[\d.]+\]:\s*(.*)")
_WORD_OF_FOUR = {"excited": "happy", "angry": "anger"}
"""Canonical class → the word for it where there are four, as MER-UniBench gives them to scorers.

For the rest the word is the canonical one."""

Rows = list[tuple[Item, Gold]]


def read(folder: DataFolder, part: str, split: str) -> Rows:
    """Items and gold of a split, sorted by id.

    Parameters
    ----------
    part:
        ``4class``: the emotion word of an excited turn is *happy* (its class stays *excited*);
        ``6class``: every class has a word of its own.

    Raises
    ------
    InputError
        If the files are missing or damaged.
    """
    sessions = sessions_of(split if split.startswith("fold") else f"fold5-{split}", SESSIONS)
    own = folder.find("Session1/dialog/EmoEvaluation")
    classes = _own_classes(folder) if own else _merbench_classes(folder, part)
    said = _own_transcripts(folder) if own else {}
    said = said or transcripts(folder, "transcription-engchi-polish.csv")
    clip_of = clips(folder, "audio", "subaudio", "video", "subvideo")
    rows = []
    for name in sorted(classes):
        if int(name[4]) not in sessions:
            continue
        category = classes[name]
        word = _WORD_OF_FOUR.get(category, category) if part == "4class" else category
        audio = clip(folder.folders, _wav(name)) or clip_of(name)
        item = Item(name, "", said.get(name, ""), audio, f"{name[:5]}{name.split('_')[-1][0]}")
        rows.append((item, Gold((word,), category, word=word)))
    return rows


def _own_classes(folder: DataFolder) -> dict[str, str]:
    found: dict[str, str] = {}
    for session in SESSIONS:
        path = folder.need(f"Session{session}/dialog/EmoEvaluation")
        for file in files_in(path, "Ses*.txt"):
            for where, line in file_lines(file):
                if not line.startswith("["):  # the header, and what each rater said
                    continue
                match = _TURN.match(line)
                if match is None:
                    raise InputError(
                        f"no turn: {line.strip()!r:.60}",
                        where=where,
                        expected="[start - end], turn, class and [values], with tabs between",
                    )
                name = unique(match[1], found, where)
                found[name] = canonical_class(folder.card, match[2], where)
    return found


def _own_transcripts(folder: DataFolder) -> dict[str, str]:
    found: dict[str, str] = {}
    for session in SESSIONS:
        path = folder.find(f"Session{session}/dialog/transcriptions")
        for file in files_in(path, "Ses*.txt") if path else ():
            lines = spoken(file).splitlines()
            found |= {m[1]: m[2].strip() for m in map(_SAID.match, lines) if m}
    return found


def _wav(name: str) -> str:
    dialogue = name.rpartition("_")[0]
    return f"Session{name[4]}/sentences/wav/{dialogue}/{name}.wav"


def _merbench_classes(folder: DataFolder, part: str) -> dict[str, str]:
    """Classes by both label files where both are there: either alone tells less.

    The file of four classes calls excited turns happy. That of six calls 53 turns happy on which
    the annotators did not agree; they are the happy ones that the file of four lacks.
    """
    four, six = folder.find(*_FOUR), folder.find(*_SIX)
    if six is None:
        if four is None or part == "6class":
            raise folder.missing(
                "Session1/dialog/EmoEvaluation", _SIX[0], *(_FOUR[:1] if part == "4class" else ())
            )
        return _named(folder, four, "iemocap4")
    found = _named(folder, six, "iemocap6")
    if four is not None:
        agreed = _named(folder, four, "iemocap4")
        found |= {
            name: "no_agreement"
            for name, category in found.items()
            if category == "happy" and name not in agreed
        }
    return found


def _named(folder: DataFolder, path: Path, numbers: str) -> dict[str, str]:
    found = {}
    for name, label in merbench_labels(path, "whole_corpus").items():
        where = f"{path}, {name!r}"
        if not re.fullmatch(r"Ses0[1-5][FM]_\w+", name):
            raise InputError(
                f"the id {name!r:.80}", where=str(path), expected="Ses01F_impro01_F000, …"
            )
        found[name] = canonical_class(
            folder.card, class_word(label, CLASS_MAPS[numbers], where), where
        )
    return found


def examine(folder: DataFolder, part: str) -> list[Finding]:
    """What MERBench's label files say beyond IEMOCAP's own: 53 turns too many are happy."""
    six, four = folder.find(*_SIX), folder.find(*_FOUR)
    if folder.find("Session1/dialog/EmoEvaluation") is None and six is None and four is not None:
        told = "excited turns are called happy: protocols that tell them apart have no gold"
        return [Finding("note", f"{four.name} alone: {told}")]
    if six is None:
        return []
    happy = sum(category == "happy" for category in _named(folder, six, "iemocap6").values())
    known = sum(
        split.classes.get("happy", 0)
        for name, split in folder.card.views["iemocap-6class"].splits.items()
        if name in ("train", "dev", "test")
    )
    if happy == known:
        return [Finding("ok", f"{six.name}: {happy} happy turns")]
    told = f"{six.name} has {happy} happy turns, {happy - known:+d} against the release's {known}"
    if four is None:
        return [
            Finding(
                "wrong",
                f"{told}: turns without agreement are among them, and {_FOUR[0]} would tell which",
            )
        ]
    return [Finding("note", f"{told}: those that {four.name} lacks are read as without agreement")]
