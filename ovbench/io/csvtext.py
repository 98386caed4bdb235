"""CSV and TSV. Every cell stays text: ``001``, ``nan`` and ``none`` are what they look like."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import itemgetter
from pathlib import PurePath

from ovbench.errors import InputError
from ovbench.io.columns import Wanted, extra_columns, id_column, label_column, listing
from ovbench.io.records import MAX_CHARACTERS, Records, RecordsBuilder
from ovbench.io.text import lines

_MELD_IDS = ("dialogue_id", "utterance_id")
_MELD_SPLITS = {"test": "test_", "dev": "val_", "val": "val_", "train": "train_"}


def read_csv(
    stream: io.BufferedReader, source: str, wanted: Wanted, delimiter: str | None = None
) -> Records:
    """A table with a header line.

    Without ``delimiter`` it is the comma, unless the header has none and has tabs or semicolons.
    A table with the columns Dialogue_ID and Utterance_ID is MELD's own: its ids
    are ``test_dia0_utt0`` and so on, as AffectGPT's and MERBench's files have them.

    Raises
    ------
    InputError
        If the file is empty or holds only a header, a row has another number of fields than the
        header, a quote is not closed, line ends are CR alone, a column's name comes twice, an id
        is empty, or a field is longer than ``MAX_CHARACTERS``.
    """
    former = csv.field_size_limit(MAX_CHARACTERS)
    try:
        return _read(lines(stream, source), source, wanted, delimiter)
    finally:
        csv.field_size_limit(former)


def _read(text: Iterator[str], source: str, wanted: Wanted, delimiter: str | None) -> Records:
    blank, first = next(((i, ln) for i, ln in enumerate(text) if not ln.isspace()), (0, ""))
    if not first:
        raise InputError("the file is empty", where=source, expected="a header line and rows")
    table = _rows(chain([first], text), blank, source, delimiter or _delimiter(first))
    _, header = next(table)
    _check_header(header, source)
    ids_from, name_of = _ids(header, source, wanted)
    label = label_column(header, wanted, source)
    extra = extra_columns(header, wanted, source)
    at = header.index(label)
    further = [(name, header.index(column)) for name, column in extra.items()]
    builder = RecordsBuilder(wanted.extra)
    for line, row in table:
        name = name_of(row)
        if not name:
            raise InputError(
                f"the id (column {ids_from!r}) is empty", where=f"{source}, line {line}"
            )
        builder.add(name, row[at], line)
        for column, i in further:
            builder.columns[column].append(row[i])
    if not builder.ids:
        raise InputError("only a header, no rows", where=source, expected="a row per item")
    return builder.build(source, ids_from, label)


def _ids(header: list[str], source: str, wanted: Wanted) -> tuple[str, Callable[[list[str]], str]]:
    """The column of ids, for messages, and how a row's id is made."""
    keys = [column.strip().lower() for column in header]
    if wanted.id_column is None and all(key in keys for key in _MELD_IDS):
        dialogue, utterance = (keys.index(key) for key in _MELD_IDS)
        prefix = _meld_prefix(source)
        columns = f"{header[dialogue]}, {header[utterance]}"
        return columns, lambda row: f"{prefix}dia{row[dialogue]}_utt{row[utterance]}"
    column = id_column(header, wanted, source)
    return column, itemgetter(header.index(column))


def _rows(
    text: Iterable[str], blank: int, source: str, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row with the line it starts on, the header first; blank lines left out."""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    width, line = 0, blank + 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "new-line character" in str(error):
                raise InputError(
                    "a line end is a carriage return (CR) alone",
                    where=f"{source}, line {line}",
                    expected="line ends LF or CRLF",
                    mend="convert them: tr '\\r' '\\n'",
                ) from None
            raise InputError(
                f"the row that starts here cannot be split into fields ({error})",
                where=f"{source}, line {line}",
                expected="quotes that are closed, and doubled inside a quoted field",
            ) from None
        if row:
            width = width or len(row)
            if len(row) != width:
                raise InputError(
                    f"{len(row)} fields",
                    where=f"{source}, line {line}",
                    expected=f"{width}, as in the header",
                    mend=f"put a field that contains {delimiter!r} in double quotes",
                )
            yield line, row
        line = blank + reader.line_num + 1


def _delimiter(header: str) -> str:
    if "," in header:
        return ","
    return next((c for c in "\t;" if c in header), ",")


def _check_header(header: list[str], source: str) -> None:
    twice = sorted(column for column, times in Counter(header).items() if column and times > 1)
    if twice:
        raise InputError(
            f"the header names {listing(twice)} more than once",
            where=f"{source}, line 1",
            expected="each column's name once",
        )


def _meld_prefix(source: str) -> str:
    """``test_``, ``val_`` or ``train_``, from a file name such as ``test_sent_emo.csv``."""
    return _MELD_SPLITS.get(PurePath(source).name.lower().partition("_")[0], "")
