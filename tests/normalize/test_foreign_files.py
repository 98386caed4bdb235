"""Workbooks and models from anybody: what is read, and what is refused before anything is run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from test_tables import write_xlsx

from ovbench.errors import InputError
from ovbench.normalize import workbooks
from ovbench.normalize.sentence_model import check_sentence_model
from ovbench.normalize.workbooks import first_sheet


def test_a_workbook_is_read(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "x.xlsx", [["a", "b"], ["", 2.5]])
    assert first_sheet(tmp_path / "x.xlsx") == [["a", "b"], ["", 2.5]]


def test_a_small_file_of_a_huge_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.xlsx"
    write_xlsx(path, [["a", "b"], ["c", "d"]])
    monkeypatch.setattr(workbooks, "MAX_CELLS", 4)
    assert len(first_sheet(path)) == 2
    monkeypatch.setattr(workbooks, "MAX_CELLS", 3)
    with pytest.raises(InputError, match=r"x\.xlsx: a sheet of 2 rows and 2 columns.*at most 3"):
        first_sheet(path)


def changed(path: Path, old: bytes, new: bytes, encoding: str = "utf-8") -> None:
    """The workbook with its sheet changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            text = data.replace(old, new) if "sheet" in name else data
            archive.writestr(name, text.decode().encode(encoding) if "sheet" in name else text)


@pytest.mark.parametrize("place", [b'r="A9999999"', b"r = 'XFD1048576'", b'r="ZZZZ1"'])
def test_cells_at_the_far_end(tmp_path: Path, place: bytes) -> None:
    path = tmp_path / "x.xlsx"
    write_xlsx(path, [["a", "b"], ["c", "d"]] * 40)
    changed(path, b'r="B80"', place)
    with pytest.raises(InputError, match=r"x\.xlsx: a sheet of .* rows and .* columns"):
        first_sheet(path)


def test_workbooks_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.xlsx"
    for data in (b"", b"PK junk", b"a,b\n"):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"x\.xlsx: .*a readable xlsx workbook"):
            first_sheet(path)
    with pytest.raises(InputError, match="No such file"):
        first_sheet(tmp_path / "absent.xlsx")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no workbook")
    with pytest.raises(InputError, match=r"x\.xlsx: .*a readable xlsx workbook"):
        first_sheet(path)
    write_xlsx(path, [["a"]])
    changed(path, b"", b"", "utf-16")
    with pytest.raises(InputError, match="its XML is not UTF-8"):
        first_sheet(path)
    write_xlsx(path, [["a" * 1000]] * 10)
    monkeypatch.setattr(workbooks, "MAX_BYTES", 5000)
    with pytest.raises(InputError, match="unpacks to more than"):
        first_sheet(path)


def model(folder: Path, modules: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "modules.json").write_text(
        modules if isinstance(modules, str) else json.dumps(modules), encoding="utf-8"
    )
    return folder


OWN = {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}


def test_models_of_the_library_s_own_parts(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", [OWN, {"type": "sentence_transformers.models.Pooling"}])
    check_sentence_model(folder)
    inner = folder / "0_Transformer"
    inner.mkdir()
    (inner / "pytorch_model.bin").write_bytes(b"")
    (inner / "model.safetensors").write_bytes(b"")
    check_sentence_model(folder)  # the library prefers the safe ones
    (inner / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"pytorch_model\.bin: the weights are pickled"):
        check_sentence_model(folder)


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ([OWN, {"type": "custom_model.Code"}], "code of its own .'custom_model.Code'"),
        ([{"type": "sentence_transformersX.Y"}], "code of its own"),
        ([{"type": None}], "code of its own"),
        ([{}], "code of its own"),
        (["x"], "lists no modules"),
        ({"type": OWN["type"]}, "lists no modules"),
        ("{", "lists no modules"),
        ("[" * 100_000, "lists no modules"),
    ],
    ids=["custom", "alike", "null", "none", "text", "object", "cut", "deep"],
)
def test_models_that_would_run_code(tmp_path: Path, modules: object, words: str) -> None:
    with pytest.raises(InputError, match=rf"modules\.json: .*{words}"):
        check_sentence_model(model(tmp_path / "m", modules))


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"modules\.json: cannot be read \(No such file"):
        check_sentence_model(tmp_path)
