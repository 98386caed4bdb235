"""Killed at random moments, every command goes on, and ends with the bytes of an unbroken run."""

from __future__ import annotations

import pytest
from fault_commands import COMMANDS, QUICK
from fault_kit import Command, Place
from harness import kill_and_resume

KILLS = 50


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_fifty_kills(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    tally = kill_and_resume(COMMANDS[name](place), place, KILLS, seed=0)
    with capsys.disabled():
        print(f"\n{tally.details()}")
    assert not tally.wrong
    assert tally.kills.total() == KILLS
    assert tally.equal == tally.runs > 0


@pytest.mark.parametrize("command", QUICK, indirect=True)
def test_two_kills(command: Command, place: Place) -> None:
    tally = kill_and_resume(command, place, 2, seed=1)
    assert not tally.wrong
    assert tally.kills.total() == 2
    assert tally.equal == tally.runs > 0
