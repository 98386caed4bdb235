"""Work that ends badly, for a process of its own; it imports next to nothing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ovbench.cli.stopping import stoppable
from ovbench.errors import InputError
from ovbench.runs.apart import run_apart


def who(told: str) -> tuple[str, int]:
    return told, os.getpid()


def nothing(_: object) -> None:
    pass


def fail(what: str) -> None:
    raise InputError(what)


def die(code: int) -> None:
    os._exit(code)


def ask_for_too_much(numbers: int) -> None:
    import torch

    torch.empty(numbers // 8)


def sleep(told: str) -> None:
    """Say who this is, and do nothing for long."""
    Path(told).write_text(str(os.getpid()))
    time.sleep(60)


if __name__ == "__main__":  # apart_kit.py FILE: a command whose work goes on in another process
    with stoppable():
        run_apart(sleep, sys.argv[1], "sleeping", "no folder")
