"""How much a Parquet file holds once it is unpacked, told by the headers of its pages.

A page of a few bytes can stand for millions of values, as runs of one value are stored once. The
file's footer counts the values too, but a reader unpacks what the pages say, so those are asked.
Numbers of fields are explained in :mod:`ovbench.io.parquet_format`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path

from ovbench.errors import InputError
from ovbench.io.parquet_format import FOOTER, PAGE_HEADER, DamagedError, Reader, Struct

_MAGIC = b"PAR1"
_DELTA_BYTE_ARRAY = 7
_FIXED_LEN_BYTE_ARRAY = 7
_VALUE = 24
"""Bytes that a value takes in memory: 16 of a text's view or of a number, 8 of a list's offset."""
_PAGE = 1024
"""Bytes for a page itself, so that no number of empty ones is free."""


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
    except DamagedError:
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
        raise DamagedError
    footer = Reader(data, start, end).struct(FOOTER)
    schema: list[Struct] = footer.get(2, [])
    roots = _roots(schema)
    widest = max((_size(element, 2) for element in schema), default=0)
    for group in footer.get(4, []):
        chunks = group.get(1, [])
        if len(chunks) != len(roots):
            raise DamagedError
        for (place, name), column in zip(roots, chunks, strict=True):
            if name in columns or place in columns.values():
                chunk = column.get(3, {})
                fixed = chunk.get(1) == _FIXED_LEN_BYTE_ARRAY
                yield chunk, _size(group, 3), max(_VALUE, widest if fixed else 0)


def _roots(schema: list[Struct]) -> list[tuple[int, str]]:
    """For each leaf of the schema, in order, place and name of the column it is or lies within.

    Readers tell a chunk's column by this order; the name that the chunk has is not looked at.
    """
    roots: list[tuple[int, str]] = []
    place, column = -1, ""
    unseen = 0  # nodes of the column's tree that are still to come
    for element in schema[1:]:
        if not unseen:
            unseen = 1
            place, column = place + 1, element.get(4, b"").decode("utf-8", "replace")
        children = _size(element, 5)
        unseen += children - 1
        if not children:
            roots.append((place, column))
    return roots


def _chunk_bytes(data: mmap, chunk: Struct, rows: int, width: int, where: str) -> Iterator[int]:
    at = _size(chunk, 11) or _size(chunk, 9)
    end = at + _size(chunk, 7)
    values = 0
    while at < end:
        reader = Reader(data, at, len(data))
        page = reader.struct(PAGE_HEADER)
        first, second = page.get(5, {}), page.get(8, {})  # the header of either version
        if _DELTA_BYTE_ARRAY in (first.get(2), second.get(4)):
            raise InputError(
                "a column is stored as differences of texts (DELTA_BYTE_ARRAY)",
                where=where,
                expected="an encoding that tells how long the texts are",
                mend="write the file again with polars or pandas as they are set",
            )
        here = _size(first, 1) + _size(second, 1)
        values += here
        yield here * width + _size(page, 2) + _PAGE
        at = reader.at + _size(page, 3)
    yield max(0, rows - values, _size(chunk, 5) - values) * width


def _size(struct: Struct, field: int) -> int:
    """A whole number that counts something; 0 where it is not told."""
    found: int = struct.get(field, 0)
    if found < 0:
        raise DamagedError
    return found
