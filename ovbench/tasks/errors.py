"""What can be wrong with a data set's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ovbench.errors import InputError


class MissingDataError(InputError):
    """Files of a data set that are not on this machine; the message says where to ask for them.

    Attributes
    ----------
    files:
        What was looked for.
    """

    def __init__(
        self, title: str, files: Sequence[str], folders: Sequence[Path], access: str
    ) -> None:
        shown = ", ".join(map(str, folders[:4])) or "no data folder is named"
        super().__init__(
            f"{title}: {' or '.join(files)} is not there (looked in: {shown})",
            expected=f"the files as distributed. How to get them: {access.rstrip('.')}",
            mend="name the folder that holds your data sets with --data DIR or OVBENCH_DATA, and "
            "see what is found there with: ovbench doctor --data DIR",
        )
        self.files = tuple(files)


class MissingCorporaError(MissingDataError):
    """Data sets that a task puts together and that are not on this machine, all in one message.

    Attributes
    ----------
    files:
        What was looked for, each with its data set.
    """

    def __init__(self, title: str, missing: Mapping[str, MissingDataError]) -> None:
        lines = "; ".join(f"{name}: {' or '.join(one.files)}" for name, one in missing.items())
        which = f"{len(missing)} of the data sets" if len(missing) > 1 else "one of the data sets"
        verb = "are" if len(missing) > 1 else "is"
        InputError.__init__(
            self,
            f"{title}: {which} that it puts together {verb} not there ({lines})",
            expected="each by its own card, which says how to get it: ovbench tasks show "
            + ", ".join(missing),
            mend="name the folder that holds your data sets with --data DIR or OVBENCH_DATA, and "
            "see what is found there with: ovbench doctor --data DIR",
        )
        self.files = tuple(f"{one.files[0]} of {name}" for name, one in missing.items())


class WrongCountError(InputError):
    """A split that holds another number of items than is known of it."""
