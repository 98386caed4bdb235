"""No command writes its result over what it reads, or two results to one place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovbench.cli.given import called
from ovbench.errors import InputError

if TYPE_CHECKING:
    from typer._click.core import Command, Context

WRITTEN = frozenset({"json", "samples", "out", "markdown", "plot", "fit"})
"""Parameters, of whichever command, that name a file to write (``out``: a folder of some)."""
_WORDS = frozenset({"labels", "format", "form"})
"""Parameters whose values are words; a file that happens to have such a name is another thing."""
_MEND = "name another file to write to"


def guarded(command: Command) -> Command:
    """The same command, and those in a group: outputs are checked before its work begins."""
    for one in getattr(command, "commands", {}).values():
        guarded(one)
    work = command.invoke

    def checked(ctx: Context) -> Any:
        check_outputs(ctx)
        return work(ctx)

    if any(one.name in WRITTEN for one in command.params):
        command.invoke = checked  # type: ignore[method-assign]
    return command


def check_outputs(context: Context) -> None:
    """Refuse an output that is an input, or another output, by whatever name or link.

    Folders, devices and ``-`` are neither: a run goes on in its folder.

    Raises
    ------
    InputError
        If writing would destroy what is read, or what is written beside it.
    """
    given = list(_given(context))
    outputs = [one for one in given if one[0] in WRITTEN]
    for number, (name, option, target) in enumerate(outputs):
        for other, shown, value in given:
            if other != name and other not in WRITTEN and _same_file(target, value):
                raise InputError(
                    f"{option} would be written over {shown}",
                    where=target,
                    expected="a result beside what it is made from",
                    mend=_MEND,
                )
        for _, shown, value in outputs[:number]:
            if _same_place(target, value):
                raise InputError(
                    f"{shown} and {option} would be written to one file",
                    where=target,
                    expected="a file for each",
                    mend=_MEND,
                )


def check_outside(target: str, folder: str) -> None:
    """Refuse a file of ``folder`` as what is written.

    Raises
    ------
    InputError
        If there is such a file in there, or in a folder below.
    """
    place, inside = Path(os.path.realpath(target)), Path(os.path.realpath(folder))
    if place.is_file() and place.is_relative_to(inside):
        raise InputError(
            f"--out would be written over a file of {folder}",
            where=target,
            expected="a file that is not the leaderboard's",
            mend=_MEND,
        )


def _given(context: Context) -> Iterator[tuple[str, str, str]]:
    """Name, name as a message has it, and text of each that the command line itself has."""
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name in _WORDS or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params.get(name)
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, str) and one != "-":
                yield name, called(parameter), str(one)


def _same_file(target: str, value: str) -> bool:
    """Whether the output is the file, or one of the files, that a value names."""
    try:
        found = Path(target).stat()
    except (OSError, ValueError):  # ValueError: a null character
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    return any(_is_file(found, name) for name in _readings(value))


def _readings(value: str) -> set[str]:
    """The names that a value may mean: itself, of several, after ``~`` or a ``KIND:``."""
    names = {value, *(part.strip() for part in value.split(",")), value.partition(":")[2]}
    return names | {os.path.expanduser(name) for name in names}  # noqa: PTH111 - never fails


def _is_file(found: os.stat_result, name: str) -> bool:
    try:
        return os.path.samestat(found, Path(name).stat())
    except (OSError, ValueError):
        return False


def _same_place(first: str, second: str) -> bool:
    """Whether two outputs are one file, that there is or that there will be."""
    if _same_file(first, second):
        return True
    try:
        places = {os.path.normcase(os.path.realpath(one)) for one in (first, second)}
        return len(places) == 1 and not Path(first).exists()
    except ValueError:
        return False
