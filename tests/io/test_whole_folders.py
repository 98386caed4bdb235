"""Folders that are whole or not there, the lock on them, and the cache's folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ovbench.errors import InputError, OvbenchError
from ovbench.io import lock
from ovbench.io.cache import cache_folder
from ovbench.io.folders import make_folder, settle, whole_folder
from ovbench.io.lock import locked


def fill(folder: Path, text: str) -> None:
    with whole_folder(folder) as fresh:
        (fresh / "inner").mkdir()
        (fresh / "inner" / "a").write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_folder_takes_the_place_of_the_former(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "adapter"
    fill(folder, "1")
    (folder / "left over").write_text("x")
    fill(folder, "2")
    assert contents(tmp_path) == {"run/adapter/inner/a": "2"}


def test_nothing_bears_the_name_before_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    with whole_folder(folder, durable=False) as fresh:
        (fresh / "a").write_text("1")
        assert not folder.exists()
    assert contents(folder) == {"a": "1"}


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    fill(folder, "1")

    class PartError(Exception):
        """What a writer of its own raises where the disk is full."""

    def broken(error: Exception) -> None:
        with whole_folder(folder, (PartError,)) as fresh:
            (fresh / "a").write_text("2")
            raise error

    for error in (OSError(28, "No space left on device"), PartError("No space left on device")):
        with pytest.raises(OvbenchError, match=r"adapter: writing failed \(No space left"):
            broken(error)
    with pytest.raises(ZeroDivisionError):
        broken(ZeroDivisionError())
    assert contents(tmp_path) == {"adapter/inner/a": "1"}


def test_files_that_nobody_else_may_read_get_the_folder_s_rights(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "adapter") as fresh:
        fresh.chmod(0o755)
        (fresh / "a").write_text("1")
        (fresh / "a").chmod(0o600)
    assert (tmp_path / "adapter" / "a").stat().st_mode & 0o777 == 0o644


def test_what_a_dead_process_left_is_settled(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    fill(folder, "1")
    # It died between the two renames: the former folder gets its name back.
    folder.rename(tmp_path / ".adapter.former")
    (tmp_path / ".adapter.new").mkdir()
    settle(folder)
    assert contents(tmp_path) == {"adapter/inner/a": "1"}
    # It died after them: the former folder goes.
    (tmp_path / ".adapter.former").mkdir()
    (tmp_path / ".adapter.former" / "old").write_text("0")
    settle(folder)
    assert contents(tmp_path) == {"adapter/inner/a": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_folders_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file/b: this folder cannot be made \(Not a directory"):
        make_folder(tmp_path / "file" / "b")
    with pytest.raises(InputError, match=r"file: this folder cannot be made \(File exists"):
        make_folder(tmp_path / "file")
    monkeypatch.setenv("OVBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"the cache folder cannot be made.*OVBENCH_CACHE"):
        cache_folder("x")
    assert (tmp_path / "file").read_text() == "x"


def test_the_cache_is_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVBENCH_CACHE", str(tmp_path / "c"))
    assert cache_folder("clips", "v1") == tmp_path / "c" / "clips" / "v1"
    assert (tmp_path / "c" / "clips" / "v1").is_dir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OVBENCH_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("OVBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("x").parts[-2:] == ("ovbench", "x")


# -- the lock


def test_a_held_folder_names_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path):
        with (
            pytest.raises(InputError, match=rf"being written by process {os.getpid()} on"),
            locked(tmp_path),
        ):
            pass
        assert (tmp_path / lock.NAME).exists(), "the refused one leaves the holder's lock"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"pid": "x"}', '{"pid": null, "host": "h"}'])
def test_a_lock_without_a_readable_name_is_still_held(tmp_path: Path, text: str) -> None:
    with locked(tmp_path):
        (tmp_path / lock.NAME).write_text(text)
        with pytest.raises(InputError, match="by another process"), locked(tmp_path):
            pass


def test_a_file_that_a_dead_process_left_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / lock.NAME).write_text('{"pid": 1, "host": "elsewhere, and a longer name"}')
    with locked(tmp_path):
        assert f'"pid": {os.getpid()}' in (tmp_path / lock.NAME).read_text()
    assert not (tmp_path / lock.NAME).exists()


def test_a_lock_removed_between_opening_and_locking_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The former holder lets go just then: what was opened is no longer what bears the name.
    real, tries = lock._try_lock, list[int]()

    def after_removal(file: object) -> bool:
        tries.append(1)
        if len(tries) == 1:
            (tmp_path / lock.NAME).unlink()
        if len(tries) == 2:
            (tmp_path / lock.NAME).unlink()
            (tmp_path / lock.NAME).write_text("another's")
        return real(file)  # type: ignore[arg-type]

    monkeypatch.setattr(lock, "_try_lock", after_removal)
    with locked(tmp_path):
        assert len(tries) == 3
        assert str(os.getpid()) in (tmp_path / lock.NAME).read_text()
    assert not list(tmp_path.iterdir())


def test_where_no_lock_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot write here"), locked(tmp_path / "absent"):
        pass

    def none_here(file: object, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none_here)
    with (
        (tmp_path / lock.NAME).open("wb") as file,
        pytest.raises(InputError, match=r"knows no locks \(Operation not supported\).*local disk"),
    ):
        lock._try_lock(file)


def test_a_full_disk_does_not_keep_a_folder_from_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with locked(tmp_path):
        monkeypatch.undo()
        with pytest.raises(InputError, match="by another process"), locked(tmp_path):
            pass
