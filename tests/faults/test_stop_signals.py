"""Ctrl-C and SIGTERM at any moment: it can go on and says how, and exits as shells expect."""

from __future__ import annotations

import signal

import pytest
from fault_commands import QUICK, SLOW
from fault_kit import Command, Place, Unbroken, fresh, goes_on, told

SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}
HOW = ("ame command", "--resume")


def heard() -> None:
    """A shell's background work ignores Ctrl-C; a terminal's does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stopped(
    command: Command, wanted: Unbroken, place: Place, which: str, moments: list[dict[str, str]]
) -> None:
    """Stop a command at one moment after the other, then let it end."""
    number = SIGNALS[which]
    folder = fresh(command, place, which)
    for resume, moment in enumerate(moments):
        strike = {"FAULTS_UNDER": str(folder.resolve()), "FAULTS_SIGNAL": str(int(number))}
        found = command.run(place, folder, resume=resume > 0, before=heard, **strike, **moment)
        told(found)
        assert found.code == 128 + number, found.said
        assert any(word in found.errors[0] for word in HOW), found.said
        command.check(folder)
    goes_on(command, place, folder, wanted)


def at(wanted: Unbroken, share: float) -> dict[str, str]:
    return {"FAULTS_AT": str(max(1, round(share * wanted.operations)))}


@pytest.mark.parametrize("which", SIGNALS)
@pytest.mark.parametrize("command", QUICK, indirect=True)
def test_a_quick_command(command: Command, wanted: Unbroken, place: Place, which: str) -> None:
    moments = [{"FAULTS_IMPORT": "ovbench.cli.app"}, at(wanted, 0.6)]
    stopped(command, wanted, place, which, moments)


@pytest.mark.slow
@pytest.mark.parametrize("which", SIGNALS)
@pytest.mark.parametrize("command", SLOW, indirect=True)
def test_a_slow_command(command: Command, wanted: Unbroken, place: Place, which: str) -> None:
    moments = [{"FAULTS_IMPORT": "ovbench.cli.console"}, at(wanted, 0.2), at(wanted, 0.25)]
    if command.name.startswith("train"):
        moments.insert(0, {"FAULTS_IMPORT": "transformers"})
    stopped(command, wanted, place, which, moments)
