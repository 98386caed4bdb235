"""Files are whole or not there."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from ovbench.errors import InputError, OvbenchError
from ovbench.io.atomic import write_bytes, write_text


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_text(path, "é\r\n")
    assert path.read_bytes() == "é\r\n".encode()
    assert path.stat().st_mode & 0o600 == 0o600
    path.chmod(0o640)
    write_bytes(str(path), b"\x00")
    assert path.read_bytes() == b"\x00"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    write_text(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OvbenchError, match=r"r\.json: .*No space left.*nothing was changed"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write here"):
        write_text(tmp_path / "absent" / "r.json", "x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write here"):
        write_text(tmp_path / "file" / "r.json", "x")
    with pytest.raises(InputError, match="this is a folder"):
        write_text(tmp_path, "x")
    for name in ("r" * 300, "r\x00"):
        with pytest.raises(InputError, match=r"cannot write here \((File name too long|.*null)"):
            write_text(tmp_path / name, "x")
    with pytest.raises(InputError, match="the file name is empty"):
        write_text("", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_pipe_and_a_device_are_written_to_and_stay(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_text(pipe, "x")
    reader.join(10)
    assert got == [b"x"]
    assert pipe.is_fifo()
    write_text(os.devnull, "x")
    assert Path(os.devnull).is_char_device()
    if Path("/dev/full").is_char_device():
        with pytest.raises(OvbenchError, match="No space left"):
            write_text("/dev/full", "x")
        assert Path("/dev/full").is_char_device()
