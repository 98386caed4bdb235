"""Files of descriptions, one line a clip: begun, gone on with, never torn and never doubled."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError, InterruptedRunError, OvbenchError, ValidationError
from ovbench.io.atomic import remove_unfinished, write_bytes
from ovbench.io.lock import locked
from ovbench.progress import track
from ovbench.speech.describe import Description
from ovbench.speech.describer import Clip, Describer

CHANGED = "another clip of that name, or other words or another speaker"
OTHER = "another describer, or of other settings or statistics"
UNMARKED = "an earlier version, which did not say by a hash which clip it heard"
DAMAGED = "no clip: the end of the file was damaged"
"""Of what the lines of a file are that do not count."""
_FIRST = b'{"id":'
"""How every line begins."""
BEFORE = ".before"
"""Added to the name of a file for the copy of what it was."""


class Written(NamedTuple):
    """What became of a file of descriptions.

    ``counts``: how many of the clips have each status in it. ``anew``: how many of its lines did
    not count and were replaced, by reason (:data:`CHANGED`, :data:`OTHER`, :data:`UNMARKED`,
    :data:`DAMAGED`).
    """

    counts: Counter[str]
    anew: Counter[str]


def describe_all(describer: Describer, clips: Sequence[Clip]) -> Iterator[Description]:
    """A description of each clip, marked with its describer and what it heard, with progress."""
    said = track(describer.describe(clips), "clips", len(clips))
    for clip, one in zip(clips, said, strict=True):
        marks = {"sha256": clip.content(), "beside": clip.beside_sha256()}
        yield one.model_copy(update={"describer": describer.id, **marks})


def write_descriptions(path: str | Path, describer: Describer, clips: Sequence[Clip]) -> Written:
    """Describe the clips that the file does not describe yet, a line at a time.

    A line is gone on with where the describer with its settings and statistics, the clip's bytes
    and what is known of it (transcript, speaker, sex) are those of now; else the clip is described
    anew, and the file as it was is kept beside it under the name ``<name>.before``. Of a clip that
    is not there any more the line stays. Clips that could not be read before are read again. What a
    dead process or machine left torn at the end is cut off, and kept in that copy where it has
    whole lines; lines of clips that are not among ``clips`` stay.

    Raises
    ------
    InputError
        If another describer's lines of clips that are not among ``clips`` would be mixed with this
        one's, if something else than ovbench wrote a line, if another process writes in the file's
        folder, or if it cannot be written.
    ValidationError
        If a line is no description, and descriptions follow it, or none goes before it.
    OvbenchError
        If writing fails (a full disk); what was written stays, and the same command goes on.
    """
    file = Path(path)
    _check_place(file)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(file.parent))
        except InputError as error:
            raise InputError(
                error.found,
                where=str(file.parent.absolute()),
                expected=error.expected,
                mend="name a file in another folder with --out, or wait until that one is done",
            ) from None
        remove_unfinished(file.parent, file.name, file.name + BEFORE)
        done, anew = _read_back(file, describer.id, clips)
        missing = [clip for clip in clips if clip.id not in done]
        try:
            for said in _appended(file, describe_all(describer, missing)):
                done[said.id] = said.status
        except KeyboardInterrupt:
            kept = sum(clip.id in done for clip in clips)
            raise InterruptedRunError(
                f"Stopped: {kept} of {len(clips)} clips are described in {file}. The same command "
                "goes on from there."
            ) from None
    return Written(Counter(done[clip.id] for clip in clips), anew)


def _check_place(file: Path) -> None:
    """Refuse a name under which no file of descriptions can be written."""
    try:
        if file.is_dir() or not file.name:
            raise InputError("this is a folder", where=str(file), expected="the name of a file")
        if file.exists() and not file.is_file():
            raise InputError(
                "this is no regular file", where=str(file), mend="name another with --out"
            )
        if not file.parent.is_dir():
            raise InputError("there is no such folder", where=str(file.parent.absolute()))
        os.fsencode(file)  # half a surrogate pair
        if "\0" in str(file):
            raise ValueError("a null character")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot be written to ({reason})",
            where=f"{str(file)!r:.300}",
            mend="name another with --out",
        ) from None


def _appended(path: Path, said: Iterator[Description]) -> Iterator[Description]:
    """Pass descriptions through, each handed to the operating system by then."""
    try:
        size = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            for one in _heard(said):
                line = one.line()
                file.write(line)
                file.flush()
                size += len(line)
                yield one
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, size)
        raise OvbenchError(
            f"{path}: writing failed ({error.strerror}). Make room, then give the same command "
            "again: it goes on from there."
        ) from None


def _heard(said: Iterator[Description]) -> Iterator[Description]:
    """The descriptions; where a clip or a model cannot be read, that is told as what it is."""
    try:
        yield from said
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise OvbenchError(f"{where}reading failed ({error.strerror}).") from None


def _read_back(
    path: Path, describer: str, clips: Sequence[Clip]
) -> tuple[dict[str, str], Counter[str]]:
    """Status by id of what is done, which is what the file then holds; why other lines are not."""
    whole, broken = _parse(path)
    asked = {clip.id: clip for clip in clips}
    done: dict[str, str] = {}
    seen: set[str] = set()
    kept: list[bytes] = []
    anew: Counter[str] = Counter()
    for number, (one, line) in enumerate(whole, 1):
        where = f"{path}, line {number}"
        if one.id in seen:
            raise ValidationError(f"{where}: the id {one.id!r} comes twice.")
        seen.add(one.id)
        if one.describer != describer and (one.id not in asked or not one.describer):
            raise InputError(
                f"was written by {one.describer or 'something else'}, and this is {describer}",
                where=where,
                expected="one describer with the same settings and statistics in the whole file",
                mend="name another file with --out, or describe all of its clips again",
            )
        if one.status == "unreadable" and one.sha256 is None:
            continue  # there was no file; one with the same bytes would be no more readable
        why = _outdated(one, describer, asked.get(one.id))
        if why is None:
            done[one.id] = one.status
            kept.append(line)
        else:
            anew[why] += 1
    if ended := sum(line.endswith(b"\n") for line in broken):
        anew[DAMAGED] = ended
    if anew:
        write_bytes(path.with_name(path.name + BEFORE), path.read_bytes())
    if broken or len(kept) < len(whole):
        write_bytes(path, b"".join(kept))
    return done, anew


def _outdated(one: Description, describer: str, clip: Clip | None) -> str | None:
    """Why a line says nothing of the clip that has its id now; None where it does."""
    if one.describer != describer:
        return OTHER
    if clip is None or (content := clip.content()) is None:
        return None
    if one.sha256 is None:
        return UNMARKED
    same = (one.sha256, one.beside) == (content, clip.beside_sha256())
    return None if same else CHANGED


def _parse(path: Path) -> tuple[list[tuple[Description, bytes]], list[bytes]]:
    """The descriptions in a file with their lines, and the broken lines at its end."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    whole: list[tuple[Description, bytes]] = []
    broken: list[bytes] = []
    for line in lines:
        one = _description(line)
        if one is None:
            broken.append(line)
        elif broken:
            break
        else:
            whole.append((one, line))
    at_the_end = len(whole) + len(broken) == len(lines)
    if broken and not (at_the_end and (whole or _begun(broken))):
        raise ValidationError(
            f"{path}, line {len(whole) + 1}: not a description. The file was changed by something "
            "else; name another one with --out, or remove it."
        )
    return whole, broken


def _description(line: bytes) -> Description | None:
    """The description on a line, or None where it is torn."""
    if not line.endswith(b"\n"):
        return None
    with suppress(PydanticError):
        return Description.model_validate_json(line)
    return None


def _begun(lines: list[bytes]) -> bool:
    """Whether they may be the beginning of a description, and not somebody's own file."""
    start = lines[0].rstrip(b"\0")
    alone = len(lines) == 1 and not start.endswith(b"\n")
    return alone and (start.startswith(_FIRST) or _FIRST.startswith(start))
