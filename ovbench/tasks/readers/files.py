"""What readers share: tables, MERBench's label files, class names and clips."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ovbench.errors import InputError
from ovbench.io.arrays import NO_VALUE
from ovbench.io.records import MAX_CHARACTERS, check_text
from ovbench.io.safe_pickle import load_npz
from ovbench.io.text import file_lines, lines, open_stream
from ovbench.tasks.card import Card


def table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file (UTF-8, with or without a mark, packed or not), every cell as text.

    Parameters
    ----------
    columns:
        Columns that must be there; others come along.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or has it twice, a row has another number of
        fields, or a quote is not closed.
    """
    with open_stream(path, str(path)) as stream:
        reader = csv.reader(lines(stream, str(path)), strict=True)
        try:
            header = next(reader, [])
            for name in columns:
                if (times := header.count(name)) != 1:
                    raise InputError(
                        f"{times} columns {name!r}" if times else f"there is no column {name!r}",
                        where=f"{path}, line 1",
                        expected=f"the columns {', '.join(columns)}",
                    )
            found = []
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"{len(row)} fields",
                        where=f"{path}, line {reader.line_num}",
                        expected=f"{len(header)}, as in the header",
                        mend="put a field that contains ',' in double quotes",
                    )
                found.append(dict(zip(header, row, strict=True)))
        except csv.Error as error:
            raise InputError(
                f"no table ({error})",
                where=f"{path}, line {reader.line_num}",
                expected="CSV: quotes that are closed, and doubled inside a quoted field",
            ) from None
        return found


def objects(path: Path, what: str, expected: str) -> Iterator[tuple[str, dict[str, object]]]:
    """The JSON objects of a file, one a line, each after its place; blank lines are passed over.

    Parameters
    ----------
    what, expected:
        As the message about another line says: ``"not an item"``, and what an item looks like.

    Raises
    ------
    InputError
        As it is consumed: if the file cannot be read, or a line is no JSON object, is longer than
        ``MAX_CHARACTERS``, or holds half a surrogate pair, which no file can hold as UTF-8.
    """
    for where, line in file_lines(path):
        if line.isspace():
            continue
        row = None
        if len(line) <= MAX_CHARACTERS:
            with suppress(ValueError, RecursionError):  # halves of pairs: UnicodeEncodeError
                read = json.loads(line)
                json.dumps(read, ensure_ascii=False).encode()
                row = read
        if not isinstance(row, dict):
            raise InputError(what, where=where, expected=expected)
        yield where, row


def files_in(folder: Path, pattern: str) -> list[Path]:
    """What a pattern names in a folder, sorted.

    Raises
    ------
    InputError
        If it is no folder.
    """
    if not folder.is_dir():
        raise InputError("this is no folder", where=str(folder), expected=f"a folder of {pattern}")
    return sorted(folder.glob(pattern))


def is_there(path: Path) -> bool:
    """Whether there is something of that name; not where none can be, or nobody may look."""
    with suppress(OSError):
        return path.exists()
    return False


def spoken(path: Path) -> str:
    """What a transcript says; an odd byte in it is no reason to read none.

    Raises
    ------
    InputError
        If it cannot be read, or is longer than ``MAX_CHARACTERS`` bytes.
    """
    with open_stream(path, str(path)) as stream:
        data = stream.read(MAX_CHARACTERS + 1)
    if len(data) > MAX_CHARACTERS:
        raise InputError(
            f"longer than {MAX_CHARACTERS:,} bytes", where=str(path), expected="a transcript"
        )
    return data.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class MerbenchLabel:
    """One item of a MERBench ``label.npz``: class (name or number) and sentiment value."""

    emotion: str | int | None
    value: float | None


def merbench_labels(path: Path, corpus: str) -> dict[str, MerbenchLabel]:
    """One split of a MERBench label file: item → label. Nothing in the file is run.

    Parameters
    ----------
    corpus:
        Name of the array: ``train_corpus``, ``test1_corpus``, ``whole_corpus``, …

    Raises
    ------
    InputError
        If there is no such array, or it does not hold such labels.
    """
    arrays = load_npz(path)
    if corpus not in arrays:
        raise InputError(
            f"there is no array {corpus!r}",
            where=str(path),
            expected=f"MERBench's label file; this one has {', '.join(arrays) or 'none'}",
        )
    entries = arrays[corpus]
    if not isinstance(entries, Mapping):
        raise InputError(
            f"{corpus} is no mapping", where=str(path), expected="item → {'emo': …, 'val': …}"
        )
    check_text(list(map(str, entries)), str(path))
    return {str(name): _label(entry, f"{path}, {name!r}") for name, entry in entries.items()}


def _label(entry: object, where: str) -> MerbenchLabel:
    if not isinstance(entry, Mapping):
        raise InputError(f"{entry!r:.60}", where=where, expected="{'emo': …, 'val': …}")
    emotion, value = entry.get("emo"), entry.get("val")
    number = None
    if isinstance(value, int | float):
        with suppress(OverflowError):  # a whole number of hundreds of digits
            number = float(value)
    if number is not None and (number == NO_VALUE or not math.isfinite(number)):
        number = None
    if isinstance(emotion, float) and emotion.is_integer():
        emotion = int(emotion)
    known = isinstance(emotion, str | int) and emotion != ""
    return MerbenchLabel(emotion if known else None, number)


def canonical_class(card: Card, name: str, where: str) -> str:
    """The canonical id of one of the data set's own class names, as its card maps them.

    Raises
    ------
    InputError
        If the card does not know the name.
    """
    found = card.labels.get(name)
    if found is None:
        raise InputError(
            f"the class {name!r:.60} is none of the data set's",
            where=where,
            expected=", ".join(card.labels),
        )
    return found


def class_word(label: MerbenchLabel, names: Sequence[str], where: str) -> str:
    """The class's name, for a label file that holds its number.

    Raises
    ------
    InputError
        If the label is no number that ``names`` has a name for.
    """
    number = label.emotion
    if isinstance(number, int) and 0 <= number < len(names):
        return names[number]
    raise InputError(
        f"the class {number!r:.60}",
        where=where,
        expected=f"0 to {len(names) - 1} ({', '.join(names)})",
    )


def sentiment_value(text: str, where: str) -> float | None:
    """A sentiment value; None for an empty cell and for MERBench's placeholder.

    Raises
    ------
    InputError
        If it is no number.
    """
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"the sentiment value {text!r:.60}", where=where, expected="a number")
    return None if value == NO_VALUE else value


def label_words(text: str, where: str) -> tuple[str, ...]:
    """Emotion words of an open-set cell: ``['a', 'b']``, ``a, b`` or empty.

    Read as the parser ``open`` does. A list that it takes for sentences, for a long phrase among
    its entries, is split as the data sets' authors do.

    Raises
    ------
    InputError
        If the cell is neither words nor empty, but a sentence without brackets, say.
    """
    from ovbench.io.labels import Status, get_parser

    found = get_parser("open").parse(text)
    if found.status is Status.UNPARSABLE and re.fullmatch(r"\s*\[.*\]\s*", text, re.DOTALL):
        found = get_parser("affectgpt").parse(text.strip())
    if found.status is Status.UNPARSABLE:
        raise InputError(f"{text!r:.60} is no list of words", where=where, expected="['a', 'b']")
    return tuple(found.labels)


def clip(folders: Sequence[Path], *patterns: str) -> str | None:
    """The first clip that one of the patterns names below one of the folders, as a path."""
    paths = (folder / pattern for folder in folders for pattern in patterns)
    return next((str(path) for path in paths if is_there(path) and path.is_file()), None)
