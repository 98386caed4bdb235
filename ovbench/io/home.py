"""The folders of ovbench's own files: in ``OVBENCH_HOME``, or where the system keeps such files."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "OVBENCH_HOME"


def data_home() -> Path:
    """For what the user stores, such as official tables; it need not be there."""
    return _named() or Path(platformdirs.user_data_dir("ovbench"))


def config_home() -> Path:
    """For the user's settings; it need not be there."""
    return _named() or Path(platformdirs.user_config_dir("ovbench"))


def expanded(path: str | Path) -> Path:
    """With the home folder in place of ``~``; as it is, where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _named() -> Path | None:
    named = os.environ.get(VARIABLE)
    return expanded(named) if named else None
