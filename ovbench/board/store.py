"""The folder of a leaderboard: ``measured/*.json`` and ``published/*.jsonl``.

Records that were measured or recomputed lie in ``measured``, a submission per file; copied figures
in ``published``, a file per source and a record per line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ovbench.board.check import Checked, check_submission, title
from ovbench.board.record import Record
from ovbench.board.submission import (
    SubmissionError,
    printable,
    read_submission,
    record_id,
    record_line,
    submission_text,
)
from ovbench.errors import InputError
from ovbench.io.atomic import remove_unfinished, write_text
from ovbench.io.folders import make_folder
from ovbench.io.lock import locked

MEASURED, PUBLISHED = "measured", "published"
_FOLDERS = ((MEASURED, ".json"), (PUBLISHED, ".jsonl"))
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


@dataclass(frozen=True)
class Entry:
    """One record of a leaderboard.

    Attributes
    ----------
    id:
        First 12 hexadecimal digits of the SHA-256 over its canonical JSON.
    record:
        Untrusted text.
    file:
        Where it stands, relative to the leaderboard's folder: ``measured/lora-las-r4.json``.
    """

    id: str
    record: Record
    file: str


@dataclass(frozen=True)
class Board:
    """All records of a leaderboard, by file name and place in the file; no id comes twice."""

    entries: tuple[Entry, ...]


def read_board(folder: str | Path) -> Board:
    """The leaderboard in a folder.

    Raises
    ------
    InputError
        If the folder is none, a file cannot be read or lies in the wrong place, or a record comes
        twice.
    """
    home = Path(folder)
    if not home.is_dir():
        raise InputError(
            "there is no leaderboard here",
            where=str(folder),
            expected=f"a folder with {MEASURED}/*.json and {PUBLISHED}/*.jsonl",
        )
    entries: dict[str, Entry] = {}
    for part, suffix in _FOLDERS:
        for path in sorted((home / part).glob(f"*{suffix}")):
            for entry in _entries(path, f"{part}/{path.name}"):
                if entry.id in entries:
                    raise SubmissionError(
                        str(path), [f"record {entry.id} is in {entries[entry.id].file} already"]
                    )
                entries[entry.id] = entry
    return Board(tuple(entries.values()))


@dataclass(frozen=True)
class Added:
    """A file that :func:`add` wrote, and what was found in its submission."""

    file: Path
    checked: Checked
    same_answers: tuple[str, ...] = ()
    """A sentence for each record whose labels are, on every item, those of another system."""


def add(
    paths: Sequence[str | Path], folder: str | Path, data: str | Path | None = None
) -> tuple[Added, ...]:
    """Check submissions and write them into a leaderboard: all of them, or none.

    Each is named after the submission's own name, in lower case and without other signs than
    ``-``, and is laid out anew.

    Raises
    ------
    SubmissionError
        If a submission has a problem, a record of it is on the board already, or its name is taken.
    InputError
        If the board cannot be read or written, or another process is writing it.
    """
    home = Path(folder)
    found = []
    for path in paths:
        checked = check_submission(path, data)
        checked.demand()
        found.append(Added(home / _target(path, checked), checked))
    for part, _ in _FOLDERS:
        make_folder(home / part)
    with locked(home):
        for part, _ in _FOLDERS:
            remove_unfinished(home / part, "*.json", "*.jsonl")
        _refuse_twice(home, found)
        found = _with_same_answers(home, found)
        written: list[Path] = []
        try:
            for one in found:
                records = [checked.record for checked in one.checked.records]
                lines = "".join(map(record_line, records))
                published = one.file.suffix == ".jsonl"
                written.append(one.file)  # before it is there: Ctrl-C can come between the two
                write_text(one.file, lines if published else submission_text(records))
        except BaseException:
            for file in written:
                file.unlink(missing_ok=True)
            raise
    return tuple(found)


def _target(path: str | Path, checked: Checked) -> str:
    """Where a submission belongs, relative to the board's folder."""
    part = _part(checked.records[0].record)
    stem = re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-")[:100]
    if not _FILE_NAME.fullmatch(stem):
        raise SubmissionError(str(path), ["its name has no letter or digit of a-z and 0-9 in it"])
    return f"{part}/{stem}{dict(_FOLDERS)[part]}"


def _refuse_twice(home: Path, found: Sequence[Added]) -> None:
    """Refuse records and names that are there already, or come twice among the new ones."""
    there = {entry.id: entry.file for entry in read_board(home).entries}
    names: set[Path] = set()
    for one in found:
        name = str(one.file.relative_to(home))
        twice = [record.id for record in one.checked.records if record.id in there]
        problems = [f"record {known} is in {there[known]} already" for known in twice]
        if one.file.exists() or one.file.is_symlink() or one.file in names:
            problems.append(f"the name {name} is taken; give the file another one")
        if problems:
            raise SubmissionError(one.checked.file, problems)
        there.update((record.id, name) for record in one.checked.records)
        names.add(one.file)


def _with_same_answers(home: Path, found: Sequence[Added]) -> list[Added]:
    """Say where another system gave every answer alike: by chance, or one was copied."""
    known: dict[tuple[object, ...], Entry] = {}
    for entry in read_board(home).entries:
        known.setdefault(_answer_key(entry.record), entry)
    told = []
    for one in found:
        sentences = []
        for new in one.checked.records:
            if not new.record.predictions:
                continue
            name = str(one.file.relative_to(home))
            old = known.setdefault(_answer_key(new.record), Entry(new.id, new.record, name))
            if old.record.system != new.record.system:
                sentences.append(
                    f"every answer of {title(new.record)} is the same as in record {old.id} "
                    f"({printable(old.record.system.name)}, {old.file})"
                )
        told.append(replace(one, same_answers=tuple(sentences)))
    return told


def _answer_key(record: Record) -> tuple[object, ...]:
    answers = sorted((entry.id, entry.labels or ()) for entry in record.predictions)
    return record.task.id, record.task.split, record.protocol, tuple(answers)


def _entries(path: Path, file: str) -> list[Entry]:
    if not _FILE_NAME.fullmatch(path.stem):
        raise SubmissionError(
            str(path), ["the file's name has other characters than a-z, 0-9 and '-'"]
        )
    records = read_submission(path)
    wrong = [record for record in records if _part(record) != path.parent.name]
    if wrong:
        raise SubmissionError(
            str(path), [f"it holds a {wrong[0].origin.kind} record, which belongs elsewhere"]
        )
    return [Entry(record_id(record), record, file) for record in records]


def _part(record: Record) -> str:
    return PUBLISHED if record.origin.kind == "published" else MEASURED
