"""The structs of Parquet's metadata, read from Thrift's compact protocol.

Field numbers and types are those of ``parquet.thrift`` in the format's specification (2.12). A
field that stands there with another type, or out of its order, is damage: readers that were
generated from the specification take it as the specified type, whatever the file calls it, and to
believe the file would be to read something else than they do. So is a number that is too large for
its type, of which they keep the lowest bits.
"""

from __future__ import annotations

from mmap import mmap
from typing import Any

_BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _STRUCT = 3, 4, 5, 6, 7, 8, 9, 12
_BOOL = (1, 2)  # true and false: a field's value is its type
_LIMITS = {_I16: 2**15, _I32: 2**31, _I64: 2**63}
_DEEPEST = 32
"""Structs and lists within each other; the format needs 7."""

Spec = dict[int, Any]
"""Field number → a type, a list of one type or struct, or the fields of a struct."""
Struct = dict[int, Any]
"""Field number → a whole number, a truth value, bytes, a list or a struct."""

_EMPTY: Spec = {}
_STATISTICS: Spec = {
    **dict.fromkeys((1, 2, 5, 6), _BINARY), **dict.fromkeys((3, 4), _I64),
    **dict.fromkeys((7, 8), _BOOL),
}  # fmt: skip
_TIME: Spec = {1: _BOOL, 2: {1: _EMPTY, 2: _EMPTY, 3: _EMPTY}}
_LOGICAL_TYPE: Spec = {
    **dict.fromkeys((1, 2, 3, 4, 6, 11, 12, 13, 14, 15), _EMPTY),
    5: {1: _I32, 2: _I32}, 7: _TIME, 8: _TIME, 10: {1: _BYTE, 2: _BOOL}, 16: {1: _BYTE},
    17: {1: _BINARY}, 18: {1: _BINARY, 2: _I32},
}  # fmt: skip
_SCHEMA_ELEMENT: Spec = {
    1: _I32, 2: _I32, 3: _I32, 4: _BINARY, 5: _I32, 6: _I32, 7: _I32, 8: _I32, 9: _I32,
    10: _LOGICAL_TYPE,
}  # fmt: skip
_KEY_VALUE: Spec = {1: _BINARY, 2: _BINARY}
_AES: Spec = {1: _BINARY, 2: _BINARY, 3: _BOOL}
_COLUMN: Spec = {
    1: _I32, 2: [_I32], 3: [_BINARY], 4: _I32, 5: _I64, 6: _I64, 7: _I64, 8: [_KEY_VALUE],
    9: _I64, 10: _I64, 11: _I64, 12: _STATISTICS, 13: [{1: _I32, 2: _I32, 3: _I32}], 14: _I64,
    15: _I32, 16: {1: _I64, 2: [_I64], 3: [_I64]},
    17: {1: dict.fromkeys(range(1, 9), _DOUBLE), 2: [_I32]},
}  # fmt: skip
_CHUNK: Spec = {
    1: _BINARY, 2: _I64, 3: _COLUMN, 4: _I64, 5: _I32, 6: _I64, 7: _I32,
    8: {1: _EMPTY, 2: {1: [_BINARY], 2: _BINARY}}, 9: _BINARY,
}  # fmt: skip
_ROW_GROUP: Spec = {
    1: [_CHUNK], 2: _I64, 3: _I64, 4: [{1: _I32, 2: _BOOL, 3: _BOOL}], 5: _I64, 6: _I64, 7: _I16,
}  # fmt: skip
FOOTER: Spec = {
    1: _I32, 2: [_SCHEMA_ELEMENT], 3: _I64, 4: [_ROW_GROUP], 5: [_KEY_VALUE], 6: _BINARY,
    7: [{1: _EMPTY}], 8: {1: _AES, 2: _AES}, 9: _BINARY,
}  # fmt: skip
"""The struct ``FileMetaData``."""
PAGE_HEADER: Spec = {
    1: _I32, 2: _I32, 3: _I32, 4: _I32,
    5: {1: _I32, 2: _I32, 3: _I32, 4: _I32, 5: _STATISTICS},
    6: _EMPTY,
    7: {1: _I32, 2: _I32, 3: _BOOL},
    8: {**dict.fromkeys(range(1, 7), _I32), 7: _BOOL, 8: _STATISTICS},
}  # fmt: skip
"""The struct ``PageHeader``."""


class DamagedError(Exception):
    """What stands there is no struct of the format."""


class Reader:
    """Reads structs from ``at`` on, never beyond ``end``; ``at`` is then behind the struct.

    Its methods raise :class:`DamagedError`.
    """

    def __init__(self, data: mmap | bytes, at: int, end: int) -> None:
        self._data = data
        self.at = at
        self._end = end

    def struct(self, spec: Spec, depth: int = 0) -> Struct:
        """The struct that begins here. Fields that the specification lacks are left out."""
        found: Struct = {}
        field = 0
        while head := self._byte():
            before = field
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            if not before < field < _LIMITS[_I16]:
                raise DamagedError
            value = self._value(head & 15, spec.get(field), depth)
            if field in spec:
                found[field] = value
        return found

    def _value(self, kind: int, expected: Any, depth: int) -> Any:
        """A field's value; ``expected`` is None for a field that may be of any type."""
        if kind in _BOOL:
            if expected not in (None, _BOOL):
                raise DamagedError
            return kind == 1
        return self._item(kind, expected, depth)

    def _item(self, kind: int, expected: Any, depth: int) -> Any:
        """The same for an item of a list, where a truth value is a byte."""
        wanted = _LIST if isinstance(expected, list) else expected
        wanted = _STRUCT if isinstance(expected, dict) else wanted
        if depth > _DEEPEST or wanted not in (None, kind):
            raise DamagedError
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                number = self._zigzag()
                if not -_LIMITS[kind] <= number < _LIMITS[kind]:
                    raise DamagedError
                return number
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                return self._list(expected[0] if expected else None, depth + 1)
            case 12:
                return self.struct(expected or {}, depth + 1)
        raise DamagedError

    def _list(self, expected: Any, depth: int) -> list[Any]:
        head = self._byte()
        size = self._varint() if head >> 4 == 15 else head >> 4
        if size > self._end - self.at:  # each item is a byte at least
            raise DamagedError
        return [self._item(head & 15, expected, depth) for _ in range(size)]

    def _byte(self) -> int:
        if not 0 <= self.at < self._end:
            raise DamagedError
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self.at:
            raise DamagedError
        self.at += size
        return self._data[self.at - size : self.at]

    def _varint(self) -> int:
        found = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
        raise DamagedError

    def _zigzag(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)
