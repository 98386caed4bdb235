"""Why training ends early: a signal, or numbers that are no numbers any more."""

from __future__ import annotations

import math
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from ovbench.errors import InterruptedRunError, OvbenchError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Within the block, Ctrl-C asks for a stop after the running step instead of breaking it.

    SIGTERM does the same: batch systems send it, and so do launchers after a Ctrl-C that the
    processes have already heard. A second Ctrl-C breaks the step. Outside the main thread signals
    cannot be caught, and nothing is changed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._number: int = signal.SIGINT
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}
        if isinstance(error, InterruptedRunError):
            error.exit_code = 128 + self._number

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested, self._number = True, number
        if signal.SIGINT in self._former:
            signal.signal(signal.SIGINT, self._former.pop(signal.SIGINT))


def interrupted(step: int, steps: int, out: object) -> InterruptedRunError:
    """Training was stopped by a signal after ``step`` of ``steps``; its state is saved."""
    return InterruptedRunError(
        f"training was stopped after step {step} of {steps}; its state is in {out}. "
        "Continue with the same command and --resume."
    )


class NonFiniteError(OvbenchError):
    """The loss or its gradient became infinite or not a number."""

    def __init__(self, what: str, value: float, step: int, rate: float, kept: str, dtype: str):
        shown = "not a number" if math.isnan(value) else "infinite"
        remedies = "a smaller learning rate (half), a longer warm-up, gradient clipping"
        if dtype != "float32":
            remedies += ", or --dtype float32"
        super().__init__(
            f"training stopped at step {step}: {what} is {shown} (learning rate {rate:.3g}). "
            f"{kept} Try {remedies}."
        )
        self.step, self.rate = step, rate
