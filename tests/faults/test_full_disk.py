"""A full disk: one message, nothing half written, and the command goes on once there is room."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from fault_commands import commands
from fault_kit import Command, Place, Unbroken, goes_on, told

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
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> FullDisk | ShortFiles:
    if request.param == "files":
        return ShortFiles(tmp_path)
    return FullDisk(request.getfixturevalue("mounted"))


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
    goes_on(command, place, folder, wanted)
