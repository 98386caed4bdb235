"""A quick end: a process leaves without taking apart what its start has made."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn


def end(code: int) -> NoReturn:
    """End the process with an exit code, as ``sys.exit`` would.

    Freeing every object and module one by one takes a twentieth of the time of scoring 332 items,
    and the system frees them all at once. Whoever asked to be told of the end is told, and where
    somebody is still at work, a thread or a profiler, Python ends in its own way.
    """
    watched = sys.getprofile() is not None or sys.gettrace() is not None
    if not watched and threading.active_count() == 1:
        atexit._run_exitfuncs()
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except (OSError, ValueError):  # a full disk or a closed stream: Python's end tells it
            pass
        else:
            os._exit(code)
    sys.exit(code)
