"""Two processes on one folder: the second says who has it, and nothing is damaged."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from fault_commands import commands
from fault_kit import Command, Place, Unbroken, ended, fresh, goes_on, same, told


@commands
def test_the_second_says_so(command: Command, wanted: Unbroken, place: Place) -> None:
    folder = fresh(command, place, "two")
    first = command.start(place, folder)
    _wait_for_lock(folder, first)
    first.send_signal(signal.SIGSTOP)
    try:
        second = command.run(place, folder)
    finally:
        first.send_signal(signal.SIGCONT)
        done = ended(first)
    told(second, f"is being written by process {first.pid}", "ait until")
    assert second.code == 2
    assert done.code == 0, done.said
    assert same(command.content(folder), wanted.content) == []


@commands
def test_a_dead_process_holds_nothing(command: Command, wanted: Unbroken, place: Place) -> None:
    folder = fresh(command, place, "dead")
    first = command.start(place, folder)
    _wait_for_lock(folder, first)
    first.kill()
    first.communicate()
    goes_on(command, place, folder, wanted)


def _wait_for_lock(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until the process has a lock and has written its name into it."""
    while not any(path.stat().st_size for path in folder.rglob("*.lock")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
