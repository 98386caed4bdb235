"""SIGTERM reaches work in a process of its own, which would otherwise go on without anybody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apart_kit


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


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
