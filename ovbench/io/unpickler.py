"""Pickled NumPy arrays read without running anything that the file names.

A pickle is a program: its ``REDUCE`` calls whatever the file names. Here nothing that the file can
name is real. The handful of NumPy names that a pickled array needs are answered with inert
stand-ins of our own, which only write down what they were given; any other name is refused before
it is looked up. What was written down is then turned into plain Python values, so that not even
NumPy's own ``__setstate__`` (which trusts the flags in the file) sees the data.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import sys
from collections.abc import Callable, Iterable
from typing import ClassVar, Literal, NamedTuple, NoReturn

import numpy as np

from ovbench.errors import InputError

MAX_VALUES = 50_000_000
"""How many values a pickle may hold, those that are referred to again counted each time."""
FREE_VALUES = 5_000_000
"""How many it may hold whatever its length; beyond that, ``VALUES_PER_BYTE`` of its bytes.

Values take a byte each at least, but for lists that are referred to again: those can repeat
themselves exponentially."""
VALUES_PER_BYTE = 10
FREE_ITEMS = 1_000_000
"""How many items an array may have whatever its length: items without bytes have no other limit."""
MAX_DEPTH = 50
"""How deep its lists and dicts may be nested; guards against lists that contain themselves."""
MAX_BITS = 10_000
"""Largest whole number; Python writes none of more than 4,300 digits."""
_LONG_TEXT = 1000

_NUMPY_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")


class _Refused(Exception):
    """The pickle asks for something that data does not need."""


class _Dtype:
    """Stand-in for ``numpy.dtype``: type code and byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code.lstrip("<>=|"), code[:1] if code[:1] in "<>" else "<"

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", ">", "|", "=")):
            raise _Refused("a dtype with an unusual state")
        if len(state) > 4 and (state[2] is not None or state[3] is not None):
            raise _Refused("a structured dtype")
        self.order = state[1]

    def real(self) -> np.dtype[np.generic]:
        """The dtype, if it is one of numbers or text."""
        kind, size = self.code[:1], self.code[1:]
        if kind not in tuple("biufUS") or not size.isdecimal() or int(size) > 2**31:
            raise _Refused(f"an array of dtype {self.code!r}")
        order = "<" if self.order in "=|" else self.order
        try:
            return np.dtype(f"{order}{kind}{int(size)}")
        except TypeError:
            raise _Refused(f"an array of dtype {self.code!r}") from None


class _Array:
    """Stand-in for ``numpy.ndarray``: the state that the pickle gave it."""

    __slots__ = ("dtype", "items", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.dtype = _Dtype("O8")
        self.items: bytes | list[object] = []

    def __setstate__(self, state: object) -> None:
        match state:
            case (
                int(),
                tuple() as shape,
                _Dtype() as dtype,
                bool() | int() as fortran,
                (list() | bytes()) as items,
            ):
                pass
            case _:
                raise _Refused("an array with an unusual state")
        if fortran and len(shape) > 1:
            raise _Refused("an array in Fortran order")
        if not isinstance(items, list if dtype.code[:1] == "O" else bytes):
            raise _Refused("an array with an unusual state")
        if not all(type(n) is int for n in shape):
            raise _Refused("an array with an unusual shape")
        if not sensible_shape(shape, len(items)):
            raise _Refused(f"an array of shape {shape!r}")
        self.shape, self.dtype, self.items = shape, dtype, items

    def values(self) -> object:
        """The array as nested lists, or the one value of a 0-d array (not yet plain)."""
        if isinstance(self.items, bytes):
            return values_of(self.items, self.dtype.real(), self.shape)
        if len(self.items) != math.prod(self.shape):
            raise _Refused(f"{len(self.items)} items in an array of shape {self.shape}")
        items: list[object] = self.items
        for size in reversed(self.shape[1:]):
            rows = len(items) // size if size else 0
            items = [items[i * size : (i + 1) * size] for i in range(rows)]
        return items if self.shape else items[0]


def sensible_shape(shape: tuple[int, ...], length: int) -> bool:
    """Whether nested lists of this shape can be built from so many bytes (or objects)."""
    most = min(MAX_VALUES, max(FREE_ITEMS, length))
    return all(n >= 0 for n in shape) and math.prod(max(n, 1) for n in shape) <= most


def values_of(
    data: bytes, dtype: np.dtype[np.generic], shape: tuple[int, ...], order: Literal["C", "F"] = "C"
) -> object:
    """An array of numbers or text as nested lists, from its bytes.

    Raises
    ------
    ValueError
        If there are fewer or more bytes than the shape needs, or text is not Unicode.
    """
    size = math.prod(shape) * dtype.itemsize
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes where shape and dtype need {size}")
    if dtype.kind == "U" and size:
        # NumPy makes strings of any number, which Python then trips over.
        points = np.frombuffer(data, dtype=np.dtype("u4").newbyteorder(dtype.byteorder))
        if points.max() > sys.maxunicode:
            raise ValueError("text that is not Unicode")
    return np.ndarray(shape, dtype, data, order=order).tolist()


class _Callable:
    """A function that a pickle may call: ours, whatever the pickle thinks it is."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise _Refused("a state for a function")


class _NdarrayType(_Callable):
    """Stand-in for the class ``numpy.ndarray``, of use only as an argument of _reconstruct."""


class _MakeDtype(_Callable):
    def __call__(self, code: object, *_flags: object) -> _Dtype:
        if not isinstance(code, str):
            raise _Refused("a dtype that is not a type code")
        return _Dtype(code)


class _Reconstruct(_Callable):
    def __call__(self, kind: object, *_state: object) -> _Array:
        if not isinstance(kind, _NdarrayType):
            raise _Refused("an array of a class of its own")
        return _Array()


class _MakeScalar(_Callable):
    def __call__(self, dtype: object, data: object = b"") -> object:
        if not (isinstance(dtype, _Dtype) and isinstance(data, bytes)):
            raise _Refused("a scalar with unusual arguments")
        return values_of(data, dtype.real(), ())


class _Latin1(_Callable):
    """``_codecs.encode(text, 'latin1')``: how protocol 2 writes bytes. No codec is looked up."""

    def __call__(self, text: object, encoding: object = None) -> bytes:
        if not (isinstance(text, str) and encoding in ("latin1", "latin-1")):
            raise _Refused("a codec other than latin1")
        return text.encode("latin-1")


_ALLOWED: dict[tuple[str, str], _Callable] = {
    ("_codecs", "encode"): _Latin1(),
    ("numpy", "ndarray"): _NdarrayType(),
    ("numpy", "dtype"): _MakeDtype(),
}
for _module in _NUMPY_MODULES[1:]:
    _ALLOWED[_module, "_reconstruct"] = _Reconstruct()
    _ALLOWED[_module, "scalar"] = _MakeScalar()


_REFUSED_INSTRUCTIONS = {
    instruction: name
    for name in (
        *("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"),  # what is kept elsewhere
        *("OBJ", "NEWOBJ", "NEWOBJ_EX"),  # instances
        *("EMPTY_SET", "ADDITEMS", "FROZENSET"),
        *("BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER"),
    )
    for instruction in getattr(pickle, name)
}


_KEYS = (str, bytes, int, float, type(None))


def _check_keys(name: str, keys: slice) -> Callable[[pickle.Unpickler], None]:
    """The instruction, if the keys on the stack are plain: to hash nested tuples can take ages."""
    load = pickle._Unpickler.dispatch[getattr(pickle, name)[0]]

    def check(unpickler: pickle.Unpickler) -> None:
        for key in unpickler.stack[keys]:  # type: ignore[attr-defined]
            if not isinstance(key, _KEYS):
                raise _Refused(f"a dict key of type {type(key).__name__.lstrip('_').lower()}")
            if isinstance(key, int) and key.bit_length() > MAX_BITS:
                raise _Refused(f"a dict key of {key.bit_length()} bits")
        load(unpickler)

    return check


def _count_bytes(name: str) -> Callable[[pickle.Unpickler], None]:
    """The instruction, while all that calls make is no longer than the pickle.

    Writers give each text or bytes that a call makes its own bytes in the file.
    """
    load = pickle._Unpickler.dispatch[getattr(pickle, name)[0]]

    def count(unpickler: pickle.Unpickler) -> None:
        load(unpickler)
        made = unpickler.stack[-1]  # type: ignore[attr-defined]
        if isinstance(made, (str, bytes)):
            unpickler.bytes_left -= len(made)  # type: ignore[attr-defined]
            if unpickler.bytes_left < 0:  # type: ignore[attr-defined]
                raise _Refused("the same bytes again and again")

    return count


def _refuse(name: str) -> Callable[[pickle.Unpickler], None]:
    def refuse(_unpickler: pickle.Unpickler) -> NoReturn:
        raise _Refused(f"the pickle instruction {name}")

    return refuse


class _Unpickler(pickle._Unpickler):
    """Answers the names that arrays need with stand-ins and refuses all others.

    The unpickler written in Python, not the one in C: its instructions are a table from which
    those that data does not need are taken out, and it sets no memory aside on a file's word.
    """

    dispatch: ClassVar = pickle._Unpickler.dispatch | {
        **{instruction: _refuse(name) for instruction, name in _REFUSED_INSTRUCTIONS.items()},
        pickle.SETITEM[0]: _check_keys("SETITEM", slice(-2, -1)),
        pickle.SETITEMS[0]: _check_keys("SETITEMS", slice(0, None, 2)),
        pickle.DICT[0]: _check_keys("DICT", slice(0, None, 2)),
        pickle.REDUCE[0]: _count_bytes("REDUCE"),
        pickle.INST[0]: _count_bytes("INST"),
    }

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.bytes_left = len(data)

    def find_class(self, module: str, name: str) -> object:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"the class or function {module}.{name}") from None


def loads(data: bytes, where: str) -> object:
    """The value in a pickle of NumPy arrays, dicts, lists, tuples, text, bytes and numbers.

    Arrays come back as nested lists (0-d arrays as their one value), NumPy scalars as Python
    numbers or text.

    Raises
    ------
    InputError
        If the pickle asks for anything else (named in the message; nothing of it was run), is
        damaged, or holds more values than its length explains (``FREE_VALUES``,
        ``VALUES_PER_BYTE``) or than ``MAX_VALUES``, or a number of more than ``MAX_BITS``.
    """
    try:
        return _Plain(len(data)).convert(_Unpickler(data).load())
    except _Refused as refused:
        raise InputError(
            f"the pickled data asks for {refused}, which is refused; nothing of it was run",
            where=where,
            expected="only NumPy arrays, dicts, lists, tuples, text, bytes and numbers",
            mend="get the file from a source you trust, or have it saved as CSV or JSON",
        ) from None
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
        struct.error,
    ) as error:
        raise InputError(
            f"the pickled data is damaged ({type(error).__name__}: {error})",
            where=where,
            expected="an array written by numpy.save or numpy.savez",
        ) from None


class _Built(NamedTuple):
    """A container as the unpickler made it (kept, so that no other gets its id), and in plain."""

    source: object
    plain: object
    values: int
    height: int


class _Plain:
    """Turns what the unpickler built into plain Python values.

    A container that is referred to again is converted once, so the work is bounded by the pickle's
    length; its values count each time, since whoever reads the result meets them as often.
    """

    def __init__(self, length: int) -> None:
        self._most = min(MAX_VALUES, max(FREE_VALUES, VALUES_PER_BYTE * length))
        self._built: dict[int, _Built] = {}

    def convert(self, value: object) -> object:
        """The plain value."""
        return self._convert(value, 0)[0]

    def _convert(self, value: object, depth: int) -> tuple[object, int, int]:
        """The plain value, how many values are in it, and how deep they are nested."""
        match value:
            case str() | bytes():
                # Long texts are looked through again wherever they stand.
                return value, 1 + len(value) // _LONG_TEXT, 0
            case int() if value.bit_length() > MAX_BITS:
                raise _Refused(f"a number of {value.bit_length()} bits")
            case None | bool() | int() | float():
                return value, 1, 0
        built = self._built.get(id(value))
        if built is None:
            self._check(1, depth)
            built = self._built[id(value)] = _Built(value, *self._container(value, depth))
        self._check(built.values, depth + built.height)
        return built[1:]

    def _container(self, value: object, depth: int) -> tuple[object, int, int]:
        match value:
            case _Array(items=bytes()):
                return value.values(), math.prod(max(n, 1) for n in value.shape), len(value.shape)
            case _Array():
                return self._convert(value.values(), depth + 1)
            case list() | tuple():
                items, values, height = self._items(value, depth)
                return type(value)(items), values, height
            case dict():
                items, values, height = self._items(value.values(), depth)
                return dict(zip(value, items, strict=True)), values + len(value), height
            case _:
                raise _Refused(f"a value of type {type(value).__name__.lstrip('_').lower()}")

    def _items(self, items: Iterable[object], depth: int) -> tuple[list[object], int, int]:
        plain: list[object] = []
        values, height = 1, 0
        for item in items:
            one, more, inner = self._convert(item, depth + 1)
            plain.append(one)
            values += more
            height = max(height, inner)
            self._check(values, depth)
        return plain, values, height + 1

    def _check(self, values: int, depth: int) -> None:
        if values > self._most:
            raise _Refused(f"more than {self._most} values")
        if depth > MAX_DEPTH:
            raise _Refused(f"lists or dicts nested more than {MAX_DEPTH} deep")
