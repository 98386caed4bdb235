"""``.npy`` and ``.npz`` files, read without trusting them.

The array header is parsed as NumPy does; arrays of numbers and text are taken from the bytes, and
pickled object arrays go through :mod:`ovbench.io.unpickler`. Nothing is ever extracted to disk.
"""

from __future__ import annotations

import io
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from numpy.lib import format as npy_format

from ovbench.errors import InputError
from ovbench.io.text import MAX_RATIO
from ovbench.io.unpickler import loads, sensible_shape, values_of

MAX_MEMBER_BYTES = 2 * 1024**3
"""Unpacked size (2 GiB) above which a member of an archive is not read: a guard against bombs."""

FREE_BYTES = 256 * 1024**2
"""Unpacked size (256 MiB) up to which it does not matter how much a member was shrunk."""

_READ_HEADER = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


def load_npy(data: bytes, where: str) -> object:
    """The value of one ``.npy`` file: nested lists, or the one value of a 0-d array.

    Raises
    ------
    InputError
        If it is not such a file, is cut short, or pickles something else than plain data.
    """
    file = io.BytesIO(data)
    try:
        version = npy_format.read_magic(file)
        if version not in _READ_HEADER:
            raise ValueError(f"version {version[0]}.{version[1]} of the format")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers that Python 2 wrote
            shape, fortran, dtype = _READ_HEADER[version](file)
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the array's header cannot be read ({reason})", where=where, expected="a .npy file"
        ) from None
    body = data[file.tell() :]
    if dtype.hasobject and dtype.kind == "O":
        return loads(body, where)
    if dtype.kind not in "biufUS":
        raise InputError(f"an array of dtype {dtype}", where=where, expected="text or numbers")
    if not sensible_shape(shape, len(body)):
        raise InputError(f"an array of shape {shape}", where=where, expected="fewer values")
    try:
        return values_of(body, dtype, shape, "F" if fortran else "C")
    except ValueError as error:
        raise InputError(
            f"the array is damaged ({error})", where=where, expected="an array of numpy.save"
        ) from None


class Archive:
    """The ``.npy`` members of an open zip file, by name without ``.npy``, read one at a time."""

    def __init__(self, archive: zipfile.ZipFile, where: str) -> None:
        self._archive, self._where = archive, where
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            hidden = info.filename.startswith("__MACOSX/")
            if info.filename.endswith(".npy") and not hidden:
                self._members[info.filename.removesuffix(".npy")] = info

    @property
    def names(self) -> list[str]:
        """The members' names in the file's order, without ``.npy``."""
        return list(self._members)

    @property
    def declared_bytes(self) -> int:
        """Size of all members, unpacked, as the archive declares it."""
        return sum(info.file_size for info in self._members.values())

    def load(self, name: str) -> object:
        """The value of one member; see :func:`load_npy`."""
        info = self._members[name]
        where = f"{self._where}, member {name!r}"
        if info.file_size > MAX_MEMBER_BYTES:
            raise InputError(
                f"it says it unpacks to {info.file_size / 1024**3:.1f} GiB",
                where=where,
                expected=f"at most {MAX_MEMBER_BYTES / 1024**3:.0f} GiB",
            )
        if info.file_size > FREE_BYTES and info.file_size > MAX_RATIO * info.compress_size:
            raise InputError(
                f"it says it unpacks to more than {MAX_RATIO} times its length",
                where=where,
                expected="an array of labels",
                mend="save it without compression, with numpy.savez",
            )
        try:
            # At most the declared size is read; a member that holds more fails its checksum.
            data = self._archive.read(info)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            MemoryError,
            NotImplementedError,
            OSError,  # the directory names a place before the file's beginning
            RuntimeError,
            ValueError,
        ) as error:
            reason = str(error) or type(error).__name__
            raise InputError(f"it cannot be unpacked ({reason})", where=where) from None
        return load_npy(data, where)


@contextmanager
def open_archive(file: str | Path | IO[bytes], where: str) -> Iterator[Archive]:
    """The ``.npy`` members of a ``.npz`` or ``.zip`` file.

    Raises
    ------
    InputError
        If it cannot be opened or is not a zip file.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise InputError(
            f"not an intact zip archive ({error})", where=where, expected="a .npz or .zip file"
        ) from None
    except OSError as error:
        raise InputError(f"cannot be opened ({error.strerror})", where=where) from None
    with archive:
        yield Archive(archive, where)


def load_npz(path: str | Path) -> Mapping[str, object]:
    """All members of a ``.npz`` file, by name: nested lists, or the one value of a 0-d array.

    Raises
    ------
    InputError
        As :func:`load_npy`.
    """
    with open_archive(path, str(path)) as archive:
        return {name: archive.load(name) for name in archive.names}
