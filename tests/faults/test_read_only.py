"""Files and folders that may not be written: one message, nothing changed, and it goes on after."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fault_commands import commands
from fault_kit import Command, Place, Unbroken, begun, bytes_of, files_of, fresh, goes_on, told

# Permissions do not bind the superuser, unless the right to override them is given away.
BOUND: tuple[str, ...] = ()
if os.geteuid() == 0:
    BOUND = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
    if shutil.which("setpriv") is None:
        pytestmark = pytest.mark.skip("the superuser may write everywhere, and there is no setpriv")


def lock_up(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def open_up(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def refused(command: Command, place: Place, folder: Path, *, prefix: tuple[str, ...]) -> None:
    before = bytes_of(folder)
    found = command.run(place, folder, resume=True, prefix=prefix)
    told(found)
    assert found.code in (1, 2)
    assert bytes_of(folder) == before


@commands
def test_nothing_may_be_written(command: Command, wanted: Unbroken, place: Place) -> None:
    folder = fresh(command, place, "read-only")
    lock_up(folder)
    refused(command, place, folder, prefix=BOUND)
    open_up(folder)
    goes_on(command, place, folder, wanted)


@commands
def test_a_run_that_was_begun_may_not_be_written(
    command: Command, wanted: Unbroken, place: Place
) -> None:
    folder = begun(command, place, wanted, "begun-read-only", 0.6)
    lock_up(folder)
    refused(command, place, folder, prefix=BOUND)
    open_up(folder)
    goes_on(command, place, folder, wanted)


@commands
def test_files_alone_may_not_be_written(command: Command, wanted: Unbroken, place: Place) -> None:
    """Whether it goes on then depends on how a file is written; what is there is never harmed."""
    folder = begun(command, place, wanted, "read-only-files", 0.6)
    for path in files_of(folder).values():
        path.chmod(0o444)
    found = command.run(place, folder, resume=True, prefix=BOUND)
    command.check(folder)
    if found.code:
        told(found)
        assert found.code in (1, 2)
    open_up(folder)
    goes_on(command, place, folder, wanted)


@commands
def test_a_disk_that_became_read_only(
    command: Command, wanted: Unbroken, place: Place, mounted: Path
) -> None:
    folder = mounted / "work"
    shutil.copytree(begun(command, place, wanted, "mounted", 0.6), folder)
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    refused(command, place, folder, prefix=())
    subprocess.run(["mount", "-o", "remount,rw", str(mounted)], check=True)
    goes_on(command, place, folder, wanted)
