"""One process at a time per output folder.

The operating system holds the lock and lets go of it when the process dies, however it dies, so a
lock can never be stale: what a dead process leaves behind is a file that anybody may lock again.
The file's text says who holds it, for the message that a second process gets.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ovbench.errors import InputError

NAME = ".lock"
_FAR = 2**30
"""Windows locks bytes, and locked bytes cannot be read: one that is not there is locked."""


@contextmanager
def locked(folder: Path, *, beside: bool = False) -> Iterator[None]:
    """Hold ``folder`` for this process within the block.

    The lock lies in the folder, which exists; or, of one that is replaced as a whole, ``beside`` it
    as ``.NAME.lock``.

    Raises
    ------
    InputError
        If another process, or this one, holds it, or the folder may not be written to.
    """
    path = folder.with_name(f".{folder.name}{NAME}") if beside else folder / NAME
    file = _take(path, str(folder))
    try:
        yield
    finally:
        # Removed while it is still held: a process that waits for nothing finds either this file,
        # held, or a new one.
        with suppress(OSError):
            path.unlink()
        file.close()


def _take(path: Path, what: str) -> BinaryIO:
    while True:
        try:
            file = open(path, "a+b", opener=_itself)  # noqa: SIM115 - held
        except OSError as error:
            raise InputError(
                f"cannot write here ({error.strerror})",
                where=what,
                expected="a folder that can be written to",
                mend="name another folder",
            ) from None
        if not _try_lock(file):
            holder = _holder(file)
            file.close()
            raise InputError(
                f"this folder is being written by {holder}",
                where=what,
                expected="one process at a time",
                mend="wait until it is done, or name another folder",
            )
        if _is_still(path, file):
            break
        file.close()  # the former holder removed it between our opening and locking it
    with suppress(OSError):  # a full disk: the folder is held all the same, namelessly
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
    return file


def _itself(path: str, flags: int) -> int:
    """Open a file, but not through a link: what it points at would be emptied."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _holder(file: BinaryIO) -> str:
    """Who wrote the lock, in words."""
    file.seek(0)
    try:
        found = json.loads(file.read() or b"{}")
        return f"process {int(found['pid'])} on {found['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: BinaryIO) -> bool:
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise InputError(
                f"this file system knows no locks ({error.strerror})",
                where=file.name,
                mend="name a folder on a local disk",
            ) from None
        return True
