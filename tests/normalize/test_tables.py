"""Reading, storing and comparing the authors' tables; tiny tables of our own serve as input."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest

from ovbench.errors import InputError, OvbenchError, UnknownNameError
from ovbench.normalize.opening import official_normalizer
from ovbench.normalize.table_files import read_folder, read_npz, read_tables
from ovbench.normalize.tables import (
    add_tables,
    diff_tables,
    list_tables,
    load_tables,
)

Row = list[str | float]
HEADER: Row = ["level1", "level2", "level3"]
WHEEL: list[Row] = [
    HEADER,
    ["Glad", "Cheery", "Sunny"],
    ["", "Bright", "Merry"],
    [" Low ", "Blue", "Grey"],
    ["", "", "Merry"],
]
SYNONYMS: list[Row] = [
    [f"{kind}_run{run}" for run in range(1, 9) for kind in ("word", "synonym")],
    ["Merry", "jolly, happy"] * 7 + ["merry", "['Jolly', \"sunny\"]"],
    ["Blue", "down"] * 8,
    ["Cheery", "lively"] * 8,
]
FORMAT = """name,format
jolly,"jollier,jollily"
down,downer
merry,
blue,"bluer,downer"
lively,livelier
"""


def write_xlsx(path: Path, rows: list[Row]) -> None:
    """The smallest workbook: one sheet, its strings inline, blank cells left out."""

    def cell(value: str | float, row: int, column: int) -> str:
        place = f'r="{chr(65 + column)}{row}"'
        if isinstance(value, str):
            return f'<c {place} t="inlineStr"><is><t>{escape(value)}</t></is></c>' if value else ""
        return f"<c {place}><v>{value}</v></c>"

    lines = [
        f'<row r="{r}">{"".join(cell(value, r, c) for c, value in enumerate(row))}</row>'
        for r, row in enumerate(rows, start=1)
    ]
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{"".join(lines)}'
        "</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w") as book:
        for name, text in parts.items():
            book.writestr(name, text)


def write_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in range(1, 6):
        write_xlsx(folder / f"wheel{number}.xlsx", WHEEL)
    write_xlsx(folder / "synonym.xlsx", SYNONYMS)
    (folder / "format.csv").write_text(FORMAT, encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "checkout" / "emotion_wheel")


def dicts(folder: Path) -> dict[str, object]:
    """The folder's tables as the members of a ``wheel_mapping.npz``."""
    tables = read_folder(folder)
    return {
        "format_mapping": {form: [*words, words[0]] for form, words in tables.forms.items()},
        "raw_mapping": {raw: list(words)[::-1] for raw, words in tables.synonyms.items()},
        "wheel_map_whole": tables.wheels,
    }


def write_npz(path: Path, members: dict[str, object]) -> Path:
    np.savez(path, **{name: np.array(value, dtype=object) for name, value in members.items()})
    return path


# --- reading -------------------------------------------------------------------------------------


def test_the_rules_of_the_folder(folder: Path) -> None:
    tables = read_folder(folder)
    assert tables.forms["downer"] == ("blue", "down")
    assert tables.forms["merry"] == ("merry",)
    assert set(tables.forms) == {
        *("jolly", "jollier", "jollily", "down", "downer", "merry", "blue", "bluer"),
        *("lively", "livelier"),
    }
    assert tables.synonyms == {
        "merry": ("merry",),
        "jolly": ("merry",),
        "happy": ("merry",),
        "sunny": ("merry",),
        "blue": ("blue",),
        "down": ("blue",),
        "cheery": ("cheery",),
        "lively": ("cheery",),
    }
    inner, middle = tables.wheels["wheel3"]["level1"], tables.wheels["wheel3"]["level2"]
    assert inner["sunny"] == "glad"
    assert inner["merry"] == "low", "the last branch wins"
    assert (middle["glad"], middle["low"]) == ("bright", "blue"), "first middle word by alphabet"
    assert (middle["bright"], middle["merry"], middle["grey"]) == ("bright", "blue", "blue")


def test_the_hash_is_of_the_content(folder: Path, tmp_path: Path) -> None:
    before = read_folder(folder)
    lines = FORMAT.splitlines()
    moved = "\n".join([lines[0], *reversed(lines[1:])]).replace(
        "jollier,jollily", "jollily,jollier"
    )
    (folder / "format.csv").write_text("\ufeff" + moved, encoding="utf-8")
    assert read_folder(folder).hash == before.hash
    assert read_npz(write_npz(tmp_path / "wheel_mapping.npz", dicts(folder))).hash == before.hash
    (folder / "format.csv").write_text(FORMAT.replace("jollier", "jolliest"), encoding="utf-8")
    assert read_folder(folder).hash != before.hash


def test_a_checkout_is_searched(folder: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "checkout" / ".git" / "emotion_wheel")
    found, place = read_tables(tmp_path / "checkout")
    assert place == folder
    assert found.hash == read_folder(folder).hash
    shutil.copytree(folder, tmp_path / "checkout" / "older" / "emotion_wheel")
    assert read_tables(tmp_path / "checkout")[0].hash == found.hash, "twice the same is no question"


def test_an_npz_alone_in_a_checkout_is_found(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    npz = write_npz(tmp_path / "other" / "wheel_mapping.npz", dicts(folder))
    assert read_tables(tmp_path / "other")[1] == npz


def test_several_different_tables_in_a_checkout_are_listed(folder: Path, tmp_path: Path) -> None:
    other = write_folder(tmp_path / "checkout" / "b" / "emotion_wheel")
    (other / "format.csv").write_text(FORMAT.replace("jollier", "jolliest"), encoding="utf-8")
    with pytest.raises(InputError, match="several different tables") as caught:
        read_tables(tmp_path / "checkout")
    assert str(folder) in str(caught.value)
    assert str(other) in str(caught.value)


def put(name: str, rows: list[Row]) -> Callable[[Path], object]:
    return lambda folder: write_xlsx(folder / name, rows)


def csv_text(text: str | bytes) -> Callable[[Path], object]:
    data = text if isinstance(text, bytes) else text.encode()
    return lambda folder: (folder / "format.csv").write_bytes(data)


def change(rows: list[Row], row: int, column: int, value: str | float) -> list[Row]:
    changed = [list(cells) for cells in rows]
    changed[row - 1][column] = value
    return changed


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda f: (f / "format.csv").unlink(), "no format.csv"),
        (lambda f: (f / "wheel4.xlsx").unlink(), "no wheel4.xlsx"),
        (put("wheel2.xlsx", [row[:2] for row in WHEEL]), "wheel2.xlsx: no column 'level3'"),
        (put("wheel2.xlsx", []), "wheel2.xlsx: no column 'level1'"),
        (
            put("wheel1.xlsx", change(WHEEL, 3, 1, 7.5)),
            "wheel1.xlsx, row 3: 7.5 in column 'level2'",
        ),
        (put("wheel1.xlsx", change(WHEEL, 2, 0, "")), "row 2: no word in column 'level1' yet"),
        (lambda f: (f / "wheel5.xlsx").write_bytes(b"PK junk"), "wheel5.xlsx: "),
        (lambda f: (f / "synonym.xlsx").write_bytes(b""), "synonym.xlsx: "),
        (put("synonym.xlsx", [row[:15] for row in SYNONYMS]), "no column 'synonym_run8'"),
        (put("synonym.xlsx", change(SYNONYMS, 3, 2, "Azure")), "row 3: column 'word_run2' holds"),
        (put("synonym.xlsx", change(SYNONYMS, 3, 0, "")), "row 3: column 'word_run1' holds ''"),
        (put("synonym.xlsx", SYNONYMS[:1]), "the table of synonyms is empty"),
        (csv_text("label,format\nblue,bluer\n"), "format.csv: no column 'name'"),
        (csv_text("name,format\nblue,bluer\ndown\n"), "line 3: no cell in column 'format'"),
        (csv_text("name,format\n ,bluer\n"), "line 2: no word in column 'name'"),
        (csv_text('name,format\nblue,"bluer\n'), "format.csv: unexpected end of data"),
        (csv_text(b"name,format\nbl\xff,bluer\n"), "format.csv: 'utf-8' codec"),
        (csv_text("name,format\n"), "the table of forms is empty"),
        (csv_text("name,format\nblue,bluer\nazure,\n"), "leads to the base word 'azure'"),
        (csv_text(""), "format.csv: no column 'name'"),
    ],
)
def test_malformed_folders_are_told_in_one_message(
    folder: Path, harm: Callable[[Path], object], told: str
) -> None:
    harm(folder)
    with pytest.raises(InputError) as caught:
        read_tables(folder)
    assert told in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("nowhere", "no such file or folder"),
        ("checkout/emotion_wheel/format.csv", "not an npz file"),
        ("empty", "no emotion_wheel folder in here"),
    ],
)
def test_wrong_paths_say_where_tables_come_from(
    folder: Path, tmp_path: Path, place: str, told: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=told) as caught:
        add_tables(tmp_path / place)
    assert "zeroQiaoba/AffectGPT" in str(caught.value)


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("raw_mapping", None, "no member 'raw_mapping'"),
        ("format_mapping", [1, 2], "forms: "),
        ("format_mapping", {"blue": "blue"}, "forms/blue: 'blue'"),
        ("format_mapping", {"blue": [1]}, r"forms/blue: \[1\]"),
        ("format_mapping", {3: ["blue"]}, "forms: a key that is no string"),
        ("format_mapping", {"blue": ["azure"]}, "leads to the base word 'azure'"),
        ("format_mapping", {"blue": []}, "leads to no base word"),
        (
            "raw_mapping",
            {key: ["azure"] for key in ("blue", "down", "jolly", "lively", "merry")},
            "leads to the synonym 'azure', which is not in the wheels",
        ),
        ("wheel_map_whole", {"wheel1": {"level1": {"blue": "low"}}}, "wheels and levels are: whee"),
        ("wheel_map_whole", {}, "wheels and levels are: none"),
        ("wheel_map_whole", {"wheel1": {"level1": {"blue": 3}}}, "wheels/wheel1/level1/blue: int"),
    ],
)
def test_malformed_npz_files(
    folder: Path, tmp_path: Path, member: str, value: object, told: str
) -> None:
    members = dicts(folder)
    if value is None:
        del members[member]
    else:
        members[member] = value
    with pytest.raises(InputError, match=told) as caught:
        read_npz(write_npz(tmp_path / "wheel_mapping.npz", members))
    assert "wheel_mapping.npz" in str(caught.value)


class Payload:
    """Writes a file when a stock unpickler builds it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.marker, "ran")


def test_a_hostile_npz_is_refused_and_does_not_run(folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    members = dicts(folder) | {"raw_mapping": Payload(marker)}
    npz = tmp_path / "wheel_mapping.npz"
    write_npz(npz, members)
    with pytest.raises(OvbenchError):
        add_tables(npz)
    assert not marker.exists()
    assert list_tables() == []


# --- the store -----------------------------------------------------------------------------------


def test_added_tables_are_listed_and_loaded(folder: Path, tmp_path: Path) -> None:
    entry = add_tables(tmp_path / "checkout")
    assert entry.name == f"tables-{entry.hash[:8]}", "tables nobody published have no name"
    assert (entry.forms, entry.base_words, entry.wheel_words) == (10, 8, 8)
    assert entry.source == str(folder)
    assert list_tables() == [entry]
    loaded, original = load_tables(entry.name), read_folder(folder)
    assert (loaded.forms, loaded.synonyms) == (original.forms, original.synonyms)
    assert loaded.wheels == original.wheels
    assert add_tables(folder) == entry
    assert list_tables() == [entry]


def test_loading_and_building_happen_once(folder: Path) -> None:
    name = add_tables(folder).name
    assert load_tables(name) is load_tables(name)
    assert official_normalizer(name) is official_normalizer(name)


def test_changed_labels_by_name(folder: Path) -> None:
    old = add_tables(folder).name
    text = FORMAT.replace("lively,livelier", 'lively,"livelier,jollily,lifelike"')
    (folder / "format.csv").write_text(text, encoding="utf-8")
    new = add_tables(folder).name
    levels = [(n, level) for n in range(1, 6) for level in ("level1", "level2")]
    was, now = {"level1": "low", "level2": "blue"}, {"level1": "glad", "level2": "cheery"}
    assert diff_tables(old, new) == [
        ("jollily", tuple((f"wheel{n}/{level}", was[level], now[level]) for n, level in levels)),
        ("lifelike", tuple((f"wheel{n}/{level}", None, now[level]) for n, level in levels)),
    ]


def test_nothing_stored_says_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        load_tables("affectgpt-2025")
    assert "ovbench tables add PATH" in str(caught.value)
    assert "zeroQiaoba/AffectGPT" in str(caught.value)
    assert "zeroQiaoba/MERTools" in str(caught.value)


def test_names_are_corrected(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'affectgpt-2025'.*tables add PATH"):
        load_tables("affectgpt2025")
    name = add_tables(folder).name
    with pytest.raises(UnknownNameError) as caught:
        load_tables(name[:-1])
    assert name in caught.value.near


def swap_cluster(text: str) -> str:
    record = json.loads(text)
    record["tables"]["wheels"]["wheel1"]["level1"]["sunny"] = "low"
    return json.dumps(record)


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (swap_cluster, "does not match its hash"),
        (lambda text: text.replace("ovbench-tables-1", "ovbench-tables-0"), "does not match"),
        (lambda text: text[:-100], "is damaged"),
        (lambda _: "[" * 100_000, "is damaged"),
        (lambda _: "[]", "is damaged"),
        (lambda _: "{}", "is damaged"),
        (lambda text: text.replace('"tables":{', '"tables":{"wheels":3,"x":{'), "is damaged"),
    ],
)
def test_tampered_files_are_errors(folder: Path, tamper: Callable[[str], str], told: str) -> None:
    entry = add_tables(folder)
    entry.path.write_text(tamper(entry.path.read_text()))
    for action in (lambda: load_tables(entry.name), list_tables):
        with pytest.raises(InputError, match=told) as caught:
            action()
        assert str(entry.path) in str(caught.value)
    assert add_tables(folder) == entry
    assert load_tables(entry.name).hash == entry.hash, "adding again mends it"


def test_a_renamed_file_is_an_error(folder: Path) -> None:
    entry = add_tables(folder)
    entry.path.rename(entry.path.with_name("mer2026.json"))
    with pytest.raises(InputError, match="holds the tables"):
        load_tables("mer2026")


def test_a_store_that_cannot_be_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OVBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="Set OVBENCH_HOME"):
        add_tables(folder)


# --- the published tables ------------------------------------------------------------------------


def test_published_tables_get_their_names(shared_data: Path) -> None:
    tables = shared_data / "emotion_wheel"
    folders = [add_tables(tables / name) for name in ("affectgpt-2025", "mer2026")]
    assert [entry.name for entry in folders] == ["affectgpt-2025", "mer2026"]
    assert (folders[0].forms, folders[0].base_words, folders[0].wheel_words) == (7386, 1255, 253)
    pickled = add_tables(tables / "mer2026" / "wheel_mapping.npz")
    assert (pickled.name, pickled.hash) == ("mer2026", folders[1].hash)
    changes = diff_tables("affectgpt-2025", "mer2026")
    assert len(changes) == 60
    assert "fear" in {change.label for change in changes}
    with pytest.raises(InputError, match="several different tables") as caught:
        add_tables(tables)
    assert "(affectgpt-2025)" in str(caught.value)
    assert "(mer2026)" in str(caught.value)
