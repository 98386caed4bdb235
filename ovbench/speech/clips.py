"""Which sound files a user means: files, folders and patterns, each clip under an id of its own."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ovbench.errors import InputError
from ovbench.io.home import expanded
from ovbench.speech.describer import Clip

SUFFIXES = frozenset(
    [
        *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au"),
        *(".snd", ".caf", ".w64", ".rf64", ".sph", ".voc"),
    ]
)
"""Of the files that are looked for in folders."""


def find_clips(
    names: Sequence[str], *, speaker_from: str | None = None, sex: str | None = None
) -> list[Clip]:
    """The clips that are named, in order; each file once.

    A file's id is its name without the suffix; of a file in a folder that is named, its path from
    there. Files that differ in the suffix alone keep it: ``a.wav``, ``a.flac``. A file that does
    not exist is a clip too: what is wrong with it is its description's
    status.

    Parameters
    ----------
    names:
        Files; folders, in which files of ``SUFFIXES`` are looked for at any depth; or patterns with
        ``*``, ``?`` and ``**``.
    speaker_from:
        Regular expression: its first group (or the whole match) in a file's path is the speaker.
    sex:
        Of every speaker.

    Raises
    ------
    InputError
        If a folder or a pattern holds no sound file, two files have one id, or ``speaker_from`` is
        no regular expression or matches no file.
    """
    pattern = None if speaker_from is None else _compiled(speaker_from)
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name, path in (pair for one in names for pair in _named(one)):
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            found.setdefault(name, []).append(path)
    places = _distinct(found)
    clips = [Clip(name, path, "", _speaker(pattern, path), sex) for name, path in places.items()]
    if pattern is not None and not any(clip.speaker for clip in clips):
        raise InputError(
            f"{speaker_from!r} matches in none of the files' names",
            where="--speaker-from",
            expected="a regular expression whose first group is the speaker",
        )
    return clips


def _named(name: str) -> Iterator[tuple[str, str]]:
    """Ids and paths of what one name means."""
    try:
        if "\0" in name:  # such a path only says that it is no folder
            raise ValueError("a null character")
        path = expanded(name)
        if path.is_dir():
            yield from _inside(path)
            return
        if glob.has_magic(name) and not path.exists():
            # Path.glob takes no absolute patterns.
            found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
            files = [file for file in found if Path(file).is_file()]
            if not files:
                raise InputError("no file has such a name", where=name)
            yield from ((_text(Path(file).stem), file) for file in files)
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be looked for ({reason})", where=f"{name!r:.200}") from None
    yield _text(path.stem), str(path)


def _inside(folder: Path) -> Iterator[tuple[str, str]]:
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        files += [
            Path(place, name)
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    if not files:
        raise InputError(
            "holds no sound file",
            where=str(folder),
            expected="files such as " + ", ".join(sorted(SUFFIXES)),
        )
    for file in sorted(files):
        yield _text(file.relative_to(folder).with_suffix("").as_posix()), str(file)


def _distinct(found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Paths by id: names that several files have get their files' suffixes."""
    places: dict[str, str] = {}
    for name, paths in found.items():
        for path in paths:
            own = name if len(paths) == 1 else name + _text(Path(path).suffix)
            if own in places:
                raise InputError(
                    f"two clips have the id {own!r}: {places[own]} and {path}",
                    expected="an id of its own for each clip",
                    mend="name the one folder that holds both, so that ids are paths in it, or "
                    "rename one of them",
                )
            places[own] = path
    return places


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"{pattern!r} is no regular expression ({error})", where="--speaker-from"
        ) from None


def _speaker(pattern: re.Pattern[str] | None, path: str) -> str | None:
    found = pattern.search(_text(Path(path).as_posix())) if pattern else None
    return next((part for part in (*found.groups(), found[0]) if part), None) if found else None


def _text(name: str) -> str:
    """A file's name as text that any file can hold: what is not UTF-8 becomes U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
