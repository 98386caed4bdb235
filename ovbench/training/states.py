"""Folders of states that a training resumes from, whatever they hold: ``last/step-00000150/``.

A folder appears under its name only when it is whole. The newest are kept, so that a damaged one
costs the steps since the one before it, not the run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError

from ovbench.errors import InputError, ValidationError

KEPT = 2
"""The newest that are kept."""
Identity = Mapping[str, str | int]
"""What a run is of, by the name a user knows it by; a state is resumed only under the same."""
S = TypeVar("S")

_DAMAGED = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError),
    SafetensorError,
)
"""What a state that is not as it was written raises when it is read."""


def state_folder(last: Path, step: int) -> Path:
    """Where the state after a step lies."""
    return last / f"step-{step:08d}"


def let_go(last: Path) -> None:
    """Remove all states but the newest :data:`KEPT`."""
    for old in _newest_first(last)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def newest_whole(last: Path, read: Callable[[Path], S]) -> tuple[S, list[str]] | None:
    """What ``read`` makes of the newest whole state, and a sentence for every damaged one passed.

    None if there is none at all.

    Raises
    ------
    ValidationError
        If there are states and every one is damaged.
    """
    damaged: list[str] = []
    for folder in _newest_first(last):
        try:
            return read(folder), damaged
        except _DAMAGED as error:
            damaged.append(f"{folder.name} is damaged ({error})")
    if damaged:
        raise ValidationError(
            f"{last}: no state can be resumed: {'; '.join(damaged)}. "
            "Remove the folder and train again."
        )
    return None


def check_identity(
    found: Mapping[str, object], wanted: Mapping[str, object], where: Path, what: str
) -> None:
    """Refuse to go on with ``what`` where it is of another run.

    Raises
    ------
    InputError
        Naming what differs.
    """
    differs = [
        f"{key} was {found.get(key)}, is {wanted.get(key)}"
        for key in {**found, **wanted}
        if found.get(key) != wanted.get(key)
    ]
    if differs:
        raise InputError(
            f"{what} is of another run: {'; '.join(differs)}",
            where=str(where),
            mend="resume with the same settings, or train into another folder",
        )


def _newest_first(last: Path) -> list[Path]:
    return sorted(last.glob("step-*"), reverse=True)
