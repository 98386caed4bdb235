"""Work in a process of its own: its peak memory is its own, and nothing of it reaches the next."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar, cast

from ovbench.errors import InterruptedRunError, OvbenchError, Terminated

T = TypeVar("T")
R = TypeVar("R")


def run_apart(work: Callable[[T], R], task: T, what: str, kept: str) -> R:
    """What ``work(task)`` gives, called in a new process.

    Parameters
    ----------
    work, task:
        A function at the top level of a module, and what it takes; both are pickled, and so is
        what it gives.
    what:
        What is going on, for messages: ``training x with seed 0``.
    kept:
        Where what was done lies.

    Raises
    ------
    InterruptedRunError
        On Ctrl-C or SIGTERM, once the process has ended by itself: it is told too, and saves its
        state.
    OvbenchError
        If the work failed; with its message and its exit code.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, task, sender))
    process.start()
    sender.close()
    said: tuple[str, int, object] | None = None
    try:
        # What it says first: it cannot end before a long message has been taken.
        with suppress(EOFError):
            said = receiver.recv()
        process.join()
    except KeyboardInterrupt as stop:
        if isinstance(stop, Terminated):  # Ctrl-C reaches both processes, SIGTERM only this one
            process.terminate()
        process.join()
        raise InterruptedRunError(
            f"Stopped while {what}; what was done is kept in {kept}. The same command goes on from "
            "there."
        ) from None
    died = f"{what[:1].upper()}{what[1:]} died with exit code {process.exitcode}."
    message, code, found = said or (died, 1, None)
    if message:
        error = OvbenchError(message)
        error.exit_code = code
        raise error
    return cast(R, found)


def _work(work: Callable[[T], object], task: T, sender: Connection) -> None:
    """Of the child process: work, and send what went wrong, or what came of it."""
    try:
        found = work(task)
    except OvbenchError as error:
        sender.send((str(error), error.exit_code, None))
    except (MemoryError, RuntimeError) as error:
        from ovbench.systems.devices import is_out_of_memory

        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        sender.send(("There is not enough memory for this.", 1, None))
    else:
        sender.send(("", 0, found))
