"""Where ovbench's own files are, and what a tilde means."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.io.cache import cache_home
from ovbench.io.home import config_home, data_home, expanded

NOBODY = "~no such user/kept"


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/a") == tmp_path / "a"
    monkeypatch.setenv("OVBENCH_HOME", "~/kept")
    assert data_home() == config_home() == tmp_path / "kept"


def test_of_no_user_it_is_a_letter_as_in_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, found in (("OVBENCH_HOME", data_home), ("OVBENCH_CACHE", cache_home)):
        monkeypatch.setenv(variable, NOBODY)
        assert found() == Path(NOBODY)
