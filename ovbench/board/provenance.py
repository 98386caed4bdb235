"""What made a run, as far as its folder and this machine can tell, fit to be published."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

from ovbench.io.hashes import files_sha256
from ovbench.runs.records import RunRecord
from ovbench.systems.saved_files import ADAPTER, SPEECH_MODEL
from ovbench.testbed.bundled import adapter_folder
from ovbench.training.report import REPORT_FILE, TrainingReport
from ovbench.training.speech_report import SpeechTrainingReport, read_any_report

AnyReport = TrainingReport | SpeechTrainingReport


def public_command(command: str) -> str | None:
    """A command line without the folders of the machine that it was given on.

    Of an absolute path the last name is left; None where the line cannot be taken apart.

    >>> public_command("/home/me/bin/ovbench eval -m a --output-path=/scratch/me/runs")
    'ovbench eval -m a --output-path=runs'
    """
    try:
        parts = shlex.split(command)
    except ValueError:
        return None
    return shlex.join(
        "".join(last_name(piece) for piece in re.split(r"([=,])", part)) for part in parts
    )


def last_name(text: str) -> str:
    """What stands last in an absolute path; any other text as it is."""
    if text.startswith(("/", "~")):
        return PurePosixPath(text).name or "/"
    if re.match(r"[A-Za-z]:[\\/]|\\\\", text):
        return PureWindowsPath(text).name or "/"
    return text


def training_of(home: Path, run: RunRecord) -> tuple[AnyReport, str | None] | None:
    """The report of the training that made a run's adapter, and the base's name, where at hand.

    It is looked for where a run finds its adapter; only the adapter with the run's hash counts.
    """
    about = run.settings.system
    if about.adapter is None:
        return None
    trained = sorted(home.parent.glob("train*"))
    for folder in (*trained, *(path / "adapter" for path in trained), adapter_folder(about.name)):
        if _adapter_digest(folder) != about.adapter:
            continue
        for report in (folder / REPORT_FILE, folder.parent / REPORT_FILE):
            if report.is_file():
                return read_any_report(report), _base_name(folder)
    return None


def _adapter_digest(folder: Path) -> str | None:
    """As it is opened (:mod:`ovbench.systems.saved`, :mod:`ovbench.systems.hearing.saved`).

    None where there is no adapter.
    """
    for names in (ADAPTER, SPEECH_MODEL):
        with suppress(OSError):
            return files_sha256(folder / name for name in names)
    return None


def _base_name(folder: Path) -> str | None:
    """The backbone's name, without the folder that it lies in."""
    try:
        name = str(json.loads((folder / "base.json").read_text("utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return last_name(name)
