"""A child process that is written lines to and read lines from, and that never outlives us.

Three threads carry bytes, so that no side can block another: one writes, one reads answers, one
keeps the end of what the program says on standard error. Each closes its own pipe.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import IO, Literal

from ovbench.systems.external.contract import MAX_LINE

GRACE = 5.0
"""Seconds that a program has to end by itself once its input has ended."""
_POLL = 0.1
"""Seconds between looks at whether a program whose pipes are still open has ended."""
_CHUNK = 65_536
_TAIL = 4_000
"""Bytes of standard error that are kept."""
_TAIL_LINES = 12

Happening = bytes | Literal["long", "ended", "late"]
"""A line; a line longer than ``MAX_LINE``; the program's end; nothing within the time."""


class Program:
    """A running program.

    Parameters
    ----------
    command:
        Program and arguments; no shell sees them.
    folder, env:
        Where it runs, and every environment variable that it has.

    Raises
    ------
    OSError
        If it cannot be started.
    """

    def __init__(self, command: Sequence[str], folder: str | None, env: Mapping[str, str]) -> None:
        # A session of its own: Ctrl-C reaches us alone, and its children end with it.
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env=dict(env),
            start_new_session=True,
        )
        self._process = process
        self._over = Event()
        self._lines: Queue[Happening] = Queue(maxsize=256)
        self._input: Queue[bytes | None] = Queue()
        self._tail = bytearray()
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._threads = [
            Thread(target=_write, args=(process.stdin, self._input), daemon=True),
            Thread(target=_read, args=(process.stdout, self._lines, self._over), daemon=True),
            Thread(target=_keep_tail, args=(process.stderr, self._tail), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._kill = weakref.finalize(self, _end, process, self._input)

    def send(self, line: bytes) -> None:
        """Hand a line over; returns at once, whether the program reads or not."""
        self._input.put(line)

    def next(self, seconds: float) -> Happening:
        """What happens next, within ``seconds``; what has happened already is told first."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            try:
                return self._lines.get(timeout=max(0.0, min(left, _POLL)))
            except Empty:
                # A child of the program's own may hold its pipes open after its end.
                if self._process.poll() is not None:
                    return self._left_over()
                if left <= 0:
                    return "late"

    def _left_over(self) -> Happening:
        with suppress(Empty):
            return self._lines.get(timeout=_POLL)
        return "ended"

    def status(self) -> str:
        """How it ended, as a clause: ``ended with exit status 1``."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        code = self._process.returncode
        if code is None:
            return "closed its output and goes on"
        if code >= 0:
            return f"ended with exit status {code}"
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"

    def stop(self) -> None:
        """End it and all of its children at once."""
        self._kill()
        self._join(1.0)

    def finish(self) -> None:
        """End its input and wait :data:`GRACE` seconds for it; then :meth:`stop`."""
        self._input.put(None)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE)
        self.stop()

    def _join(self, seconds: float) -> None:
        """Let the threads end; one whose pipe a runaway child holds is left to itself."""
        self._over.set()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(timeout=max(0.0, end - time.monotonic()))

    def last_words(self) -> str:
        """The end of its standard error, without control characters; empty where it was silent."""
        self._threads[2].join(timeout=0.5)
        text = bytes(self._tail).decode("utf-8", "replace").replace("\r", "\n")
        lines = ["".join(c if c.isprintable() else " " for c in x) for x in text.split("\n")]
        return "\n".join([line.rstrip() for line in lines if line.strip()][-_TAIL_LINES:])


def _write(pipe: IO[bytes], lines: Queue[bytes | None]) -> None:
    """Write lines until None comes or the program reads no more."""
    with suppress(OSError), pipe:
        while (line := lines.get()) is not None:
            rest = memoryview(line)
            while rest:
                rest = rest[pipe.write(rest) :]


def _read(pipe: IO[bytes], lines: Queue[Happening], over: Event) -> None:
    """Hand on whole lines, then how they ended; a last line without an end is lost."""

    def tell(what: Happening) -> bool:
        while not over.is_set():
            with suppress(Full):
                lines.put(what, timeout=_POLL)
                return True
        return False

    rest = b""
    with pipe:
        while chunk := pipe.read(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            if not all(tell(line if len(line) <= MAX_LINE else "long") for line in whole):
                return
            if len(rest) > MAX_LINE:
                tell("long")
                return
    tell("ended")


def _keep_tail(pipe: IO[bytes], tail: bytearray) -> None:
    with pipe:
        while chunk := pipe.read(_CHUNK):
            tail += chunk
            del tail[:-_TAIL]


def _end(process: subprocess.Popen[bytes], lines: Queue[bytes | None]) -> None:
    """Kill the program and its process group, and collect it."""
    lines.put(None)
    if os.name == "posix":
        with suppress(OSError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: it dies when that lets go
        process.wait(timeout=10.0)
