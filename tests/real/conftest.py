"""The official tables, stored once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.normalize.tables import add_tables


@pytest.fixture(scope="session")
def home_with_tables(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("official")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVBENCH_HOME", str(home))
        for name in ("affectgpt-2025", "mer2026"):
            assert add_tables(shared_data / "emotion_wheel" / name).name == name
    return home


@pytest.fixture
def official(shared_data: Path, home_with_tables: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real files, with both official tables at hand."""
    monkeypatch.setenv("OVBENCH_HOME", str(home_with_tables))
    return shared_data
