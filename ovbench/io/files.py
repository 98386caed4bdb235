"""Files that are read by name, which pipes and devices are not."""

from __future__ import annotations

import stat
from pathlib import Path

from ovbench.errors import InputError

_PARQUET, _SUFFIXES = b"PAR1", (".parquet", ".pq")


def refuse_special(path: Path) -> Path:
    """``path``, unless a pipe, socket or device has that name: those wait for ever or never end.

    A file that is not there, or a folder, is left to whoever opens it.

    Raises
    ------
    InputError
        If it is neither a file nor a folder, nor a link to one.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a null character in the name
        return path
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError("this is no regular file", where=str(path), mend="name a file on disk")
    return path


def refuse_leading_out(path: Path) -> Path:
    """``path``, unless it is a link that leads out of its folder.

    The model hub's cache keeps a model's files in ``blobs``, beside the folder ``snapshots`` that
    links to them; those links are followed.

    Raises
    ------
    InputError
        If the file lies elsewhere.
    """
    folder, real = path.parent.resolve(), path.resolve()
    caches = [above.parent for above in folder.parents if above.name == "snapshots"]
    cached = any(real.parent == cache / "blobs" for cache in caches)
    if not (cached or real.is_relative_to(folder)):
        raise InputError(
            "this is a link that leads out of its folder",
            where=str(path),
            expected="a file in the folder",
            mend="copy the file itself there",
        )
    return path


def parquet_parts(folder: Path) -> list[Path]:
    """The Parquet files of a folder, by name; hidden ones are what systems and copies leave behind.

    Raises
    ------
    InputError
        As :func:`refuse_special`.
    """
    found = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    return [refuse_special(path) for path in found]


def parquet_files(source: object) -> tuple[Path, ...]:
    """The parts that a name stands for: a Parquet file, or those of a folder; none of all else."""
    if not isinstance(source, str | Path) or str(source) in ("", "-"):
        return ()
    path = Path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return () if any(path.glob("*.npy")) else tuple(parquet_parts(path))
        if not stat.S_ISREG(mode) or path.suffix.lower() not in _SUFFIXES:
            return ()
        with path.open("rb") as file:
            return (path,) if file.read(len(_PARQUET)) == _PARQUET else ()
    except (OSError, ValueError):  # whoever reads it as any other file tells what is wrong
        return ()
