"""Where commands work while faults are put to them, and what an unbroken run leaves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from fault_commands import COMMANDS
from fault_kit import Command, Place, Unbroken, unbroken

SIZE = 64 * 2**20
"""Bytes on the disk that tests may fill and lock; more than any command here writes."""


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="session")
def command_of(place: Place) -> Callable[[str], Command]:
    """By name; each is made once."""
    return cache(lambda name: COMMANDS[name](place))


@pytest.fixture(scope="session")
def unbroken_of(place: Place, command_of: Callable[[str], Command]) -> Callable[[str], Unbroken]:
    """By name; each is run once."""
    return cache(lambda name: unbroken(command_of(name), place))


@pytest.fixture
def command(request: pytest.FixtureRequest, command_of: Callable[[str], Command]) -> Command:
    return command_of(request.param)


@pytest.fixture
def wanted(command: Command, unbroken_of: Callable[[str], Unbroken]) -> Unbroken:
    """What the command leaves where nothing happens."""
    return unbroken_of(command.name)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small disk of the test's own."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
