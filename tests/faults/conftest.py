"""Where commands work while faults are put to them, and what an unbroken run leaves."""

from __future__ import annotations

import pytest
from fault_kit import COMMANDS, Command, Place, Unbroken, unbroken

_commands: dict[str, Command] = {}
_unbroken: dict[str, Unbroken] = {}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("faults"))


@pytest.fixture
def command(request: pytest.FixtureRequest, place: Place) -> Command:
    name: str = request.param
    if name not in _commands:
        _commands[name] = COMMANDS[name](place)
    return _commands[name]


@pytest.fixture
def wanted(request: pytest.FixtureRequest, command: Command, place: Place) -> Unbroken:
    """What the command leaves where nothing happens; once per session."""
    name = request.node.callspec.params["command"]
    if name not in _unbroken:
        _unbroken[name] = unbroken(command, place)
    return _unbroken[name]
