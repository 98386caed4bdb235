"""What readers share: tables, MERBench's label files, class names and clips."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ovbench.errors import InputError
from ovbench.io.safe_pickle import load_npz
from ovbench.io.text import lines, open_stream
from ovbench.tasks.card import Card

NO_VALUE = -10.0
"""MERBench's placeholder where nobody has given a sentiment value."""


def table(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a CSV file (UTF-8, with or without a mark, packed or not), every cell as text.

    Parameters
    ----------
    columns:
        Columns that must be there; others come along.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or a row has another number of fields.
    """
    with open_stream(path, str(path)) as stream:
        reader = csv.reader(lines(stream, str(path)), delimiter=delimiter)
        try:
            header = next(reader, [])
            absent = [name for name in columns if name not in header]
            if absent:
                raise InputError(
                    f"there is no column {absent[0]!r}",
                    where=str(path),
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
                    )
                found.append(dict(zip(header, row, strict=True)))
        except csv.Error as error:
            where = f"{path}, line {reader.line_num}"
            raise InputError(f"no table ({error})", where=where, expected="CSV") from None
        return found


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
            f"the class {name!r} is none of the data set's",
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
        f"the class {number!r}",
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
        raise InputError(f"the sentiment value {text!r}", where=where, expected="a number")
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
    for folder in folders:
        for pattern in patterns:
            path = folder / pattern
            with suppress(OSError):  # a name that is too long for any file
                if path.is_file():
                    return str(path)
    return None
