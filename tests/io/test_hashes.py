"""SHA-256 of files, against the figures of FIPS 180-4 and the bytes themselves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ovbench.io.hashes import file_sha256, files_sha256

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = {"one": b"abc", "none": b"", "long": bytes(range(256)) * 4099}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return [tmp_path / name for name in contents]


def test_a_file_is_known_by_its_bytes(files: list[Path]) -> None:
    one, none, long = files
    assert file_sha256(one) == file_sha256(str(one)) == ABC
    assert file_sha256(none) == EMPTY
    assert file_sha256(long) == hashlib.sha256(long.read_bytes()).hexdigest()


def test_files_are_known_by_their_hashes_in_order(files: list[Path]) -> None:
    one, none, _ = files
    expected = hashlib.sha256(bytes.fromhex(ABC) + bytes.fromhex(EMPTY)).hexdigest()
    assert files_sha256([one, none]) == expected
    assert files_sha256([none, one]) != expected
    assert files_sha256([one]) != ABC


def test_what_is_not_there_is_an_os_error(files: list[Path]) -> None:
    absent = files[0].with_name("absent")
    with pytest.raises(FileNotFoundError) as failed:
        files_sha256([files[0], absent])
    assert failed.value.filename == str(absent)
