from __future__ import annotations

import os
from pathlib import Path

import pytest

from ovbench.errors import InputError
from ovbench.tasks.card import cards
from ovbench.tasks.errors import MissingDataError
from ovbench.tasks.places import VARIABLE, config_file, data_folder, data_root

MELD = cards()["meld"]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Four folders, and an environment that names none of them."""
    monkeypatch.delenv(VARIABLE, raising=False)
    found = {name: tmp_path / name for name in ("given", "variable", "config", "own")}
    for folder in found.values():
        folder.mkdir()
    return found


def configure(text: str) -> None:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(text, "utf-8")


def test_what_the_caller_names_comes_first_then_the_variable_then_the_configuration(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_root() is None
    configure(f'data = "{folders["config"].as_posix()}"')
    assert data_root() == folders["config"]
    monkeypatch.setenv(VARIABLE, str(folders["variable"]))
    assert data_root() == folders["variable"]
    assert data_root(folders["given"]) == folders["given"]


def test_a_data_set_has_its_own_folder_first(folders: dict[str, Path]) -> None:
    configure(f'[folders]\nmeld = "{folders["own"].as_posix()}"')
    (folders["given"] / "MELD").mkdir()
    found = data_folder(MELD, folders["given"])
    assert found.folders == (folders["own"], folders["given"] / "MELD", folders["given"])
    assert data_folder(cards()["cmu-mosi"], folders["given"]).folders == (folders["given"],)


def test_a_data_set_is_found_one_folder_down_but_no_deeper(folders: dict[str, Path]) -> None:
    near = folders["given"] / "merbench" / "meld-process"
    far = folders["given"] / "a" / "b" / "meld-process"
    near.mkdir(parents=True)
    far.mkdir(parents=True)
    assert near in data_folder(MELD, folders["given"]).folders
    assert far not in data_folder(MELD, folders["given"]).folders


def test_patterns_are_looked_for_in_their_order(folders: dict[str, Path]) -> None:
    root = folders["given"]
    for name in ("b1.csv", "b2.csv", "a.csv"):
        (root / name).write_text("x", "utf-8")
    found = data_folder(MELD, root)
    assert found.find("b*.csv", "a.csv") == root / "b1.csv"
    assert found.find("none.csv", "a.csv") == root / "a.csv"
    assert found.find("none.csv") is None
    with pytest.raises(MissingDataError, match=r"none.csv or no.npz is not there.*declare-lab"):
        found.need("none.csv", "no.npz")


def test_no_folder_is_named_in_the_message(folders: dict[str, Path]) -> None:
    assert folders
    with pytest.raises(MissingDataError, match=r"no data folder is named.*--data DIR or OVBENCH"):
        data_folder(MELD).need("test_sent_emo.csv")


@pytest.mark.parametrize("who", ["caller", "variable", "config"])
def test_a_data_folder_that_is_none_is_an_error_that_says_who_named_it(
    who: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = folders["given"] / "nothing"
    if who == "variable":
        monkeypatch.setenv(VARIABLE, str(wrong))
    elif who == "config":
        configure(f'data = "{wrong.as_posix()}"')
    where = {"caller": "--data", "variable": VARIABLE, "config": "config.toml"}[who]
    with pytest.raises(InputError, match=rf"{where}: .*nothing' is no folder"):
        data_root(wrong if who == "caller" else None)


@pytest.mark.parametrize("content", [b"data = ", b"data = [", b"\xff\xfe\x00"])
def test_a_damaged_configuration_is_an_error(content: bytes, folders: dict[str, Path]) -> None:
    assert folders
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_bytes(content)
    with pytest.raises(InputError, match=r"config.toml: not a (TOML|text) file"):
        data_root()


def test_a_home_is_spelled_out(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folders["given"].parent))
    if os.name == "posix":
        assert data_root("~/given") == folders["given"]
