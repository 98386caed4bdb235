"""JSON Lines and JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import NamedTuple

from ovbench.errors import InputError
from ovbench.io.columns import Columns, Wanted, choose_columns, label_column, listing
from ovbench.io.records import Records, RecordsBuilder, RepeatedKeys, id_text, to_cell
from ovbench.io.text import lines, whole_text
from ovbench.progress import track

_EACH_LINE = 'a JSON object on each line, such as {"id": "a", "prediction": ["happy"]}'
_EITHER = "an array of objects, or an object id → cell"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else RepeatedKeys(pairs)


_decode = json.JSONDecoder(object_pairs_hook=_object).decode
"""As ``json.loads``, but an object with a repeated key keeps all its pairs."""


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
            fields = _decode(line)
        except (ValueError, RecursionError, MemoryError) as error:
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
    if not text.strip():
        raise InputError("the file is empty", where=source, expected=_EITHER)
    try:
        data = _decode(text)
    except json.JSONDecodeError as error:
        first = text.lstrip().partition("\n")[0]
        if error.msg == "Extra data" and first.rstrip().endswith("}"):
            # JSON Lines under the name of JSON, as many programs write it.
            return read_jsonl(io.BufferedReader(io.BytesIO(text.encode())), source, wanted)
        where = f"{source}, line {error.lineno}, column {error.colno}"
        raise InputError(f"not JSON ({error.msg})", where=where, expected="valid JSON") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"not readable JSON ({_reason(error)})", where=source) from None
    if isinstance(data, (list, dict)) and not data:
        raise InputError(f"the {_kind(data)} is empty", where=source, expected="an item per id")
    if isinstance(data, list):
        return _records(_array_rows(data, source), source, wanted)
    if isinstance(data, dict):
        # An id that comes twice is two rows, as it is in a table.
        pairs = data.pairs if isinstance(data, RepeatedKeys) else list(data.items())
        return _mapping(pairs, source, wanted)
    raise InputError(f"a JSON {_kind(data)}", where=source, expected=_EITHER)


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
        if isinstance(fields, RepeatedKeys):
            raise fields.refused(where)
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


def _mapping(pairs: list[tuple[str, object]], source: str, wanted: Wanted) -> Records:
    """Ids as keys; the values are cells, or objects that all have a label column."""
    first = pairs[0][1]
    column = ""
    if isinstance(first, dict) and all(isinstance(fields, dict) for _, fields in pairs):
        column = label_column(list(first), wanted, source)
    elif wanted.extra:
        raise InputError(
            f"an object id → cell has no further columns, such as {wanted.extra[0]!r}", where=source
        )
    keyed = Wanted(wanted.role, wanted.want, "id", column, wanted.extra)
    return _records(_mapping_rows(pairs, bool(column), source), source, keyed)


def _mapping_rows(pairs: list[tuple[str, object]], of_objects: bool, source: str) -> Iterator[_Row]:
    for number, (name, value) in enumerate(pairs, 1):
        where = f"{source}, id {name!r}"
        if not (of_objects and isinstance(value, dict)):
            yield _Row(number, where, {"": value, "id": name})
        elif isinstance(value, RepeatedKeys):
            raise value.refused(where)
        else:
            yield _Row(number, where, {**value, "id": name})


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
    if isinstance(error, MemoryError):
        return "larger than the memory that is left"
    return "nested too deep" if isinstance(error, RecursionError) else str(error).partition(";")[0]
