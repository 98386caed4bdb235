"""Folders that are whole or not there: written beside their name, then renamed."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ovbench.errors import InputError, OvbenchError


@contextmanager
def whole_folder(
    folder: Path, also: tuple[type[Exception], ...] = (), *, durable: bool = True
) -> Iterator[Path]:
    """Yields an empty folder beside ``folder``; it takes that name when the block ends well.

    What was written is synced to disk before the rename, unless it is not to be ``durable`` (what
    a moment makes again need not outlive a power failure). A former folder of that name changes
    places with the new one in one step where the system can do that (Linux); elsewhere it is kept
    under ``.NAME.former`` until the new one is in place, and put back by :func:`settle` if the
    process dies between the two renames. ``also``: what else a writer raises on a full disk.

    Raises
    ------
    OvbenchError
        If writing fails midway (a full disk); the former folder is left as it was.
    """
    fresh, former = _sibling(folder, "new"), _sibling(folder, "former")
    failures: tuple[type[Exception], ...] = (OSError, *also)
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        yield fresh
        for path in fresh.rglob("*"):
            if path.is_file():  # safetensors writes files that nobody else may read
                path.chmod(fresh.stat().st_mode & 0o666)
            if durable:
                _sync(path)
        if durable:
            _sync(fresh)
        if not (folder.exists() and _exchanged(fresh, folder)):
            if folder.exists():
                shutil.rmtree(former, ignore_errors=True)
                folder.rename(former)
            fresh.rename(folder)
        with suppress(OSError):  # it is in place; after a power failure the former one may be
            _sync(folder.parent)
        shutil.rmtree(former, ignore_errors=True)
    except failures as error:
        settle(folder)
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OvbenchError(
            f"{folder}: writing failed ({reason}); nothing was changed there. "
            "Free some space, or choose another folder, and resume."
        ) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def settle(folder: Path) -> None:
    """Undo what a dead process left half done: its unfinished folder, its renamed former one."""
    former = _sibling(folder, "former")
    if former.exists() and not folder.exists():
        former.rename(folder)
    shutil.rmtree(former, ignore_errors=True)
    shutil.rmtree(_sibling(folder, "new"), ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Create ``folder`` with its parents.

    Raises
    ------
    InputError
        If it cannot be created, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"this folder cannot be made ({error.strerror})",
            where=str(folder),
            mend="name another folder",
        ) from None


def _sibling(folder: Path, purpose: str) -> Path:
    return folder.with_name(f".{folder.name}.{purpose}")


_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux."""


def _exchanged(one: Path, other: Path) -> bool:
    """Have two folders change names in one step; False where the system cannot."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "renameat2"):  # C libraries of before 2018
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(library.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0)


def _sync(path: Path) -> None:
    """Have the operating system write a file or folder to disk (where folders can be synced)."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
