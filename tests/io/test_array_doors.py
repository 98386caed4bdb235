"""npz, npy, zips and folders of npy: the field's layouts, and damaged files."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ovbench.errors import InputError
from ovbench.io.read import read_records
from ovbench.io.records import Records
from ovbench.io.safe_pickle import load_npz


def cells(records: Records) -> list[object]:
    return [records.cells[code] for code in records.codes]


def npy(value: object) -> bytes:
    file = io.BytesIO()
    np.save(file, value, allow_pickle=True)  # type: ignore[arg-type]
    return file.getvalue()


def test_filenames_and_fileitems(tmp_path: Path) -> None:
    path = tmp_path / "x-openset.npz"
    np.savez_compressed(path, filenames=["a", "b"], fileitems=["[happy, sad]", "[happy]"])
    records = read_records(path)
    assert (records.ids, cells(records)) == (["a", "b"], ["[happy, sad]", "[happy]"])
    assert (records.id_column, records.label_column) == ("filenames", "fileitems")
    np.savez(path, filenames=np.array([7, 8]), fileitems=np.array([["x"], None], dtype=object))
    records = read_records(path)
    assert (records.ids, cells(records)) == (["7", "8"], [("x",), None])
    np.savez(path, filenames=["a", "b"], fileitems=["x"])
    with pytest.raises(InputError, match=r"different lengths.*'fileitems' 1"):
        read_records(path)
    np.savez(path, filenames=["a", "b"], speaker=["x", "y"], fileitems=["1", "2"])
    assert read_records(path, extra=("speaker",)).columns == {"speaker": ["x", "y"]}
    with pytest.raises(InputError, match=r"no column 'item'.*'filenames'"):
        read_records(path, label_column="item")


def test_name_to_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, name2reason={"a": "He sounds sad.", "b": ""})  # type: ignore[arg-type]
    assert cells(read_records(path)) == ["He sounds sad.", ""]
    np.save(tmp_path / "y.npy", {"a": "sad"})  # type: ignore[arg-type]
    assert read_records(tmp_path / "y.npy").ids == ["a"]


def test_fields_of_mappings(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    items = {"a": {"emo": "sad", "val": 0.5, "who": 1}, "b": {"emo": "joy", "val": 0, "who": 2}}
    np.save(path, items)  # type: ignore[arg-type]
    records = read_records(path, extra=("who",))
    assert (cells(records), records.columns) == (["sad", "joy"], {"who": ["1", "2"]})
    assert cells(read_records(path, label_column="who")) == [1, 2]
    with pytest.raises(InputError, match=r"id 'a': the item has no field 'dialogue'.*'emo'"):
        read_records(path, extra=("dialogue",))
    np.save(path, {"a": {"emo": 1}, "b": "sad"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"id 'b': the item has no field 'emo'.*no fields"):
        read_records(path)


def test_layouts_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array(["happy", "sad"]))
    with pytest.raises(InputError, match="a single array without ids"):
        read_records(path)
    np.save(path, {})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="there are no items"):
        read_records(path)
    np.savez(tmp_path / "x.npz", test_corpus=["a", "b"])
    with pytest.raises(InputError, match=r"member 'test_corpus': not a dict of items"):
        read_records(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", filenames=np.array("a"), fileitems=["happy"])
    with pytest.raises(InputError, match=r"member 'filenames' is a str, not an array"):
        read_records(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", name=["a"])
    with pytest.raises(InputError, match="usual name for labels"):
        read_records(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", filenames=["a"], fileitems=["happy"])
    with pytest.raises(InputError, match="the file has no splits, so none is called 'test'"):
        read_records(tmp_path / "x.npz", split="test")


def test_a_file_too_large_or_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a.npy").write_bytes(npy(np.array("happy")))
    (folder / "b.npy").symlink_to(folder / "b.npy")
    with pytest.raises(InputError, match=r"file 'b\.npy': cannot be read \(Too many levels"):
        read_records(folder)
    monkeypatch.setattr("ovbench.io.arrays.MAX_MEMBER_BYTES", 100)
    with pytest.raises(InputError, match=r"file 'a\.npy': larger than"):
        read_records(folder)


def label_npz(path: Path, **splits: dict[str, object]) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **splits)  # type: ignore[arg-type]
    return path


def test_merbench_labels(tmp_path: Path) -> None:
    train = {"x": {"emo": 0, "val": np.float64(1.5)}}
    test = {"a": {"emo": 1, "val": -10}, "b": {"emo": 6, "val": -10}}
    path = label_npz(tmp_path / "meld-process" / "label.npz", train_corpus=train, test_corpus=test)
    gold = read_records(path, role="gold")
    assert (gold.ids, cells(gold)) == (["a", "b"], ["joy", "surprise"])
    assert cells(read_records(path, role="gold", split="train")) == ["anger"]
    assert cells(read_records(path, want="sentiment", split="train_corpus")) == [1.5]
    with pytest.raises(InputError, match="placeholder"):
        read_records(path, want="value")
    with pytest.raises(InputError, match=r"no split 'dev'.*'train', 'test'"):
        read_records(path, split="dev")


def test_merbench_default_splits_and_classes(tmp_path: Path) -> None:
    one = {"a": {"emo": 3, "val": 0}}
    two = {"b": {"emo": "happy", "val": 0}}
    path = label_npz(tmp_path / "iemocap-process" / "label_4way.npz", whole_corpus=one)
    assert cells(read_records(path)) == ["anger"]
    path = label_npz(
        tmp_path / "mer" / "label.npz", train_corpus=one, test1_corpus=two, test2_corpus=one
    )
    assert cells(read_records(path)) == ["happy"]
    with pytest.raises(InputError, match=r"class numbers.*--classes"):
        read_records(path, split="train")
    assert cells(read_records(path, split="train", classes="w,x,y,z")) == ["z"]
    with pytest.raises(InputError, match=r"class number 3 has no name.*0 to 1"):
        read_records(path, split="train", classes="w,x")
    path = label_npz(tmp_path / "odd" / "label.npz", left_corpus=one, right_corpus=one)
    with pytest.raises(InputError, match="--split"):
        read_records(path)
    path = label_npz(tmp_path / "odd" / "label.npz", left_corpus=two)
    assert cells(read_records(path)) == ["happy"], "the only split needs no name"
    path = label_npz(tmp_path / "odd" / "label.npz", test_corpus={"a": {"emo": 1}})
    with pytest.raises(InputError, match=r"no field 'val'.*'emo'"):
        read_records(path, want="value")


def test_folder_and_zip_of_arrays(tmp_path: Path) -> None:
    folder = tmp_path / "openset-synonym"
    folder.mkdir()
    values = {"s_2": "[['sad']]", "s_1": "[['happy', 'joyful']]", "s_3": ["x", "y"]}
    with zipfile.ZipFile(tmp_path / "openset-synonym.zip", "w") as archive:
        archive.writestr("openset-synonym/", "")
        archive.writestr("__MACOSX/openset-synonym/s_1.npy", b"junk")
        for name, value in sorted(values.items()):
            np.save(folder / f"{name}.npy", np.array(value))
            archive.write(folder / f"{name}.npy", f"openset-synonym/{name}.npy")
    (folder / "notes.txt").write_text("not an array")
    for source in (folder, tmp_path / "openset-synonym.zip"):
        records = read_records(source)
        assert records.ids == ["s_1", "s_2", "s_3"]
        assert cells(records) == ["[['happy', 'joyful']]", "[['sad']]", ("x", "y")]
        with pytest.raises(InputError, match="no further columns"):
            read_records(source, extra=("speaker",))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["é", "long text", ""]),
        np.array([b"x", b"yz"]),
        np.array([True, False]),
        np.array(3.5, dtype=">f4"),
        np.array([], dtype="U5"),
        np.array({"a": {"b": [1, 2.5, None, "x", (True, b"y")]}}, dtype=object),
        np.array({"n": np.float64(1.5), "s": np.str_("é"), "i": np.int16(-3)}, dtype=object),
        np.array({"inner": np.arange(6).reshape(2, 3), "t": np.array(["p", "q"])}, dtype=object),
        np.array([["a", 1], ["b", None]], dtype=object),
    ],
    ids=str,
)
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_are_what_numpy_reads(tmp_path: Path, value: np.ndarray, protocol: int) -> None:
    import pickle

    data = npy(value)
    if value.dtype == object:  # as older NumPy and Python versions pickled it
        header = data[: len(npy(value)) - len(pickle.dumps(value, protocol=4))]
        start = data.index(b"\n") + 1
        assert header[:start] == data[:start]
        data = data[:start] + pickle.dumps(value, protocol=protocol)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("v.npy", data)
    expected = np.load(tmp_path / "x.npz", allow_pickle=True)["v"].tolist()
    assert plain(load_npz(tmp_path / "x.npz")["v"]) == plain(expected)


def plain(value: object) -> object:
    """Inner arrays and scalars of NumPy as Python values."""
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def damaged() -> dict[str, tuple[bytes, str]]:
    array = npy(np.array(["happy", "sad"]))
    pickled = npy(np.array({"a": "b"}, dtype=object))
    header = array[: array.index(b"\n") + 1]
    return {
        "cut": (array[:-3], "37 bytes where shape and dtype need 40"),
        "cut pickle": (pickled[:-5], "damaged"),
        "no header": (b"\x93NUMPY\x01\x00", "header cannot be read"),
        "other version": (b"\x93NUMPY\x09\x00" + array[8:], "header cannot be read"),
        "code for a header": (header.replace(b"(2,)", b"f()#"), "header cannot be read"),
        "huge shape": (header.replace(b"<U5", b"<U0").replace(b"(2,), ", b"(9**9,"), "header"),
        "many nothings": (
            b"\x93NUMPY\x01\x00\x76\x00"
            + b"{'descr': '<U0', 'fortran_order': False, 'shape': (999999999999,), }".ljust(117)
            + b"\n",
            "shape",
        ),
        "not unicode": (header + b"\xff" * 40, "not Unicode"),
        "dates": (npy(np.array(["2020-01-01"], dtype="M8[D]")), "datetime64"),
        "records": (npy(np.zeros(2, dtype=[("a", "i4"), ("b", "U3")])), "dtype"),
    }


@pytest.mark.parametrize("case", damaged())
def test_damaged_arrays(tmp_path: Path, case: str) -> None:
    data, word = damaged()[case]
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("fileitems.npy", data)
        archive.writestr("filenames.npy", npy(np.array(["a", "b"])))
    with pytest.raises(InputError, match=r"x\.npz, member 'fileitems'") as caught:
        read_records(tmp_path / "x.npz")
    assert word in str(caught.value)


def test_damaged_archives(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, filenames=["a"] * 500, fileitems=["happy"] * 500)
    whole = path.read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match="not an intact zip archive"):
            read_records(path)
    at = whole.index(b"fileitems.npy") + 80
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    with pytest.raises(InputError, match=r"cannot be unpacked|damaged|header|cut short"):
        read_records(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "x")
    with pytest.raises(InputError, match=r"holds no \.npy arrays"):
        read_records(path)


def test_huge_shapes_without_bytes(tmp_path: Path) -> None:
    for descr, shape in (("<i8", (49_000_000, 0)), ("<U0", (49_000_000,))):
        file = io.BytesIO()
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr("x.npy", file.getvalue())
        with pytest.raises(InputError, match=r"member 'x'.* shape \(49000000,"):
            load_npz(tmp_path / "x.npz")


def test_bombs_and_lies_about_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, filenames=["a"] * 9000, fileitems=["happy"] * 9000)
    monkeypatch.setattr("ovbench.io.safe_pickle.MAX_MEMBER_BYTES", 100_000)
    with pytest.raises(InputError, match="unpacks to"):
        read_records(path)
    monkeypatch.undo()
    data = bytearray(path.read_bytes())
    # A directory that declares less than a member holds: it fails its checksum, unread.
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (200).to_bytes(4, "little")
    path.write_bytes(data)
    with warnings.catch_warnings(), pytest.raises(InputError, match="cannot be unpacked"):
        read_records(path)
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(5):
            archive.writestr(f"f/{i}.npy", npy(np.zeros(9000)))
    monkeypatch.setattr("ovbench.io.arrays.MAX_MEMBER_BYTES", 300_000)
    with pytest.raises(InputError, match="unpacks to"):
        read_records(tmp_path / "s.zip")


def test_nothing_is_extracted(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with zipfile.ZipFile(inner / "x.zip", "w") as archive:
        archive.writestr("../../evil.npy", npy(np.array("happy")))
        archive.writestr("/abs/other.npy", npy(np.array("sad")))
    records = read_records(inner / "x.zip")
    assert records.ids == ["evil", "other"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "x.zip"]
