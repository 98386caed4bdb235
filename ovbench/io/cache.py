"""The folder for what can be made again: in ``OVBENCH_CACHE``, or where the system keeps caches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ovbench.errors import InputError
from ovbench.io.home import expanded

VARIABLE = "OVBENCH_CACHE"


def cache_home() -> Path:
    """The cache's folder, which need not be there."""
    return expanded(os.environ.get(VARIABLE) or platformdirs.user_cache_dir("ovbench"))


def cache_folder(*parts: str) -> Path:
    """A folder of the cache, made where it is absent.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    folder = cache_home().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the cache folder cannot be made ({error.strerror})",
            where=str(folder),
            mend=f"name another one in {VARIABLE}",
        ) from None
    return folder
