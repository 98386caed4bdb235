"""Files that are whole or not there: written beside their name, then renamed."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from ovbench.errors import InputError, OvbenchError

_MASK = os.umask(0)  # read once, while there is one thread: reading it is setting it
os.umask(_MASK)
_LONGEST = 60
"""Characters of a name that are in its temporary one: a name has 255 bytes, a character up to 4."""
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")
"""Temporary names, as tempfile ends them."""


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 (line ends as they are), whole or not at all.

    Raises
    ------
    InputError
        If the folder is absent or may not be written to, or the path is a folder or no possible
        name.
    OvbenchError
        If writing fails midway (a full disk); the former file, if any, is left as it was.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data``, whole or not at all. Raises as :func:`write_text`.

    A device or a pipe (``/dev/null``, ``/dev/stdout``) is written to, and stays what it is. What a
    moment makes again need not be ``durable``: a power failure may then leave an empty file.
    """
    if path == "":
        raise InputError("the file name is empty", expected="the name of a file")
    if _is_device(path):
        _write_through(path, data)
        return
    try:
        # A link keeps pointing where it did: the file that it names is the one replaced.
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise InputError("this is a folder", where=str(path), expected="the name of a file")
        mode = _mode(target)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target))
    except (OSError, ValueError) as error:  # ValueError: a null character, half a surrogate pair
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"cannot write here ({reason})",
            where=str(path),
            expected="a folder that exists and can be written to",
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except OSError as error:
        raise OvbenchError(
            f"{path}: writing failed ({error.strerror}); nothing was changed."
        ) from None
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()


def remove_unfinished(folder: Path, *names: str) -> None:
    """Remove what processes that died while they wrote these files left in their folder.

    Only for who knows that nobody writes them now: who holds the folder's lock. In place of a name
    of at most 60 characters there may be a pattern (``results_*.json``).
    """
    for entry in folder.glob(".*"):
        found = _TEMPORARY.fullmatch(entry.name)
        named = found is not None and found[1]
        if named and any(named == name[:_LONGEST] or fnmatchcase(named, name) for name in names):
            with suppress(OSError):
                entry.unlink()


def _prefix(target: Path) -> str:
    return f".{target.name[:_LONGEST]}."


def _is_device(path: str | Path) -> bool:
    """Whether there is something that is neither a file nor a folder."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _write_through(path: str | Path, data: bytes) -> None:
    try:
        with Path(path).open("wb") as file:
            file.write(data)
    except OSError as error:
        raise OvbenchError(f"{path}: writing failed ({error.strerror}).") from None


def _mode(target: Path) -> int:
    """Permissions of the file that is replaced, or those of a new file under the user's mask."""
    with suppress(FileNotFoundError):
        return target.stat().st_mode & 0o777
    return 0o666 & ~_MASK
