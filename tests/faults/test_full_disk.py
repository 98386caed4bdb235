"""A full disk: one message, nothing half written, and the command goes on once there is room."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fault_commands import commands
from fault_kit import Command, Place, Unbroken, same, told

SIZE = 64 * 2**20
"""Bytes on the small disk; more than any command here writes."""
ROOM = (0, 2**12, 2**16, 2**20, 2**21, 2**22)
"""Bytes that are free, one run after the other, until one has enough."""


class FullDisk:
    """A small file system, with a file that leaves only so much room."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / ".ballast"
        self.before: Callable[[], None] | None = None

    def leave(self, size: int) -> None:
        with self._ballast.open("wb") as file, suppress(OSError):
            while True:
                file.write(bytes(2**16))
                file.flush()
        with self._ballast.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.truncate(file.tell() - size)

    def free(self) -> None:
        self._ballast.unlink()


class ShortFiles:
    """No file may become larger: what anybody may ask for, without a disk of one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before: Callable[[], None] | None = None

    def leave(self, size: int) -> None:
        self.before = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    def free(self) -> None:
        self.before = None


@pytest.fixture(params=["disk", "files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FullDisk | ShortFiles]:
    folder = tmp_path / "small"
    folder.mkdir()
    if request.param == "files":
        yield ShortFiles(folder)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield FullDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@commands
def test_a_full_disk(
    command: Command, wanted: Unbroken, place: Place, disk: FullDisk | ShortFiles
) -> None:
    folder = disk.folder / "work"
    folder.mkdir()
    command.prepare(folder)
    refused = 0
    for room in ROOM:
        disk.leave(room)
        found = command.run(place, folder, resume=refused > 0, before=disk.before)
        command.check(folder)
        if found.code == 0:
            break
        told(found)
        assert found.code in (1, 2)
        refused += 1
    assert refused > 0
    disk.free()
    found = command.run(place, folder, resume=True)
    assert found.code == 0, found.said
    assert same(command.content(folder), wanted.content) == []
