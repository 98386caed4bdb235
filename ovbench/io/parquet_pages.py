"""How much a Parquet file holds once it is unpacked, told by the headers of its pages.

A page of a few bytes can stand for millions of values, as runs of one value are stored once. The
file's footer counts the values too, but a reader unpacks what the pages say, so those are asked.
Numbers of fields are explained in :mod:`ovbench.io.parquet_format`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from ovbench.errors import InputError
from ovbench.io.parquet_format import FOOTER, PAGE_HEADER, DamagedError, Reader, Struct

_MAGIC = b"PAR1"
_DELTA_BYTE_ARRAY = 7
_FIXED_LEN_BYTE_ARRAY = 7
_HEADER = 256
"""Bytes that count for each byte of a page's header, so that reading headers is bounded, too."""


class Column(NamedTuple):
    """A column: its place (from 0), and how many bytes each of its values takes in memory."""

    place: int
    width: int


def unpacked_bytes(path: Path, columns: Mapping[str, Column], where: str) -> Iterator[int]:
    """Bytes that columns of a file take in memory, or somewhat more, page by page.

    Whatever has the name or the place of one of them is counted: names stand in a file several
    times, and need not be the same.

    Raises
    ------
    InputError
        If the footer or a page's header is damaged, a column is encrypted, or one is stored as
        differences of texts, whose length nothing tells beforehand.
    OSError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            for chunk, rows, width in _chunks(data, columns, where):
                yield from _chunk_bytes(data, chunk, rows, width, where)
    except DamagedError:
        raise InputError(
            "cannot be read (the footer or a page's header is damaged)",
            where=where,
            expected="an intact Parquet file",
        ) from None


def _chunks(
    data: mmap, columns: Mapping[str, Column], where: str
) -> Iterator[tuple[Struct, int, int]]:
    """Metadata, number of rows and bytes of a value of each chunk of the columns."""
    end = len(data) - 8
    start = end - int.from_bytes(data[end : end + 4], "little")
    if start < len(_MAGIC) or data[-4:] != _MAGIC:
        raise DamagedError
    footer = Reader(data, start, end).struct(FOOTER)
    leaves = _leaves(footer.get(2, []))
    of_place = {column.place: column for column in columns.values()}
    for group in footer.get(4, []):
        chunks = group.get(1, [])
        if len(chunks) != len(leaves):
            raise DamagedError
        for (place, name, leaf), chunk in zip(leaves, chunks, strict=True):
            meant = [one for one in (columns.get(name), of_place.get(place)) if one]
            if meant:
                if 8 in chunk:  # says how to decrypt it
                    raise InputError(
                        f"column {name!r} is encrypted",
                        where=where,
                        expected="a table that anyone can read",
                        mend="write the file again without encryption",
                    )
                fixed = _size(leaf, 2) if leaf.get(1) == _FIXED_LEN_BYTE_ARRAY else 0
                width = max(fixed, *(one.width for one in meant))
                yield chunk.get(3, {}), _size(group, 3), width


def _leaves(schema: list[Struct]) -> list[tuple[int, str, Struct]]:
    """The schema's leaves in order, each with place and name of the column it is or lies within.

    Readers tell a chunk's column by this order; the name that the chunk has is not looked at.
    """
    leaves: list[tuple[int, str, Struct]] = []
    place, column = -1, ""
    unseen = 0  # nodes of the column's tree that are still to come
    for element in schema[1:]:
        if not unseen:
            unseen = 1
            place, column = place + 1, element.get(4, b"").decode("utf-8", "replace")
        children = _size(element, 5)
        unseen += children - 1
        if not children:
            leaves.append((place, column, element))
    return leaves


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
        held = here + _size(page.get(7, {}), 1)  # a dictionary's own
        yield held * width + _size(page, 2) + (reader.at - at) * _HEADER
        at = reader.at + _size(page, 3)
    yield max(0, rows - values, _size(chunk, 5) - values) * width


def _size(struct: Struct, field: int) -> int:
    """A whole number that counts something; 0 where it is not told."""
    found: int = struct.get(field, 0)
    if found < 0:
        raise DamagedError
    return found
