"""SIGTERM reaches work in a process of its own, which would otherwise go on without anybody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apart_kit
import pytest

from ovbench.errors import OvbenchError
from ovbench.runs.apart import run_apart


def test_sigterm_ends_both_processes(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, apart_kit.__file__, str(told)], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not told.exists() or not told.read_text():
        assert parent.poll() is None, parent.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    parent.send_signal(signal.SIGTERM)
    _, said = parent.communicate(timeout=30)
    assert parent.returncode == 143
    assert said.startswith("error: Stopped while sleeping")
    assert not _alive(int(told.read_text()))


def test_memory_that_runs_out_is_one_sentence() -> None:
    with pytest.raises(OvbenchError, match=r"^There is not enough memory for this\.$") as caught:
        run_apart(apart_kit.ask_for_too_much, 2**62, "asking", "nowhere")
    assert caught.value.exit_code == 1


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
