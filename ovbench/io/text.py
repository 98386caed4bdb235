"""Text files of any packing: plain, gzip or zstd; from disk or standard input; UTF-8 checked."""

from __future__ import annotations

import gzip
import io
import sys
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO, cast

from ovbench.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from backports import zstd

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
PACKED_SUFFIXES = (".gz", ".zst", ".zstd")
MAX_LINE_BYTES = 256 * 1024**2
"""Longest line (256 MiB unpacked) that is read: a guard against compressed bombs."""
MAX_WHOLE_BYTES = 1024**3
"""Largest text (1 GiB unpacked) that is read as a whole, as JSON must be."""
FREE_BYTES, MAX_RATIO = 4 * 1024**2, 200
"""Unpacked text beyond 4 MiB must not be more than 200 times as long as its packed form: a file of
predictions shrinks to a tenth or so, and a bomb of a kilobyte can hold gigabytes of blanks."""

_BOM = b"\xef\xbb\xbf"
_HEAD = 1 << 16


def _zstd() -> ModuleType:
    """The package for zstd, which most files do without."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


@contextmanager
def open_stream(path: Path | None, where: str) -> Iterator[io.BufferedReader]:
    """The bytes of a file (None: standard input), unpacked if they are gzip or zstd.

    Raises
    ------
    InputError
        If the file cannot be opened or its packing is damaged, also later, while it is read.
    """
    try:
        with _raw(path) as raw:
            head = raw.peek(4)
            if head.startswith(GZIP_MAGIC):
                yield _buffered(_Unpacked(gzip.GzipFile(fileobj=raw), raw, where))
            elif head.startswith(ZSTD_MAGIC):
                yield _buffered(_Unpacked(_zstd().ZstdFile(raw), raw, where))
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile, _zstd().ZstdError) as error:
        raise InputError(
            f"the compressed data is damaged or cut short ({error})",
            where=where,
            expected="an intact gzip or zstd file",
        ) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=where) from None


class _Unpacked(io.RawIOBase):
    """What a decompressor gives, while it is in proportion to what it takes."""

    def __init__(
        self, unpacked: gzip.GzipFile | zstd.ZstdFile, packed: io.BufferedReader, where: str
    ) -> None:
        super().__init__()
        self._unpacked, self._packed, self._where, self._length = unpacked, packed, where, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._unpacked.read(len(view))
        view[: len(data)] = data
        self._length += len(data)
        if self._length > FREE_BYTES and self._length > MAX_RATIO * self._packed.tell():
            raise InputError(
                f"the compressed data unpacks to more than {MAX_RATIO} times its length",
                where=self._where,
                expected="text of predictions",
                mend="unpack it yourself if it is what you think it is",
            )
        return len(data)


def _raw(path: Path | None) -> io.BufferedReader:
    if path is None:
        return _buffered(io.BytesIO(_standard_input()))
    return _buffered(io.FileIO(path))


_spent: weakref.WeakSet[BinaryIO] = weakref.WeakSet()
"""Standard inputs that were read to their end."""


def _standard_input() -> bytes:
    stdin: BinaryIO | None = getattr(sys.stdin, "buffer", None)  # None where it is closed
    if stdin is None or stdin.closed:
        raise InputError("standard input is closed", expected="data on it, or the name of a file")
    data = stdin.read()
    if not data and stdin in _spent:
        raise InputError(
            "standard input can only be read once",
            expected="'-' in one place of a command",
            mend="name a file in the other places",
        )
    _spent.add(stdin)
    return data


def _buffered(raw: object) -> io.BufferedReader:
    """A reader that can be peeked into. Decompressors are raw streams in all but their type."""
    return io.BufferedReader(cast("io.RawIOBase", raw), _HEAD)


def head_of(stream: io.BufferedReader) -> bytes:
    """The first bytes (up to 64 KiB) without consuming them, without a byte order mark."""
    return stream.peek(_HEAD).removeprefix(_BOM)


def lines(stream: io.BufferedReader, where: str) -> Iterator[str]:
    r"""The lines of a UTF-8 text, each with its ``\n``, without a byte order mark.

    Raises
    ------
    InputError
        At the first byte that is not UTF-8, with its line and place, and the encoding to try; at
        a line of more than ``MAX_LINE_BYTES``.
    """
    for number, raw in enumerate(iter(partial(stream.readline, MAX_LINE_BYTES + 1), b""), 1):
        if len(raw) > MAX_LINE_BYTES:
            raise InputError(
                f"the line is longer than {MAX_LINE_BYTES / 1024**2:g} MiB",
                where=f"{where}, line {number}",
                expected="lines that end, one item each",
            )
        line = raw.removeprefix(_BOM) if number == 1 else raw
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(line, error, f"{where}, line {number}") from None


def whole_text(stream: io.BufferedReader, where: str) -> str:
    """All of a UTF-8 text, at most ``MAX_WHOLE_BYTES``; raises as :func:`lines`."""
    data = stream.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise InputError(
            f"the text is larger than {MAX_WHOLE_BYTES / 1024**3:g} GiB",
            where=where,
            mend="save it as JSON Lines, which is read a line at a time",
        )
    data = data.removeprefix(_BOM)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        error.start -= start
        line = data.count(b"\n", 0, start) + 1
        raise _not_utf8(data[start:], error, f"{where}, line {line}") from None


def file_lines(path: Path) -> Iterator[tuple[str, str]]:
    r"""Each line of a file, with its ``\n``, after its place, for messages: ``a.txt, line 3``.

    Raises
    ------
    InputError
        As it is consumed: if the file cannot be read; else as :func:`lines`.
    """
    with open_stream(path, str(path)) as stream:
        for number, line in enumerate(lines(stream, str(path)), 1):
            yield f"{path}, line {number}", line


def file_text(path: Path) -> str:
    """All of a file; raises as :func:`open_stream` and :func:`whole_text`."""
    with open_stream(path, str(path)) as stream:
        return whole_text(stream, str(path))


def packed(name: str, text: str) -> bytes:
    """``text`` as UTF-8, packed as the ending of the file's name says; the same bytes each time."""
    data = text.encode("utf-8")
    if name.endswith(".gz"):
        return gzip.compress(data, mtime=0)
    if name.endswith((".zst", ".zstd")):
        return cast("bytes", _zstd().compress(data))
    return data


def _not_utf8(line: bytes, error: UnicodeDecodeError, where: str) -> InputError:
    encoding = _guess(line[:_HEAD])
    return InputError(
        f"byte 0x{line[error.start]:02x} at position {error.start + 1} of the line is not UTF-8",
        where=where,
        expected="UTF-8 text",
        mend=f"convert the file to UTF-8; it may be {encoding}: iconv -f {encoding} -t UTF-8",
    )


def _guess(line: bytes) -> str:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in line:
        return "UTF-16"
    try:
        text = line.decode("gb18030")
    except UnicodeDecodeError:
        return "WINDOWS-1252"
    # Western text in a Chinese reading gives lone ideographs between letters.
    wide = sum("\u4e00" <= c <= "\u9fff" for c in text)
    pairs = sum("\u4e00" <= a <= "\u9fff" and "\u4e00" <= b <= "\u9fff" for a, b in pairwise(text))
    return "GB18030" if pairs * 2 >= wide > 0 else "WINDOWS-1252"
