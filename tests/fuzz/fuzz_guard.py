"""The oracle: what a door may do with a file that somebody else made, and what it may not.

It may read it, or refuse it with one of ovbench's own errors. It may not raise anything else, run
code, start a program, open a connection, write outside its output folder, or take more than
``SECONDS`` or ``EXTRA_BYTES``. Interpreter events (``sys.addaudithook``) are watched, so that what
a file tries to do is seen, and stopped, whether or not an error comes of it.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ovbench.errors import OvbenchError

SECONDS = 10.0
"""Longest time of the processor for one input; by the clock, ``PATIENCE`` times that."""
PATIENCE = 9
EXTRA_BYTES = 1536 * 1024**2
"""Most address space beyond what the process had before the first input."""
LONGEST_MESSAGE = 20_000

_STARTS = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "pty.spawn",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "subprocess.Popen",
    "webbrowser.open",
    "urllib.Request",
)
_CHANGES = (
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.chmod"),
    *("os.chown", "os.truncate", "os.utime"),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Offence(BaseException):
    """The input did what no input may; not an Exception, so that no door can swallow it."""


class Guard:
    """Watches this process while it is armed; ``folders`` may be written to."""

    def __init__(self, *folders: Path) -> None:
        self.folders = [os.path.realpath(folder) for folder in folders]
        self.armed = False
        self.offence: str | None = None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event in _STARTS:
            self._stop(f"{event} {arguments!r:.200}")
        elif event == "pickle.find_class":
            self._stop(f"the stock unpickler looked up {arguments[1:]!r:.200}")
        elif event == "open":
            path, mode, flags = arguments
            if (flags or 0) & _WRITING and isinstance(path, (str, bytes, os.PathLike)):
                self._check(path, f"open for writing ({mode!r})")
        elif event in _CHANGES:
            for path in arguments[:2]:
                if isinstance(path, (str, bytes, os.PathLike)):
                    self._check(path, event)

    def _check(self, path: Any, what: str) -> None:
        self.armed = False
        real = os.path.realpath(os.fsdecode(path))
        self.armed = True
        if real != os.devnull and not any(
            real == folder or real.startswith(folder + os.sep) for folder in self.folders
        ):
            self._stop(f"{what}: {real}")

    def _stop(self, text: str) -> None:
        self.offence = self.offence or text
        raise Offence(text)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self.offence, self.armed = None, True
        try:
            yield
        finally:
            self.armed = False


class HangError(BaseException):
    """An input took too long; not an Exception, so that no door can swallow it."""


def limit_memory() -> None:
    """No more than ``EXTRA_BYTES`` beyond what there is now (Linux; elsewhere nothing is done)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    most = pages * resource.getpagesize() + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _alarm(_number: int, _frame: object) -> None:
    raise HangError


def judge(guard: Guard, run: Callable[[], object], seconds: float = SECONDS) -> str | None:
    """What is wrong with how an input was met, in a line; None where nothing is.

    The beginning, up to a colon, tells findings apart.
    """
    # Of the processor's time, since others may be using it; and by the clock, for what waits.
    timers = {signal.ITIMER_PROF: seconds, signal.ITIMER_REAL: PATIENCE * seconds}
    for number, timer in (
        (signal.SIGPROF, signal.ITIMER_PROF),
        (signal.SIGALRM, signal.ITIMER_REAL),
    ):
        signal.signal(number, _alarm)
        signal.setitimer(timer, timers[timer])
    # Code that never comes back to the interpreter: the process ends, and its parent sees it.
    faulthandler.dump_traceback_later(2 * PATIENCE * seconds, exit=True)
    try:
        with warnings.catch_warnings(), guard.watching():
            warnings.simplefilter("ignore")
            run()
    except OvbenchError as error:
        return _refusal(error) if guard.offence is None else f"offence: {guard.offence}"
    except HangError as error:
        return f"hang at {_place(error)}: more than {seconds:g} s"
    except Offence as offence:
        return f"offence at {_place(offence)}: {offence}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__} at {_place(error)}: {error!s:.300}"
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        faulthandler.cancel_dump_traceback_later()
    return None if guard.offence is None else f"offence: {guard.offence}"


def _refusal(error: OvbenchError) -> str | None:
    text = str(error)
    if error.exit_code not in (2, 3):
        return f"exit code {error.exit_code} at {_place(error)}: {text:.200}"
    if len(text) > LONGEST_MESSAGE:
        return f"long message at {_place(error)}: {len(text)} characters, {text[:200]!r}"
    return None


def _place(error: BaseException) -> str:
    """The last line of ovbench's own in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{os.sep}ovbench{os.sep}" in frame.filename] or frames
    if not own:
        return "nowhere"
    last = own[-1]
    return f"{last.filename.rpartition(f'{os.sep}ovbench{os.sep}')[2]}:{last.name}"


def signature(finding: str) -> str:
    """A short name for findings of one kind."""
    return hashlib.sha256(finding.partition(":")[0].encode()).hexdigest()[:8]


@contextmanager
def sandbox() -> Iterator[tuple[Path, Path]]:
    """A folder for inputs and one for outputs; homes and caches of ovbench lie in the latter."""
    with tempfile.TemporaryDirectory(prefix="ovbench-fuzz-") as name:
        inside, out = Path(name, "in"), Path(name, "out")
        inside.mkdir()
        out.mkdir()
        os.environ["OVBENCH_HOME"] = os.environ["OVBENCH_CACHE"] = str(out)
        sys.dont_write_bytecode = True
        yield inside, out
