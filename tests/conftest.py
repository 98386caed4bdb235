"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# One thread per process: the tests run in two processes, and bits depend on the number of threads.
os.environ["OMP_NUM_THREADS"] = "1"

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real files under research licences, kept outside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real files are not here: ../shared/data (research licences, not distributed)")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep every test out of the user's cache; clips and descriptions are made once per session."""
    os.environ["OVBENCH_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test out of the user's own data folder."""
    monkeypatch.setenv("OVBENCH_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("OVBENCH_TABLES", raising=False)
    monkeypatch.delenv("OVBENCH_DATA", raising=False)
