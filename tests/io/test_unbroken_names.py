"""A folder that is replaced is never without its name; locks beside folders; unfinished files."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from ovbench.errors import InputError
from ovbench.io import folders
from ovbench.io.atomic import remove_unfinished, write_text
from ovbench.io.folders import whole_folder
from ovbench.io.lock import locked


def fill(folder: Path, text: str) -> None:
    with whole_folder(folder, durable=False) as fresh:
        (fresh / "a").write_text(text)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems rename twice")
def test_a_replaced_folder_always_stands(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    fill(folder, "0")
    absent, over = [], threading.Event()

    def watch() -> None:
        while not over.is_set():
            if not os.path.isdir(folder):  # noqa: PTH112 - quicker, to look more often
                absent.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(1, 200):
            fill(folder, str(number))
    finally:
        over.set()
        watcher.join()
    assert not absent
    assert (folder / "a").read_text() == "199"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("able", [True, False])
def test_the_former_content_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    if not able:
        monkeypatch.setattr(folders, "_exchanged", lambda one, other: False)
    fill(tmp_path / "site", "1")
    (tmp_path / "site" / "left over").touch()
    fill(tmp_path / "site", "2")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert found == {"site", "site/a"}
    assert (tmp_path / "site" / "a").read_text() == "2"


def test_a_lock_beside_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    with locked(folder, beside=True):
        fill(folder, "1")  # the folder itself comes and goes under the lock
        fill(folder, "2")
        assert (tmp_path / ".site.lock").exists()
        with (
            pytest.raises(InputError, match=r"site: this folder is being written by process"),
            locked(folder, beside=True),
        ):
            pass
        with locked(tmp_path / "other", beside=True):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_unfinished_files_alone_are_swept(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    write_text(path, "1")
    kept = {"training.json", ".training.json.swp", ".training.json", ".other.json.abcd1234"}
    for name in (*kept - {"training.json"}, ".training.json.a_c4e6g8", ".training.json.12345678"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path, "training.json")
    assert {entry.name for entry in tmp_path.iterdir()} == kept
    remove_unfinished(tmp_path / "absent", "file")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("training.json", "training.json"),
        ("samples_2026-11-21T19-55-00.473316Z.jsonl", "samples_*.jsonl"),
        ("a" * 59 + "b.json", "a" * 59 + "b.json"),
        ("[1].json", "[1].json"),
    ],
)
def test_what_a_killed_writer_leaves_is_what_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pattern: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda self: None)  # a killed process does not tidy up
        patch.setattr(Path, "replace", lambda self, target: None)
        write_text(tmp_path / name, "1")
    assert len(list(tmp_path.iterdir())) == 1
    remove_unfinished(tmp_path, "other.json", "other_*.json")
    assert len(list(tmp_path.iterdir())) == 1
    remove_unfinished(tmp_path, "other.json", pattern)
    assert not list(tmp_path.iterdir())
