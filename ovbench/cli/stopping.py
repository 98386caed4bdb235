"""Ctrl-C and SIGTERM: work ends in order, and the command says how to go on.

Both interrupt Python where it is; whoever has something to save catches ``KeyboardInterrupt``. The
exit code is 128 and the signal's number: 130 after Ctrl-C, 143 after SIGTERM.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ovbench.errors import InterruptedRunError, Terminated

_SAID = (
    "Stopped. Nothing is half written: give the same command again, which goes on from what was "
    "done, or says how to."
)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block both signals stop the command; what is ignored stays ignored."""
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    former = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as a shell leaves work in the background
            former[number] = signal.signal(number, note)
    try:
        yield
        return
    except InterruptedRunError as error:
        said, code = error.shown(), error.exit_code
    except KeyboardInterrupt:
        said, code = _SAID, InterruptedRunError.exit_code
    except SystemExit as end:
        # Typer turns KeyboardInterrupt into this exit code, without a word.
        if not noted or end.code != InterruptedRunError.exit_code:
            raise
        said, code = _SAID, InterruptedRunError.exit_code
    finally:
        for known, handler in former.items():
            signal.signal(known, handler)
    print(f"error: {said}", file=sys.stderr)  # noqa: T201 - typer may not be imported yet
    sys.exit(128 + noted[-1] if noted else code)
