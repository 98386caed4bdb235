"""Files within bounds: the length of a cell, of a number, of a TOML file, of what is unpacked."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from ovbench.errors import InputError
from ovbench.io import records, safe_pickle, text, toml, unpickler
from ovbench.io.read import read_records
from ovbench.io.toml import toml_fields, toml_text


def test_the_longest_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_CHARACTERS", 10)
    monkeypatch.setattr(records, "MAX_ITEMS", 3)
    for cell in ("x" * 10, b"x" * 10, ["x" * 10] * 3, {"labels": ["a", "b", "c"]}):
        assert read_records({"a": cell}).ids == ["a"]
    for cell, words in (
        ("x" * 11, "11 characters in one cell.*at most 10"),
        (b"x" * 11, "11 characters"),
        (["x" * 11], "11 characters"),
        (["x"] * 4, "4 entries in one cell.*at most 3"),
        ({"labels": ("a", "b", "c", "d")}, "4 entries"),
        (np.array(["x"] * 4), "4 entries"),
    ):
        with pytest.raises(InputError, match=words):
            read_records({"a": cell})


def test_numbers_of_any_length_in_a_pickle() -> None:
    most = 2**unpickler.MAX_BITS - 1
    assert unpickler.loads(pickle.dumps([most, -most]), "x") == [most, -most]
    assert unpickler.loads(pickle.dumps({most: 1}), "x") == {most: 1}
    for value in (most + 1, [-most - 1], {"a": most + 1}):
        with pytest.raises(InputError, match="a number of 10001 bits"):
            unpickler.loads(pickle.dumps(value), "x")
    with pytest.raises(InputError, match="a dict key of 10001 bits"):
        unpickler.loads(pickle.dumps({most + 1: "x"}), "x")


def test_what_unpacks_out_of_proportion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.dumps({"id": i, "pred": "happy"}) for i in range(3000)]
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    np.savez_compressed(tmp_path / "x.npz", name=np.arange(3000), openset=["happy"] * 3000)
    sources = (path, tmp_path / "x.npz")
    assert [len(read_records(source).ids) for source in sources] == [3000, 3000]
    # Little is taken as it comes; more has to be in proportion to the file.
    for module in (text, safe_pickle):
        monkeypatch.setattr(module, "MAX_RATIO", 3)
    assert [len(read_records(source).ids) for source in sources] == [3000, 3000]
    for module in (text, safe_pickle):
        monkeypatch.setattr(module, "FREE_BYTES", 10_000)
    for source in sources:
        with pytest.raises(InputError, match="unpacks to more than 3 times its length"):
            read_records(source)
    for module in (text, safe_pickle):
        monkeypatch.setattr(module, "MAX_RATIO", 200)
    assert len(read_records(path).ids) == 3000


# -- TOML


def test_toml_is_what_the_standard_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(b'a = 1\r\n[b.c."d e"]\r\nf = ["x"]\r\n')
    assert toml_fields(toml_text(path), "r") == {"a": 1, "b": {"c": {"d e": {"f": ["x"]}}}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a = ", "Invalid value"),
        ("a = 1\na = 2\n", ".*overwrite a value .at line 2"),
        ("a = " + "[" * 50_000, "nested too deep"),
        ("a = 1" + "0" * 5000, ".*digits"),
        (".".join("a" * 101) + " = 1", "a key of more than a hundred parts"),
        ("a" + ' . "x"' * 100 + " = 1", "a key of more than a hundred parts"),
        ("a = 0x" + "f" * 5000, "a number of more than 64 bits"),
        (f"[a]\nb = [1, {{c = {2**63}}}]", "a number of more than 64 bits"),
        (f"a = {-(2**63) - 1}", "a number of more than 64 bits"),
    ],
    ids=["cut", "twice", "deep", "number", "key", "quoted key", "hex", "large", "small"],
)
def test_toml_that_is_refused(content: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"^r\.toml: not a TOML file: {words}"):
        toml_fields(content, "r.toml")


def test_a_key_of_a_hundred_parts_is_read() -> None:
    fields = toml_fields(".".join("a" * 100) + " = 1", "r")
    for _ in range(99):
        fields = fields["a"]
    assert fields == {"a": 1}


def test_numbers_of_64_bits_are_read() -> None:
    text = f"a = {2**63 - 1}\nb = [{-(2**63)}, true]"
    assert toml_fields(text, "r") == {"a": 2**63 - 1, "b": [-(2**63), True]}


def test_toml_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.toml"
    for name, words in ((path, "No such file"), (tmp_path, "Is a directory"), (Path("\0"), "read")):
        with pytest.raises(InputError, match=words):
            toml_text(name)
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(InputError, match=r"r\.toml: not a text file.*TOML in UTF-8"):
        toml_text(path)
    monkeypatch.setattr(toml, "MAX_BYTES", 8)
    path.write_bytes(b"a = 1234")
    assert toml_text(path) == "a = 1234"
    path.write_bytes(b"a = 12345")
    with pytest.raises(InputError, match=r"r\.toml: larger than"):
        toml_text(path)
