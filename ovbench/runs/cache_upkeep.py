"""What the cache of answers holds, and making room in it. Nothing but its own files is removed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ovbench.errors import InputError, OvbenchError
from ovbench.frozen import Frozen

_ENTRY = re.compile(r"[0-9a-f]{64}-(\d+)\.json")
_TEMPORARY = re.compile(r"\.[0-9a-f]{38,}.*")
"""What a killed process leaves of an entry (:func:`ovbench.io.atomic.write_bytes`)."""
_HOUR = 3600.0
_UNITS = {"h": _HOUR, "d": 24 * _HOUR, "w": 7 * 24 * _HOUR}


@dataclass(frozen=True)
class Entry:
    """A file of the cache.

    Attributes
    ----------
    recipe:
        Name of the recipe that it belongs to.
    answers:
        How many it holds; 0: a record of the checks before a run, or the rest of a killed write.
    size, used:
        Bytes, and when it was last written or read, in seconds since the epoch.
    """

    path: Path
    recipe: str
    answers: int
    size: int
    used: float


class RecipeShare(Frozen):
    """What a cache holds of one recipe."""

    recipe: str
    answers: int
    entries: int
    """Files: one for each batch of answers, and one for each record of checks."""
    size: int
    """Of them together, in bytes."""
    used: float
    """When one of them was last written or read, in seconds since the epoch."""


class CacheReport(Frozen):
    """What a cache of answers holds."""

    folder: str
    recipes: tuple[RecipeShare, ...]
    """By name."""

    @property
    def size(self) -> int:
        """Of all of it, in bytes."""
        return sum(share.size for share in self.recipes)


def entries(folder: Path) -> Iterator[Entry]:
    """The cache's files, in no order; what is something else is passed over, links too."""
    for home in _folders(folder):
        for part in _folders(home):
            for path in part.iterdir():
                found = _ENTRY.fullmatch(path.name)
                if not found and not _TEMPORARY.fullmatch(path.name):
                    continue
                with suppress(OSError):  # another process removes too
                    told = path.lstat()
                    count = int(found[1]) if found else 0
                    yield Entry(path, home.name, count, told.st_size, told.st_mtime)


def report(folder: Path) -> CacheReport:
    """What is in the cache."""
    shares: dict[str, list[Entry]] = {}
    for entry in entries(folder):
        shares.setdefault(entry.recipe, []).append(entry)
    return CacheReport(
        folder=str(folder),
        recipes=tuple(
            RecipeShare(
                recipe=name,
                answers=sum(entry.answers for entry in own),
                entries=len(own),
                size=sum(entry.size for entry in own),
                used=max(entry.used for entry in own),
            )
            for name, own in sorted(shares.items())
        ),
    )


def prune(
    folder: Path,
    *,
    older_than: float | None = None,
    keep_bytes: float | None = None,
    recipe: str | None = None,
) -> list[Entry]:
    """Remove entries; returns those that are gone.

    Parameters
    ----------
    older_than:
        Those not used for so many seconds.
    keep_bytes:
        The least recently used, until no more than this is left.
    recipe:
        Only its entries; alone, all of them.

    Raises
    ------
    OvbenchError
        If one cannot be removed.
    """
    there = [entry for entry in entries(folder) if recipe in (None, entry.recipe)]
    there.sort(key=lambda entry: (entry.used, str(entry.path)))
    if older_than is None and keep_bytes is None:
        return _remove(there)
    gone = []
    if older_than is not None:
        gone = [entry for entry in there if entry.used < time.time() - older_than]
    if keep_bytes is not None:
        left = there[len(gone) :]  # in order of use, so those gone stand first
        total = sum(entry.size for entry in left)
        for entry in left:
            if total <= keep_bytes:
                break
            gone.append(entry)
            total -= entry.size
    return _remove(gone)


def seconds(text: str) -> float:
    """``30d`` in seconds; also hours and weeks: ``12h``, ``2w``.

    Raises
    ------
    InputError
        If it is no such time.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not re.fullmatch(r"\d{1,6}", number):
        raise InputError(f"the time {text!r}", expected="hours, days or weeks: 12h, 30d or 2w")
    return int(number) * _UNITS[unit]


def _folders(folder: Path) -> list[Path]:
    """The folders in one, links left out; none where it is not there."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return []


def _remove(gone: Sequence[Entry]) -> list[Entry]:
    for entry in gone:
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            raise OvbenchError(f"{entry.path}: cannot be removed ({error.strerror}).") from None
    for folder in {entry.path.parent for entry in gone}:
        for empty in (folder, folder.parent):
            with suppress(OSError):  # not empty, or another process was quicker
                empty.rmdir()
    return list(gone)
