"""What every door returns: an id and a raw label cell per row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError

Cell: TypeAlias = str | tuple[object, ...] | int | float | bool | None
"""A raw label cell as it stood in the file; lists are tuples, JSON objects :class:`JsonObject`."""

Cells: TypeAlias = Sequence[Cell]
"""Cells that rows point into: a list, or a lazy sequence over a column of a Parquet file."""

MAX_DEPTH = 20
"""How deep lists may be nested in a cell."""
MAX_CHARACTERS = 2_000_000
"""Longest text in one cell: thousands of times what a model says of a clip."""
MAX_ITEMS = 200_000
"""Longest list in one cell."""


class JsonObject(tuple[tuple[str, object], ...]):
    """A JSON object (or dict) in a cell, as its (key, value) pairs in the file's order."""

    __slots__ = ()


class RepeatedKeys(dict[str, object]):
    """A JSON object in which a key comes more than once: the last value of each, and all pairs."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def refused(self, where: str) -> InputError:
        """The error where one value must be meant: it names the first key that is repeated."""
        times = Counter(name for name, _ in self.pairs)
        key = next(name for name, count in times.items() if count > 1)
        return InputError(
            f"the key {key!r} comes twice in one object", where=where, expected="each key once"
        )


@dataclass(frozen=True, eq=False)
class Records:
    """What one file holds: an id and a raw cell per row.

    Attributes
    ----------
    source:
        The file as the user named it, for messages.
    ids:
        One per row; text as written (``"001"`` stays ``"001"``).
    codes:
        Shape (rows,), int64: index into ``cells``.
    cells:
        The raw cells that occur, in the order of their first row. They are distinct, except that
        a large Parquet column in which hardly any cell repeats, or that holds lists, keeps one
        cell per row.
    columns:
        The further columns that were asked for, as text, one entry per row.
    id_column, label_column:
        The columns' names in the file; empty where the format has none.
    rows:
        1-based row of each record in the file, or its line where rows are not simply lines; None
        for data in memory.
    """

    source: str
    ids: Sequence[str]
    codes: NDArray[np.int64]
    cells: Cells
    columns: dict[str, list[str]]
    id_column: str
    label_column: str
    rows: list[int] | range | None


class RecordsBuilder:
    """Collects rows one by one and keeps each distinct cell once."""

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self.ids: list[str] = []
        self.rows: list[int] = []
        self.columns: dict[str, list[str]] = {name: [] for name in extra}
        self._codes: list[int] = []
        self._cells: list[Cell] = []
        self._code_of: dict[object, int] = {}

    def add(self, name: str, cell: Cell, row: int = 0) -> None:
        """Append one row. ``cell`` is a :data:`Cell` already (see :func:`to_cell`)."""
        # 1, 1.0 and True are equal in Python but are different cells.
        key = cell if isinstance(cell, str) else (type(cell), cell)
        code = self._code_of.get(key)
        if code is None:
            code = self._code_of[key] = len(self._cells)
            self._cells.append(cell)
        self.ids.append(name)
        self.rows.append(row)
        self._codes.append(code)

    def build(
        self, source: str, id_column: str, label_column: str, *, in_memory: bool = False
    ) -> Records:
        """The finished records.

        Raises
        ------
        InputError
            If no row was added, or an id holds half a surrogate pair.
        """
        if not self.ids:
            raise InputError("there are no rows", where=source, expected="an id and labels per row")
        check_text(self.ids, source)
        every_row = range(1, len(self.ids) + 1)
        return Records(
            source=source,
            ids=self.ids,
            codes=np.array(self._codes, dtype=np.int64),
            cells=self._cells,
            columns=self.columns,
            id_column=id_column,
            label_column=label_column,
            rows=None if in_memory else every_row if self.rows == list(every_row) else self.rows,
        )


def check_text(ids: Sequence[str], source: str) -> None:
    """Refuse ids that cannot be written as UTF-8 (a lone surrogate, from a JSON escape)."""
    text = "\n".join(ids)
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        name = ids[text.count("\n", 0, error.start)]
        raise InputError(
            f"id {name!a} holds half a surrogate pair", where=source, expected="valid Unicode text"
        ) from None


def clean_text(text: str) -> str:
    """``text`` with lone surrogates (which no file can hold as UTF-8) shown as U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def id_text(value: object, where: str) -> str:
    """An id as text: text as it is, whole numbers in decimal.

    Raises
    ------
    InputError
        If it is neither, or empty.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        if value:
            return str(value)
        raise InputError("the id is empty", where=where, expected="an id in every row")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(
        f"the id is {_describe(value)}", where=where, expected="text or a whole number"
    )


def to_cell(value: object, where: str, depth: int = 0) -> Cell:
    """A Python, NumPy or JSON value as a :data:`Cell`.

    Lists, tuples and arrays become tuples, sets sorted tuples, mappings :class:`JsonObject`, bytes
    UTF-8 text, NaN None.

    Raises
    ------
    InputError
        If the value is something else, nested more than ``MAX_DEPTH`` deep, longer than
        ``MAX_CHARACTERS`` or ``MAX_ITEMS``, or an object with a repeated key.
    """
    if isinstance(value, str):
        return _text(value, where)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if depth > MAX_DEPTH:
        raise InputError(f"lists nested more than {MAX_DEPTH} deep", where=where)
    if isinstance(value, (np.generic, np.ndarray)):
        return to_cell(value.tolist(), where, depth + 1)
    if isinstance(value, (list, tuple)):
        return _list(value, where, depth)
    if isinstance(value, (set, frozenset)):
        return tuple(sorted((to_cell(item, where, depth + 1) for item in value), key=repr))
    if isinstance(value, Mapping):
        return _object(value, where, depth)
    if isinstance(value, (bytes, bytearray)):
        return _text(_decoded(bytes(value), where), where)
    raise InputError(
        f"the label cell is {_describe(value)}", where=where, expected="text, a list or a number"
    )


def _text(value: str, where: str) -> str:
    if len(value) > MAX_CHARACTERS:
        raise too_long(f"{len(value):,} characters", MAX_CHARACTERS, where)
    return clean_text(str(value))


def _list(value: Sequence[object], where: str, depth: int) -> tuple[object, ...]:
    if len(value) > MAX_ITEMS:
        raise too_long(f"{len(value):,} entries", MAX_ITEMS, where)
    return tuple([to_cell(item, where, depth + 1) for item in value])


def _object(value: Mapping[object, object], where: str, depth: int) -> JsonObject:
    if isinstance(value, RepeatedKeys):
        raise value.refused(where)
    return JsonObject((str(k), to_cell(v, where, depth + 1)) for k, v in value.items())


def _decoded(value: bytes, where: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            "the label cell holds bytes that are not UTF-8 text", where=where, expected="text"
        ) from None


def too_long(length: str, most: int, where: str) -> InputError:
    """The error where one cell is longer than any answer of a model."""
    return InputError(f"{length} in one cell", where=where, expected=f"at most {most:,}")


def _describe(value: object) -> str:
    text = repr(value) if isinstance(value, (str, int, float, list, dict)) else ""
    kind = "missing (null)" if value is None else f"of type {type(value).__name__}"
    return f"{kind}: {text[:60]}" if text else kind
