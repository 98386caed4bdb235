"""The store of the authors' mapping tables in the user's data folder.

The tables are under research licences and do not come with ovbench. ``ovbench tables add PATH``
reads them once, checks them, and keeps them as ``<OVBENCH_HOME>/tables/<name>.json`` with the
hash of their content, which is verified on every load.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ovbench.errors import InputError, UnknownNameError
from ovbench.io.atomic import write_text
from ovbench.io.home import data_home
from ovbench.normalize.official import LabelChange, compare
from ovbench.normalize.table_content import KNOWN_NAMES, OfficialTables, from_json, to_json
from ovbench.normalize.table_files import SOURCES, read_tables

FORMAT = "ovbench-tables-1"


@dataclass(frozen=True)
class StoredTables:
    """One entry of the store.

    Attributes
    ----------
    name:
        ``affectgpt-2025``, ``mer2026``, or ``tables-<hash8>``.
    hash:
        SHA-256 (hexadecimal) of the content, the same for every form the tables come in.
    path:
        The stored file.
    source:
        The folder or file that the tables were read from.
    forms, base_words, wheel_words:
        How many labels the tables know, their base words, and words on the wheels.
    """

    name: str
    hash: str
    path: Path
    source: str
    forms: int
    base_words: int
    wheel_words: int


def tables_folder() -> Path:
    """``tables`` in ``OVBENCH_HOME``, by default the user's data folder for ovbench."""
    return data_home() / "tables"


def add_tables(path: str | Path) -> StoredTables:
    """Read, check and store tables; storing the same content again replaces it.

    ``path`` is an ``emotion_wheel`` folder, a checkout that holds one, or ``wheel_mapping.npz``.

    Raises
    ------
    InputError
        If there are no readable tables at ``path``, or the store cannot be written.
    """
    tables, place = read_tables(Path(path))
    source = str(place.resolve())
    record = {
        "format": FORMAT,
        "source": source,
        "hash": tables.hash,
        "tables": to_json(tables),
    }
    target = tables_folder() / f"{tables.name}.json"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder cannot be made ({error.strerror})",
            where=str(target.parent),
            mend="set OVBENCH_HOME to a folder that you can write to",
        ) from error
    write_text(target, json.dumps(record, separators=(",", ":")))
    return _summary(tables, target, source)


def list_tables() -> list[StoredTables]:
    """Everything stored, by name.

    Raises
    ------
    InputError
        If a stored file was changed since it was added.
    """
    return [_summary(*_load(path)) for path in _stored_files()]


def load_tables(name: str) -> OfficialTables:
    """Stored tables by name, their hash verified (read once per process and file).

    Raises
    ------
    UnknownNameError
        If no tables of that name are stored; the message says where to get them.
    InputError
        If the stored file was changed since it was added.
    """
    stored = {path.stem: path for path in _stored_files()}
    if name not in stored:
        mend = f"add them with: ovbench tables add PATH, where PATH is {SOURCES}"
        if name not in KNOWN_NAMES.values():
            known = {*stored, *KNOWN_NAMES.values()}
            raise UnknownNameError("tables", name, known, mend=None if stored else mend)
        raise InputError(f"the tables {name!r} are not stored on this machine", mend=mend)
    return _load(stored[name])[0]


def diff_tables(before: str, after: str) -> list[LabelChange]:
    """Labels that two stored tables place differently on some level of some wheel.

    Errors are those of :func:`load_tables`.
    """
    return compare(load_tables(before), load_tables(after))


def _stored_files() -> list[Path]:
    return sorted(tables_folder().glob("*.json"))


def _load(path: Path) -> _Loaded:
    """A stored file, read anew only where it was replaced."""
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(str(error), where=str(path)) from error
    return _read(path, state.st_mtime_ns, state.st_size)


@cache
def _read(path: Path, modified: int, size: int) -> _Loaded:
    """A stored file, checked; ``modified`` and ``size`` tell its versions apart in the cache."""
    try:
        record = json.loads(path.read_bytes())
        tables = from_json(record["tables"], where=str(path))
        intact = (record["format"], record["hash"]) == (FORMAT, tables.hash)
        source = str(record["source"])
    except OSError as error:
        raise InputError(str(error), where=str(path)) from error
    except (ValueError, KeyError, TypeError, RecursionError, InputError) as error:
        raise _damaged(path, f"is damaged ({error})") from error
    if not intact:
        raise _damaged(path, "the content does not match its hash")
    if tables.name != path.stem:
        raise _damaged(path, f"holds the tables {tables.name!r}, not {path.stem!r}")
    return _Loaded(tables, path, source)


def _damaged(path: Path, found: str) -> InputError:
    return InputError(
        found,
        where=str(path),
        expected="tables as 'ovbench tables add' stored them",
        mend="remove the file and add the tables again",
    )


class _Loaded(NamedTuple):
    tables: OfficialTables
    path: Path
    source: str


def _summary(tables: OfficialTables, path: Path, source: str) -> StoredTables:
    return StoredTables(
        tables.name,
        tables.hash,
        path,
        source,
        len(tables.forms),
        len(tables.synonyms),
        len(tables.wheel_words),
    )
