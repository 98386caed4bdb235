"""Commands as processes that faults are put to, and what of them must come out all the same.

Every command runs as a process of its own (``python -m ovbench …``) in a folder of its own, whose
only visible content is what the command writes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
STRIKING = Path(__file__).with_name("striking")
"""What it holds strikes: Python runs it before a command begins."""

Content = Mapping[str, bytes]
"""Bytes of files by name."""


@dataclass(frozen=True)
class Command:
    """A command, and what is known of its files.

    Attributes
    ----------
    begin, resume:
        Arguments of ``ovbench``, in the folder that it works in.
    prepare:
        Puts what the command needs into an empty folder.
    cache:
        Below that folder, for a command that must not find another run's work; else one for all.
    content:
        What must be the same in every way of getting there, by file; measured times left out.
    phase:
        How far it is, from what lies in the folder.
    check:
        Raises AssertionError where a file under a final name is not whole.
    """

    name: str
    begin: tuple[str, ...]
    resume: tuple[str, ...]
    prepare: Callable[[Path], None]
    content: Callable[[Path], Content]
    phase: Callable[[Path], str]
    check: Callable[[Path], None]
    cache: str | None = None

    def start(
        self,
        place: Place,
        folder: Path,
        *,
        resume: bool = False,
        prefix: tuple[str, ...] = (),
        before: Callable[[], None] | None = None,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Begin, or go on; ``prefix`` starts the program, ``before`` runs in the new process."""
        if self.cache is not None:
            environment["OVBENCH_CACHE"] = str(folder / self.cache)
        arguments = self.resume if resume else self.begin
        return place.start(arguments, folder, prefix, before, **environment)

    def run(self, place: Place, folder: Path, **how: Any) -> Ended:
        """:meth:`start`, and wait."""
        began = time.monotonic()
        return ended(self.start(place, folder, **how), began)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: a signal's), what it said, how long it took."""

    code: int
    said: str
    seconds: float

    @property
    def errors(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith("error: ")]


class Place:
    """A folder to work in, and what processes see around them."""

    def __init__(self, folder: Path) -> None:
        self.made = folder
        self.cache = folder / "cache"
        self.home = folder / "home"
        for path in (folder, self.cache, self.home):
            path.mkdir(parents=True, exist_ok=True)

    def environment(self, **more: str) -> dict[str, str]:
        paths = [str(STRIKING), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OVBENCH_CACHE": str(self.cache),
            "OVBENCH_HOME": str(self.home),
            **more,
        }

    def start(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        prefix: tuple[str, ...] = (),
        before: Callable[[], None] | None = None,
        **more: str,
    ) -> subprocess.Popen[str]:
        """Start ``ovbench`` in a folder."""
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "ovbench", *arguments],
            cwd=folder,
            env=self.environment(**more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )


def ended(process: subprocess.Popen[str], began: float | None = None) -> Ended:
    """Wait for a process, whose error output must hold no traceback."""
    start = time.monotonic() if began is None else began
    _, said = process.communicate()
    assert "Traceback" not in said, said
    return Ended(process.returncode, said, time.monotonic() - start)


def told(found: Ended, *parts: str) -> None:
    """Assert that a process failed with one message, which holds these parts."""
    assert found.code != 0, found.said
    assert len(found.errors) == 1, (found.code, found.said)
    for part in parts:
        assert part in found.errors[0], found.errors[0]


# --- what every command's files must be -----------------------------------------------------------


def files_of(folder: Path) -> dict[str, Path]:
    """All files below a folder by relative name, but for locks, which are never stale."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): p for p in found if not p.name.endswith(".lock")}


def bytes_of(folder: Path) -> Content:
    """What is in them."""
    return {name: path.read_bytes() for name, path in files_of(folder).items()}


def whole(folder: Path, appended: str = "") -> None:
    """Every file under a final name can be read; the end of ``appended`` may be torn."""
    for name, path in files_of(folder).items():
        if any(part.startswith(".") for part in Path(name).parts) or path.name == appended:
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            json.loads(data)
        elif path.suffix == ".jsonl":
            assert data.endswith(b"\n"), name
            for line in data.splitlines():
                json.loads(line)
        elif path.suffix == ".safetensors":
            load_file(path)


# --- unbroken and broken runs ---------------------------------------------------------------------


@dataclass(frozen=True)
class Unbroken:
    """A run that nothing happened to: what it left, its time, its file operations."""

    content: Content
    seconds: float
    operations: int


def unbroken(command: Command, place: Place) -> Unbroken:
    """Run a command from its beginning to its end."""
    folder = fresh(command, place, "unbroken")
    count = place.made / f"{folder.name}-operations"
    found = command.run(place, folder, FAULTS_UNDER=str(folder.resolve()), FAULTS_COUNT=str(count))
    assert found.code == 0, found.said
    command.check(folder)
    content = command.content(folder)
    assert content, "nothing was written"
    return Unbroken(content, found.seconds, int(count.read_text()))


def begun(command: Command, place: Place, reference: Unbroken, name: str, share: float) -> Path:
    """A folder in which the command was killed after that share of its file operations."""
    folder = fresh(command, place, name)
    at = max(1, round(share * reference.operations))
    found = command.run(place, folder, FAULTS_UNDER=str(folder.resolve()), FAULTS_AT=str(at))
    assert found.code == -signal.SIGKILL, found.said
    return folder


def fresh(command: Command, place: Place, name: str) -> Path:
    """A new folder with what the command needs."""
    folder = place.made / f"{command.name}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    command.prepare(folder)
    return folder


def same(found: Content, wanted: Content) -> list[str]:
    """The files in which two contents differ."""
    return sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))


def kill(process: subprocess.Popen[str], after: float) -> bool:
    """End a process by SIGKILL after so many seconds; whether it was still running."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def goes_on(command: Command, place: Place, folder: Path, wanted: Unbroken) -> None:
    """Assert that the command, called again, ends as if nothing had happened."""
    found = command.run(place, folder, resume=True)
    assert found.code == 0, found.said
    assert same(command.content(folder), wanted.content) == []
