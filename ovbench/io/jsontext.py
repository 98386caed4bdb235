"""JSON Lines and JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import NamedTuple

from ovbench.errors import InputError
from ovbench.io.columns import Columns, Wanted, choose_columns, label_column, listing
from ovbench.io.records import Records, RecordsBuilder, id_text, to_cell
from ovbench.io.text import lines, whole_text
from ovbench.progress import track

_EACH_LINE = 'a JSON object on each line, such as {"id": "a", "prediction": ["happy"]}'


class _Row(NamedTuple):
    number: int
    where: str
    fields: dict[str, object]


def read_jsonl(stream: io.BufferedReader, source: str, wanted: Wanted) -> Records:
    """One JSON object per line, each with an id and a label cell; blank lines are passed over."""
    return _records(_jsonl_rows(stream, source), source, wanted)


def _jsonl_rows(stream: io.BufferedReader, source: str) -> Iterator[_Row]:
    for number, line in enumerate(track(lines(stream, source), f"reading {source}"), 1):
        if line.isspace():
            continue
        where = f"{source}, line {number}"
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"not JSON ({_reason(error)}): {line.strip()[:60]!r}",
                where=where,
                expected=_EACH_LINE,
            ) from None
        if not isinstance(fields, dict):
            raise InputError(
                f"a JSON {_kind(fields)} in place of an object", where=where, expected=_EACH_LINE
            )
        yield _Row(number, where, fields)


def looks_like_jsonl(head: bytes) -> bool:
    """Whether text that starts with an object is JSONL rather than one object id → cell.

    It is, where the first line is a whole object and more lines follow, or it is the only line and
    has an ``id`` and a label by their usual names.
    """
    first, _, rest = head.partition(b"\n")
    try:
        fields = json.loads(first)
    except (ValueError, RecursionError):
        return False
    if rest.strip():
        return True
    try:
        choose_columns(list(fields), Wanted(), "")
    except InputError:
        return False
    return True


def read_json(stream: io.BufferedReader, source: str, wanted: Wanted) -> Records:
    """An array of objects, or one object that maps ids to cells (or to objects with a cell)."""
    text = whole_text(stream, source)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        first = text.lstrip().partition("\n")[0]
        if error.msg == "Extra data" and first.rstrip().endswith("}"):
            # JSON Lines under the name of JSON, as many programs write it.
            return read_jsonl(io.BufferedReader(io.BytesIO(text.encode())), source, wanted)
        where = f"{source}, line {error.lineno}, column {error.colno}"
        raise InputError(f"not JSON ({error.msg})", where=where, expected="valid JSON") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not readable JSON ({_reason(error)})", where=source) from None
    if isinstance(data, list):
        return _records(_array_rows(data, source), source, wanted)
    if isinstance(data, dict):
        return _mapping(data, source, wanted)
    raise InputError(
        f"a JSON {_kind(data)}",
        where=source,
        expected="an array of objects, or an object id → cell",
    )


def _array_rows(data: list[object], source: str) -> Iterator[_Row]:
    for number, fields in enumerate(data, 1):
        where = f"{source}, element {number}"
        if not isinstance(fields, dict):
            raise InputError(
                f"a JSON {_kind(fields)} in place of an object",
                where=where,
                expected='an object such as {"id": "a", "prediction": ["happy"]}',
            )
        yield _Row(number, where, fields)


def _records(rows: Iterator[_Row], source: str, wanted: Wanted) -> Records:
    columns: Columns | None = None
    builder = RecordsBuilder(wanted.extra)
    for number, where, fields in rows:
        if columns is None:
            columns = choose_columns(list(fields), wanted, where)
        try:
            name, cell = fields[columns.id], fields[columns.label]
            further = [fields[column] for column in columns.extra.values()]
        except KeyError as missing:
            raise InputError(
                f"the object has no key {missing.args[0]!r} (it has {listing(list(fields))})",
                where=where,
                expected="the same keys in every object",
            ) from None
        builder.add(id_text(name, where), to_cell(cell, where), number)
        for column, value in zip(columns.extra, further, strict=True):
            builder.columns[column].append(_as_text(value))
    if columns is None:
        raise InputError("the file is empty", where=source, expected=_EACH_LINE)
    return builder.build(source, columns.id, columns.label)


def _mapping(data: dict[str, object], source: str, wanted: Wanted) -> Records:
    """Ids as keys; the values are cells, or objects that all have a label column."""
    first = next(iter(data.values()), None)
    column = ""
    if isinstance(first, dict) and all(isinstance(fields, dict) for fields in data.values()):
        column = label_column(list(first), wanted, source)
    elif wanted.extra:
        raise InputError(
            f"an object id → cell has no further columns, such as {wanted.extra[0]!r}", where=source
        )
    rows = (
        _Row(
            number,
            f"{source}, id {name!r}",
            {**fields, "id": name}
            if column and isinstance(fields, dict)
            else {"": fields, "id": name},
        )
        for number, (name, fields) in enumerate(data.items(), 1)
    )
    keyed = Wanted(wanted.role, wanted.want, "id", column, wanted.extra)
    return _records(rows, source, keyed)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "nested too deep" if isinstance(error, RecursionError) else str(error).partition(";")[0]
