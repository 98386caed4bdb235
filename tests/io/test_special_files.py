"""Pipes and devices are refused where a file is read by name, and so are links that lead out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ovbench.errors import InputError
from ovbench.io.files import parquet_files, refuse_leading_out
from ovbench.io.read import read_records
from ovbench.io.toml import toml_text
from ovbench.normalize.synonym_groups import load_groups
from ovbench.systems.backbones import check_folder, read_json
from ovbench.systems.saved import adapter_sha256, checked_config

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")

DOORS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "TOML": ("f.toml", lambda folder: toml_text(folder / "f.toml")),
    "JSON": ("f.json", lambda folder: read_json(folder / "f.json")),
    "groups": ("groups.zip", lambda folder: load_groups(folder / "groups.zip")),
    "one group": ("a.npy", load_groups),
    "records of parts": ("b.parquet", read_records),
    "records of arrays": ("b.npy", read_records),
    "parts": ("b.parquet", parquet_files),
    "adapter's weights": ("adapter_model.safetensors", adapter_sha256),
    "adapter": ("adapter_config.json", lambda f: checked_config(None, f, "tinyov", "0")),
    "adapter's base": ("base.json", lambda f: checked_config(None, f, "tinyov", "0")),
    "base's weights": ("model.safetensors", check_folder),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("special", ["a pipe", "a device"])
def test_special_files(door: str, special: str, tmp_path: Path) -> None:
    name, read = DOORS[door]
    (tmp_path / "config.json").write_text("{}")
    if special == "a pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="no regular file") as caught:
        read(tmp_path)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapters_links(name: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("{}")
    folder = tmp_path / "adapter"
    folder.mkdir()
    for each in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / each).write_text("{}")
    before = adapter_sha256(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("../elsewhere")
    for read in (adapter_sha256, lambda folder: checked_config(None, folder, "tinyov", "0")):
        with pytest.raises(InputError, match="leads out of its folder"):
            read(folder)
    (folder / name).unlink()
    (folder / "kept").write_text("{}")
    (folder / name).symlink_to("kept")  # within the folder
    (tmp_path / "alias").symlink_to(folder)  # the folder itself may be a link
    assert adapter_sha256(tmp_path / "alias") == before


def test_links_of_the_hubs_cache(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a" / "blobs", tmp_path / "models--a/snapshots/0"
    for folder in (blobs, snapshot / "sub", tmp_path / "models--b" / "blobs"):
        folder.mkdir(parents=True)
    (blobs / "1").write_text("")
    (tmp_path / "models--b" / "blobs" / "1").write_text("")
    for depth, link in (("../..", snapshot / "x"), ("../../..", snapshot / "sub" / "x")):
        link.symlink_to(f"{depth}/blobs/1")
        assert refuse_leading_out(link) == link
    (snapshot / "y").symlink_to("../../../models--b/blobs/1")
    with pytest.raises(InputError, match="leads out"):
        refuse_leading_out(snapshot / "y")
