"""A quick start: what a command leaves out until there is work to do."""

from __future__ import annotations

import gc
import os

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"
_MADE_BETWEEN = 10_000  # containers between two looks for garbage; Python's own 700 are too few


def begin_work() -> None:
    """Look for garbage again, from here on, among what start-up did not make."""
    if not gc.isenabled():  # as ovbench.__main__ leaves it
        gc.freeze()
        gc.set_threshold(_MADE_BETWEEN, *gc.get_threshold()[1:])
        gc.enable()


def load_numpy() -> None:
    """Load NumPy with a matrix library of one thread, for a command that only scores.

    OpenBLAS starts a thread per processor when it is loaded, and they wait in busy loops: a seventh
    of the time of scoring 332 items. Scoring has threads of its own, and multiplies matrices that
    are too small for the library's. Who sets the library's variable is listened to, and nothing
    that is started from here inherits it.
    """
    said = _BLAS_THREADS in os.environ
    os.environ.setdefault(_BLAS_THREADS, "1")
    try:
        import numpy  # noqa: F401 - loaded for its effect
    finally:
        if not said:
            del os.environ[_BLAS_THREADS]
