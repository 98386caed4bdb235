"""A training's folder: whether it is free, and how a training takes it over and leaves it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ovbench.errors import InputError
from ovbench.io.atomic import remove_unfinished, write_text
from ovbench.training.report import ADAPTER, LAST, REPORT_FILE, ReportFile
from ovbench.training.states import check_identity

T = TypeVar("T")


def finished_report(folder: Path, resume: bool, read: Callable[[Path], T]) -> T | None:
    """The report of the finished run in ``folder``, if there is one and it is asked for.

    Raises
    ------
    InputError
        If there is a run, finished or not, and it was not asked to go on.
    """
    report = folder / REPORT_FILE
    if resume:
        return read(report) if report.exists() else None
    for name in (REPORT_FILE, LAST, ADAPTER):
        if (folder / name).exists():
            state = "a finished training" if report.exists() else "a training that was begun"
            raise InputError(
                f"the folder holds {state}",
                where=str(folder),
                mend="go on with --resume, or train into another folder",
            )
    return None


def take_over(folder: Path, resume: bool) -> None:
    """Look once more, now that ``folder`` is locked, and remove a dead process's unfinished report.

    Raises
    ------
    InputError
        If another process has begun or ended a training here since :func:`finished_report`.
    """
    if finished_report(folder, resume, Path) is not None:
        raise InputError(
            "another process has ended this training just now",
            where=str(folder),
            mend="see its report with the same command",
        )
    remove_unfinished(folder, REPORT_FILE)


def check_finished(found: Mapping[str, object], wanted: Mapping[str, object], folder: Path) -> None:
    """Refuse the finished training in ``folder`` where it is not the one asked for.

    States of a process that died right after its report are removed.

    Raises
    ------
    InputError
        Naming what differs.
    """
    check_identity(found, wanted, folder, "the finished training here")
    _drop_states(folder)


def write_report(folder: Path, report: ReportFile) -> None:
    """End a training: write what it was, and remove its states."""
    write_text(folder / REPORT_FILE, report.to_json())
    _drop_states(folder)


def _drop_states(folder: Path) -> None:
    """Remove the states of a training whose report is written: there is nothing to resume."""
    shutil.rmtree(folder / LAST, ignore_errors=True)
