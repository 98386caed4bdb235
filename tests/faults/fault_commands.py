"""Which commands the tests put faults to."""

from __future__ import annotations

import pytest
from fault_kit import COMMANDS

QUICK = ("describe",)
SLOW = tuple(name for name in COMMANDS if name not in QUICK)

commands = pytest.mark.parametrize(
    "command",
    [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
    indirect=True,
)
"""Every command; those that take more than a few seconds are slow tests."""
