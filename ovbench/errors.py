"""What can go wrong, as the user is told it.

::

    OvbenchError            exit code 1: something failed while running
    ├── InputError          exit code 2: a file, option or value that cannot be used
    │   ├── UnknownNameError    a name nobody registered, with the nearest ones
    │   └── MissingExtraError   a feature whose optional dependencies are not installed
    ├── ValidationError     exit code 3: a file was read and found to break its contract
    └── InterruptedRunError exit code 130 or 143: Ctrl-C or SIGTERM; what was done is kept

A message says where (file, line, id), what was found, what was expected and how to mend it.
The command line prints the message alone, never a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 10_000
"""Characters of the longest message; what is said after them would not be read."""


def visible(text: str) -> str:
    """``text`` with an escape for each character that a terminal would obey in place of showing.

    Line breaks stay, but no line after the first begins at the margin, so that what is quoted
    cannot pass for a line of ovbench's own.
    """
    lines = [
        "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in line)
        for line in text.split("\n")
    ]
    return "\n".join([*lines[:1], *(_indented(line) for line in lines[1:])])


def _indented(line: str) -> str:
    return line if not line or line[0] in " \t" else f"  {line}"


def one_line(text: str) -> str:
    """``text``, which names something, with escapes for its line breaks."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


class OvbenchError(Exception):
    """Base of every error that ovbench raises on purpose; the end of a long message is left out."""

    exit_code = 1

    def __init__(self, text: str = "") -> None:
        super().__init__(text if len(text) <= LONGEST else text[:LONGEST] + " …")

    def shown(self) -> str:
        """The message for a terminal: what it would obey in place of showing stands as an escape.

        Messages quote files that somebody else may have written.
        """
        return visible(str(self))


class InputError(OvbenchError):
    """Input that cannot be used.

    Parameters
    ----------
    found:
        What was found, as a clause: ``"label column 'openst' is not in the file"``.
    where:
        File name, with line or id where there is one: ``"preds.jsonl, line 17"``.
    expected:
        What would have been right: ``"one JSON object per line"``.
    mend:
        The next thing to do, as an imperative sentence without its full stop.
    """

    exit_code = 2

    def __init__(
        self,
        found: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        mend: str | None = None,
    ) -> None:
        self.found, self.where, self.expected, self.mend = found, where, expected, mend
        parts = [f"{one_line(where)}: {found}" if where else found]
        if expected:
            parts.append(f"expected {expected}")
        text = "; ".join(parts) + "."
        if mend:
            text += f" {mend[0].upper()}{mend[1:]}."
        super().__init__(text)


_PART, _MOST = 3, 8
"""Letters from which on a part of a name is looked for, and how many names are shown at most."""


class UnknownNameError(InputError):
    """A name that nobody registered; the message lists the nearest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, mend: str | None = None):
        names = sorted(known)
        near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        if len(name) >= _PART:
            parts = [one for one in names if name.lower() in one.lower()]
            near = list(dict.fromkeys([*parts, *near]))[: max(3, min(len(parts), _MOST))]
        if near:
            hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
        elif names:
            hint = "known: " + ", ".join(names)
        else:
            hint = "none is known yet"
        super().__init__(f"unknown {kind} {name!r} ({hint})", mend=mend)
        self.near = near


class MissingExtraError(InputError):
    """A feature whose optional dependencies are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the optional dependencies '{extra}'",
            mend=f"install them with: pip install 'ovbench[{extra}]'",
        )
        self.extra = extra


class ValidationError(OvbenchError):
    """A file that was read whole and found to break its contract."""

    exit_code = 3


class InterruptedRunError(OvbenchError):
    """Work that was stopped from outside; the message says how to go on."""

    exit_code = 130


class Terminated(KeyboardInterrupt):
    """SIGTERM came; whoever saves something on Ctrl-C saves it now, too."""
