"""How much a Parquet file holds once it is unpacked, told by the headers of its pages.

A page of a few bytes can stand for millions of values, as runs of one value are stored once. The
file's footer counts the values too, but a reader unpacks what the pages say, so those are asked.
Pages and footer are Thrift structs in its compact protocol; field numbers here are those of
``parquet.thrift`` in the Parquet format's specification (2.10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from ovbench.errors import InputError

_MAGIC = b"PAR1"
_DELTA_BYTE_ARRAY = 7
_FIXED_LEN_BYTE_ARRAY = 7
_VALUE = 24
"""Bytes that a value takes in memory: 16 of a text's view or of a number, 8 of a list's offset."""
_PAGE = 1024
"""Bytes for a page itself, so that no number of empty ones is free."""
_DEEPEST = 32
"""Structs and lists within each other; the format needs 6."""

Struct = dict[int, Any]
"""Field number → a whole number, bytes, a list or a struct."""


def unpacked_bytes(path: Path, columns: Mapping[str, int], where: str) -> Iterator[int]:
    """Bytes that columns of a file take in memory, or somewhat more, page by page.

    ``columns`` are names and places (from 0). Whatever has one of either is counted: names stand in
    a file several times, and need not be the same.

    Raises
    ------
    InputError
        If the footer or a page's header is damaged, or a column is stored as differences of texts,
        whose length nothing tells beforehand.
    OSError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            for chunk, rows, width in _chunks(data, columns):
                yield from _chunk_bytes(data, chunk, rows, width, where)
    except _DamagedError:
        raise InputError(
            "cannot be read (the footer or a page's header is damaged)",
            where=where,
            expected="an intact Parquet file",
        ) from None


def _chunks(data: mmap, columns: Mapping[str, int]) -> Iterator[tuple[Struct, int, int]]:
    """Metadata, number of rows and bytes of a value of each chunk of the columns."""
    end = len(data) - 8
    start = end - int.from_bytes(data[end : end + 4], "little")
    if start < len(_MAGIC) or data[-4:] != _MAGIC:
        raise _DamagedError
    footer = _Compact(data, start, end).struct()
    schema = _structs(footer, 2)
    roots = _roots(schema)
    widest = max((_number(element, 2) for element in schema), default=0)
    for group in _structs(footer, 4):
        chunks = _structs(group, 1)
        if len(chunks) != len(roots):
            raise _DamagedError
        for (place, name), column in zip(roots, chunks, strict=True):
            if name in columns or place in columns.values():
                chunk = _struct(column, 3)
                fixed = chunk.get(1) == _FIXED_LEN_BYTE_ARRAY
                yield chunk, _number(group, 3), max(_VALUE, widest if fixed else 0)


def _roots(schema: list[Struct]) -> list[tuple[int, str]]:
    """For each leaf of the schema, in order, place and name of the column it is or lies within.

    Readers tell a chunk's column by this order; the name that the chunk has is not looked at.
    """
    roots: list[tuple[int, str]] = []
    place, column = -1, ""
    unseen = 0  # nodes of the column's tree that are still to come
    for element in schema[1:]:
        if not unseen:
            name, unseen = element.get(4), 1
            if not isinstance(name, bytes):
                raise _DamagedError
            place, column = place + 1, name.decode("utf-8", "replace")
        children = _number(element, 5)
        unseen += children - 1
        if not children:
            roots.append((place, column))
    return roots


def _chunk_bytes(data: mmap, chunk: Struct, rows: int, width: int, where: str) -> Iterator[int]:
    at = _number(chunk, 11) or _number(chunk, 9)
    end = at + _number(chunk, 7)
    values = 0
    while at < end:
        reader = _Compact(data, at, len(data))
        page = reader.struct()
        header, encoding = (_struct(page, 8), 4) if 8 in page else (_struct(page, 5), 2)
        if header.get(encoding) == _DELTA_BYTE_ARRAY:
            raise InputError(
                "a column is stored as differences of texts (DELTA_BYTE_ARRAY)",
                where=where,
                expected="an encoding that tells how long the texts are",
                mend="write the file again with polars or pandas as they are set",
            )
        values += _number(header, 1)
        yield _number(header, 1) * width + _number(page, 2) + _PAGE
        at = reader.at + _number(page, 3)
    yield max(0, rows - values, _number(chunk, 5) - values) * width


def _number(struct: Struct, field: int) -> int:
    found = struct.get(field, 0)
    if not isinstance(found, int) or found < 0:
        raise _DamagedError
    return found


def _struct(struct: Struct, field: int) -> Struct:
    found = struct.get(field, {})
    if not isinstance(found, dict):
        raise _DamagedError
    return found


def _structs(struct: Struct, field: int) -> list[Struct]:
    found = struct.get(field, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _DamagedError
    return found


class _DamagedError(Exception):
    """What stands there is no Thrift struct of the format."""


class _Compact:
    """Reads structs of Thrift's compact protocol from ``at``, never beyond ``end``."""

    def __init__(self, data: mmap, at: int, end: int) -> None:
        self._data = data
        self.at = at
        self._end = end

    def struct(self, depth: int = 0) -> Struct:
        """The struct that begins here; of a field that comes twice the last."""
        found: Struct = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 15
            found[field] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise _DamagedError
        match kind:
            case 1 | 2 | 3:  # in lists a truth value is a byte, too
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                return self._items(depth + 1)
            case 12:
                return self.struct(depth + 1)
        raise _DamagedError

    def _items(self, depth: int) -> list[Any]:
        head = self._byte()
        size = self._varint() if head >> 4 == 15 else head >> 4
        if size > self._end - self.at:  # each item is a byte at least
            raise _DamagedError
        return [self._value(head & 15, depth) for _ in range(size)]

    def _byte(self) -> int:
        if not 0 <= self.at < self._end:
            raise _DamagedError
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self.at:
            raise _DamagedError
        self.at += size
        return self._data[self.at - size : self.at]

    def _varint(self) -> int:
        found = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
        raise _DamagedError

    def _zigzag(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)
