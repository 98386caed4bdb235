"""Files of descriptions, one line a clip: begun, gone on with, never torn and never doubled."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError, InterruptedRunError, OvbenchError, ValidationError
from ovbench.io.atomic import write_bytes
from ovbench.io.lock import locked
from ovbench.progress import track
from ovbench.speech.describe import Description
from ovbench.speech.describer import Clip, Describer


def describe_all(describer: Describer, clips: Sequence[Clip]) -> Iterator[Description]:
    """A description of each clip, marked with its describer, with progress."""
    said = track(describer.describe(clips), "clips", len(clips))
    return (one.model_copy(update={"describer": describer.id}) for one in said)


def write_descriptions(
    path: str | Path, describer: Describer, clips: Sequence[Clip]
) -> Counter[str]:
    """Describe the clips that the file does not describe yet, a line at a time.

    Clips that could not be read before are read again. A line that a dead process left torn at the
    end is cut off; lines of clips that are not among ``clips`` stay.

    Returns
    -------
    Counter
        How many of ``clips`` have each status in the file.

    Raises
    ------
    InputError
        If the file was written by another describer or with other settings or statistics, if
        another process writes in its folder, or if it cannot be written.
    ValidationError
        If a line that is not the last is no description.
    OvbenchError
        If writing fails (a full disk); what was written stays, and the same command goes on.
    """
    file = Path(path)
    if file.is_dir() or not file.name:
        raise InputError("this is a folder", where=str(file), expected="the name of a file")
    if file.exists() and not file.is_file():
        raise InputError("this is no regular file", where=str(file), mend="name another with --out")
    if not file.parent.is_dir():
        raise InputError("there is no such folder", where=str(file.parent))
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(file.parent))
        except InputError as error:
            raise InputError(
                error.found,
                where=error.where,
                expected=error.expected,
                mend="name a file in another folder with --out, or wait until that one is done",
            ) from None
        done = _read_back(file, describer.id)
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
    return Counter(done[clip.id] for clip in clips)


def _appended(path: Path, said: Iterator[Description]) -> Iterator[Description]:
    """Pass descriptions through, each on the disk by then."""
    try:
        size = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            for one in said:
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


def _read_back(path: Path, describer: str) -> dict[str, str]:
    """Status by id of what is done; the file then holds exactly that."""
    whole, torn = _parse(path)
    done: dict[str, str] = {}
    kept: list[bytes] = []
    for number, (one, line) in enumerate(whole, 1):
        if one.describer != describer:
            raise InputError(
                f"was written by {one.describer or 'something else'}, and this is {describer}",
                where=f"{path}, line {number}",
                expected="the same describer, settings and statistics",
                mend="name another file with --out, or remove this one",
            )
        if one.id in done:
            raise ValidationError(f"{path}, line {number}: the id {one.id!r} comes twice.")
        if one.status != "unreadable":
            done[one.id] = one.status
            kept.append(line)
    if torn or len(kept) < len(whole):
        write_bytes(path, b"".join(kept))
    return done


def _parse(path: Path) -> tuple[list[tuple[Description, bytes]], bool]:
    """The descriptions in a file with their lines, and whether its last line is torn."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return [], False
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    whole: list[tuple[Description, bytes]] = []
    for number, line in enumerate(lines, 1):
        try:
            one = Description.model_validate_json(line)
        except PydanticError:
            if number == len(lines) and not line.endswith(b"\n"):
                return whole, True
            raise ValidationError(
                f"{path}, line {number}: not a description. The file was changed by something "
                "else; name another one with --out, or remove it."
            ) from None
        if not line.endswith(b"\n"):
            return whole, True
        whole.append((one, line))
    return whole, False
