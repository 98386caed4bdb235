"""JSONL, JSON, CSV and TSV, packed or not: what is read, and what each broken file is told."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError
from ovbench.io import csvtext, text
from ovbench.io.align import align
from ovbench.io.read import read_records
from ovbench.io.records import JsonObject, Records

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def cells(records: Records) -> list[object]:
    return [records.cells[code] for code in records.codes]


JSONL = '{"id": "001", "prediction": ["happy"]}\n\n{"id": 2, "prediction": "sad"}\n'


def test_jsonl(tmp_path: Path) -> None:
    records = read_records(write(tmp_path, "p.jsonl", "\ufeff" + JSONL))
    assert records.ids == ["001", "2"]
    assert cells(records) == [("happy",), "sad"]
    assert records.rows == [1, 3]
    assert (records.id_column, records.label_column) == ("id", "prediction")


def test_distinct_cells_are_kept_once_and_apart_by_type(tmp_path: Path) -> None:
    values = ["1", 1, 1.0, True, "1", 1, None, float("nan"), [1], [1], {"a": [1]}]
    text = "\n".join(json.dumps({"id": i, "pred": v}) for i, v in enumerate(values))
    records = read_records(write(tmp_path, "p.jsonl", text))
    expected = ["1", 1, 1.0, True, None, (1,), JsonObject([("a", (1,))])]
    assert list(map(repr, records.cells)) == list(map(repr, expected))
    assert records.codes.tolist() == [0, 1, 2, 3, 0, 1, 4, 4, 5, 5, 6]


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "001", "prediction": ["happy"]}, {"id": 2, "prediction": "sad"}]',
        '{"001": ["happy"], "2": "sad"}',
        '{"001": {"prediction": ["happy"]}, "2": {"prediction": "sad"}}',
        JSONL,
    ],
    ids=["array", "object", "object of objects", "lines"],
)
def test_json(tmp_path: Path, text: str) -> None:
    records = read_records(write(tmp_path, "p.json", text))
    assert records.ids == ["001", "2"]
    assert cells(records) == [("happy",), "sad"]


CSV = 'name,openset,who\n001,"[happy, sad]",A\nnan,none,B\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", CSV),
        ("p.csv", "\ufeff\n" + CSV.replace("\n", "\r\n")),
        ("p.csv", 'name;openset;who\n001;"[happy, sad]";A\nnan;none;B\n'),
        ("p.tsv", "name\topenset\twho\n001\t[happy, sad]\tA\nnan\tnone\tB\n"),
        ("p.txt", "name\topenset\twho\n001\t[happy, sad]\tA\nnan\tnone\tB\n"),
    ],
    ids=["csv", "bom and crlf", "semicolons", "tsv", "sniffed"],
)
def test_tables_stay_text(tmp_path: Path, name: str, text: str) -> None:
    records = read_records(write(tmp_path, name, text), extra=("WHO",))
    assert records.ids == ["001", "nan"]
    assert cells(records) == ["[happy, sad]", "none"]
    assert records.columns == {"WHO": ["A", "B"]}


def test_rows_of_quoted_fields_with_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", 'id,answer\na,"1. happy\n2. sad"\n\nb,x\n')
    records = read_records(path)
    assert cells(records) == ["1. happy\n2. sad", "x"]
    assert records.rows == [2, 5]


@pytest.mark.parametrize("content", [JSONL, CSV, '{"001": ["happy"], "2": "sad"}'])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_standard_input_and_packing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, pack: object
) -> None:
    data = pack(content.encode())  # type: ignore[operator]
    plain = read_records(write(tmp_path, "plain", content))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    piped = read_records("-")
    assert piped.ids == plain.ids == ["001", plain.ids[1]]
    assert cells(piped) == cells(plain)
    assert piped.source == "standard input"
    suffix = {"{": ".jsonl", "n": ".csv"}[content[0]] if content != '{"001"' else ".json"
    if content.startswith('{"001"'):
        suffix = ".json"
    for packed in (".gz", ".zst", ".zstd"):
        assert cells(read_records(write(tmp_path, f"p{suffix}{packed}", data))) == cells(plain)


def test_memory() -> None:
    import numpy as np

    labels = {"a": ["happy"], "b": {"sad", "happy"}, 3: np.array(["x", "y"]), "d": np.str_("z")}
    records = read_records(labels)  # type: ignore[arg-type]
    assert records.ids == ["a", "b", "3", "d"]
    assert cells(records) == [("happy",), ("happy", "sad"), ("x", "y"), "z"]
    assert records.rows is None
    pairs = read_records(iter([("a", b"[happy]"), ("a", float("nan"))]), role="gold")
    assert pairs.ids == ["a", "a"]
    assert cells(pairs) == ["[happy]", None]
    assert pairs.source == "gold in memory"


def test_lone_surrogates(tmp_path: Path) -> None:
    path = write(tmp_path, "p.jsonl", '{"id": "a", "pred": "happ\\ud83dy"}')
    assert cells(read_records(path)) == ["happ\ufffdy"]
    path = write(tmp_path, "p.jsonl", '{"id": "a\\ud83d", "pred": "x"}')
    with pytest.raises(InputError, match="surrogate"):
        read_records(path)


MESSAGES = {
    # name: (file, content, words of the message)
    "not json": ("p.jsonl", '{"id": "a", "pred": []}\n{"id": b}\n', ["line 2", "not JSON"]),
    "cut json": ("p.jsonl", '{"id": "a", "pred": []}\n{"id": "b", "pr', ["line 2", "not JSON"]),
    "not an object": ("p.jsonl", '["a", "happy"]\n', ["line 1", "array", "a JSON object on each"]),
    "key is lacking": (
        "p.jsonl",
        '{"id": "a", "pred": []}\n{"id": "b"}\n',
        ["line 2", "no key 'pred'", "it has 'id'"],
    ),
    "id is a list": ("p.jsonl", '{"id": [1], "pred": []}\n', ["line 1", "type list", "text"]),
    "id is null": ("p.jsonl", '{"id": null, "pred": []}\n', ["line 1", "missing (null)"]),
    "id is true": ("p.jsonl", '{"id": true, "pred": []}\n', ["line 1", "type bool"]),
    "id is empty": ("p.jsonl", '{"id": "", "pred": []}\n', ["line 1", "id is empty"]),
    "deep": ("p.jsonl", '{"id": "a", "pred": ' + "[" * 5000, ["line 1"]),
    "nested": (
        "p.jsonl",
        '{"id": "a", "pred": ' + "[" * 30 + "]" * 30 + "}",
        ["line 1", "nested more than 20"],
    ),
    "long number": ("p.jsonl", '{"id": 1' + "0" * 5000 + ', "pred": 1}', ["line 1", "digits"]),
    "empty jsonl": ("p.jsonl", "\n \n", ["empty", "JSON object on each line"]),
    "empty csv": ("p.csv", "", ["empty", "header"]),
    "empty sniffed": ("p", "", ["empty"]),
    "empty json": ("p.json", " \n", ["the file is empty", "array of objects"]),
    "empty array": ("p.json", "[]", ["the array is empty"]),
    "json of nothing": ("p.json", "{}", ["the object is empty"]),
    "key twice": (
        "p.jsonl",
        '{"id": "a", "pred": 1}\n{"id": "b", "pred": 1, "pred": 2}\n',
        ["line 2", "key 'pred' comes twice"],
    ),
    "id twice": ("p.jsonl", '{"id": "a", "pred": 1, "id": "b"}\n', ["line 1", "key 'id' comes"]),
    "key twice in a cell": (
        "p.jsonl",
        '{"id": "a", "pred": {"openset": ["x"], "openset": ["y"]}}\n',
        ["line 1", "key 'openset' comes twice"],
    ),
    "key twice in an array": (
        "p.json",
        '[{"id": 1, "pred": 1}, {"id": 2, "pred": 1, "pred": 1}]',
        ["element 2", "key 'pred' comes twice"],
    ),
    "key twice under an id": (
        "p.json",
        '{"a": {"pred": 1}, "b": {"pred": 1, "pred": 2}}',
        ["id 'b'", "key 'pred' comes twice"],
    ),
    "deep json": ("p.json", "[" * 200_000, ["nested too deep"]),
    "long number json": ("p.json", '{"a": 1' + "0" * 5000 + "}", ["not readable JSON", "digits"]),
    "cr": ("p.csv", "id,pred\ra,b\rc,d\r", ["line 1", "CR", "tr '\\r' '\\n'"]),
    "cr sniffed": ("p", 'id\tpred\ra\t"b"\r', ["line 1", "CR"]),
    "npz as csv": ("p.csv", b"PK\x03\x04\xff\xfe", ["says csv, but this is a zip", ".npz"]),
    "parquet as jsonl": ("p.jsonl", b"PAR1\x15\x04\xff", ["jsonl, but this is a Parquet file"]),
    "npy as packed tsv": (
        "p.tsv.gz",
        gzip.compress(b"\x93NUMPY\x01\x00"),
        ["says tsv, but this is a NumPy array"],
    ),
    "npz as parquet": ("p.parquet", b"PK\x03\x04", ["says parquet, but this is a zip"]),
    "json number": ("p.json", "3", ["JSON number", "array of objects"]),
    "bad json": ("p.json", '[{"id": 1,}]', ["line 1, column 11", "not JSON"]),
    "json array of text": ("p.json", '[{"id": 1, "pred": 1}, "x"]', ["element 2", "JSON string"]),
    "header only": ("p.csv", "name,openset\n", ["only a header"]),
    "fields": (
        "p.csv",
        "name,openset\na,happy\nb,[happy, sad]\n",
        ["line 3", "3 fields", "expected 2", "double quotes"],
    ),
    "open quote": ("p.csv", 'name,openset\na,x\nb,"happy\nc,d\n', ["line 3", "quotes"]),
    "text after a quote": ("p.csv", 'name,openset\nb,"happy"s\n', ["line 2", "quotes"]),
    "double header": ("p.csv", "name,openset,openset\na,b,c\n", ["line 1", "'openset'", "once"]),
    "empty id": ("p.csv", "name,openset\na,b\n,c\n", ["line 3", "'name'", "empty"]),
    "latin-1": (
        "p.csv",
        "name,openset\na,\nb,fianc\xe9\n".encode("latin-1"),
        ["line 3", "byte 0xe9 at position 8", "UTF-8", "WINDOWS-1252"],
    ),
    "gbk": ("p.csv", "name,openset\na,开心，难过\n".encode("gbk"), ["line 2", "GB18030"]),
    "utf-16": ("p.csv", "name,openset\na,b\n".encode("utf-16"), ["line 1", "UTF-16"]),
    "latin-1 json": ("p.json", b'{\n"a": "\xe9"}', ["line 2", "position 7", "0xe9"]),
    "latin-1 jsonl": ("p.jsonl", b'{"id": "a", "pred": "\xe9"}', ["line 1", "0xe9"]),
    "cut gzip": ("p.jsonl.gz", gzip.compress(JSONL.encode())[:-9], ["damaged", "gzip"]),
    "broken gzip": ("p.jsonl.gz", b"\x1f\x8b\x08\x00" + b"x" * 30, ["damaged"]),
    "cut zstd": ("p.jsonl.zst", zstd.compress(JSONL.encode())[:-5], ["damaged", "zstd"]),
    "no id column": ("p.csv", "x,openset\na,b\n", ["usual name for ids", "'x'", "--id-column"]),
    "no label column": ("p.csv", "name,y\na,b\n", ["labels", "'y'", "--label-column"]),
    "two id columns": ("p.csv", "name,id,pred\na,b,c\n", ["several", "'id'", "--id-column"]),
    "two label columns": ("p.csv", "name,pred,prediction\na,b,c\n", ["several", "'pred'"]),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages(tmp_path: Path, case: str) -> None:
    name, content, words = MESSAGES[case]
    path = write(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        read_records(path)
    message = str(caught.value)
    assert message.startswith(path)
    for word in words:
        assert word in message
    assert caught.value.exit_code == 2


def test_an_id_twice_is_two_rows(tmp_path: Path) -> None:
    text = '{"a": ["happy"], "b": "x", "a": ["sad"]}'
    records = read_records(write(tmp_path, "p.json", text))
    assert (records.ids, cells(records)) == (["a", "b", "a"], [("happy",), "x", ("sad",)])
    text = '{"a": {"pred": 1}, "a": {"pred": 2}, "b": {"pred": 3}}'
    predictions = read_records(write(tmp_path, "p.json", text))
    assert (predictions.ids, cells(predictions)) == (["a", "a", "b"], [1, 2, 3])
    gold = read_records({"a": "x", "b": "y"}, role="gold")
    with pytest.raises(InputError, match=r"p\.json, row 2: 1 id comes more than once: 'a'.*--keep"):
        align(predictions, gold)
    assert align(predictions, gold, keep="last").rows.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "options", "option"),
    [
        ("x,openset\na,b\n", {}, "id"),
        ("name,id,pred\na,b,c\n", {}, "id"),
        ("name,y\na,b\n", {}, "label"),
        ("name,gold,gt\na,b,c\n", {}, "label"),
        ("name,y\na,b\n", {"want": "sentiment"}, "label"),
        ("name,y\na,b\n", {"id_column": "z"}, "id"),
        ("name,y\na,b\n", {"label_column": "z"}, "label"),
    ],
)
def test_options_of_the_gold(
    tmp_path: Path, text: str, options: dict[str, object], option: str
) -> None:
    path = write(tmp_path, "g.csv", text)
    for role, word in (("gold", f" --gold-{option}-column"), ("prediction", f" --{option}-column")):
        if role == "prediction" and "gt" in text:
            continue
        with pytest.raises(InputError) as caught:
            read_records(path, role=role, **options)  # type: ignore[arg-type]
        assert word in str(caught.value)


def test_names_that_cannot_be(tmp_path: Path) -> None:
    for name in ("x" * 300, "x" * 5000, "a/" * 3000):
        with pytest.raises(InputError, match="File name too long") as caught:
            read_records(str(tmp_path / name))
        assert len(str(caught.value)) < 400
    with pytest.raises(InputError, match=r"cannot be read .*null"):
        read_records("a\x00b")
    with pytest.raises(InputError, match="the file name is empty"):
        read_records("")
    with pytest.raises(InputError, match="no such file"):
        read_records(write(tmp_path, "p.csv", CSV) + "/p.csv")


def test_standard_input_closed_or_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(JSONL.encode())))
    assert read_records("-").ids == ["001", "2"]
    with pytest.raises(InputError, match="standard input can only be read once"):
        read_records("-", role="gold")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(InputError, match="the file is empty"):
        read_records("-")
    closed = io.TextIOWrapper(io.BytesIO(b""))
    closed.close()
    for stdin in (None, closed):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(InputError, match="standard input is closed"):
            read_records("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["pipe", "pipe.npz", "pipe.parquet"])
def test_pipes(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    if name == "pipe":
        for data, ids in ((JSONL.encode(), ["001", "2"]), (b"PK\x03\x04" + b"\0" * 99, None)):
            writer = threading.Thread(target=(tmp_path / name).write_bytes, args=(data,))
            writer.start()
            if ids:
                assert read_records(tmp_path / name).ids == ids
            else:
                with pytest.raises(InputError, match=r"zip archive.*from a pipe.*Name a file"):
                    read_records(tmp_path / name)
            writer.join()
    else:
        with pytest.raises(InputError, match="cannot be read from a pipe"):
            read_records(tmp_path / name)


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "p.json", "p"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_line_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: object
) -> None:
    path = write(tmp_path, name, pack(b'{"id":1}\n' + b"x" * 300_000))  # type: ignore[operator]
    monkeypatch.setattr(text, "MAX_LINE_BYTES", 200_000)
    monkeypatch.setattr(text, "MAX_WHOLE_BYTES", 200_000)
    # In a CSV the first line is the header.
    column = '{"id":1}' if name == "p.csv" else "id"
    with pytest.raises(InputError, match=r"p.*(line 2: the line is longer|text is larger) than"):
        read_records(path, id_column=column, label_column=column)


def test_the_longest_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = '{"id": "a", "pred": "x"}\n'
    path = write(tmp_path, "p.jsonl", line)
    monkeypatch.setattr(text, "MAX_LINE_BYTES", len(line))
    assert read_records(path).ids == ["a"]
    monkeypatch.setattr(text, "MAX_LINE_BYTES", len(line) - 1)
    with pytest.raises(InputError, match="line 1: the line is longer"):
        read_records(path)
    monkeypatch.undo()
    # A quoted field may span lines, none of which is too long.
    monkeypatch.setattr(csvtext, "MAX_CHARACTERS", 50)
    path = write(tmp_path, "p.csv", 'id,pred\na,"' + "x\n" * 100)
    with pytest.raises(InputError, match=r"line 2.*field larger than"):
        read_records(path)


def test_options_that_do_not_fit(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", CSV)
    with pytest.raises(
        InputError, match=r"no column 'openst' \(did you mean 'openset'\?\).*--label"
    ):
        read_records(path, label_column="openst")
    with pytest.raises(InputError, match=r"no column 'dialogue'.*'who'"):
        read_records(path, extra=("dialogue",))
    with pytest.raises(InputError, match=r"no splits.*--split"):
        read_records(path, split="test")
    with pytest.raises(InputError, match="no such file"):
        read_records(tmp_path / "absent.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"no \.npy or \.parquet"):
        read_records(tmp_path / "folder")
    with pytest.raises(InputError, match="no further columns"):
        read_records({"a": "b"}, extra=("who",))
    with pytest.raises(InputError, match="in place of a pair"):
        read_records(["abc"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="cell is of type object"):
        read_records({"a": object()})


def test_further_columns_of_objects_are_text(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "pred": "x", "who": "Ann", "turn": 3},
        {"id": "b", "pred": "y", "who": None, "turn": ["é", 1.5]},
    ]
    for name, content in (
        ("p.json", json.dumps(rows)),
        ("p.jsonl", "\n".join(map(json.dumps, rows))),
        ("p.json", json.dumps({row["id"]: row for row in rows})),
    ):
        records = read_records(write(tmp_path, name, content), extra=("who", "turn"))
        assert records.columns == {"who": ["Ann", ""], "turn": ["3", '["é", 1.5]']}
    path = write(tmp_path, "p.json", '{"a": "x"}')
    with pytest.raises(InputError, match=r"id → cell has no further columns, such as 'who'"):
        read_records(path, extra=("who",))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('{"id": "a", "pred": "x"}', ["a"]),  # a single line that names its columns: a row
        ('{"a": "x", "b": "y"}', ["a", "b"]),  # one that does not: ids and cells
        ('{"a": "x"}\n  \n', ["a"]),
        ('{"id": "a", "pred": "x"}\n{"id": "b", "pred": "y"}', ["a", "b"]),
        ('{\n"a": "x",\n"b": "y"}', ["a", "b"]),
    ],
)
def test_objects_without_a_telling_name(tmp_path: Path, text: str, ids: list[str]) -> None:
    assert read_records(write(tmp_path, "p", text)).ids == ids


def test_numpy_values_in_memory() -> None:
    records = read_records({np.str_("a"): np.str_("happy"), np.int64(2): b"s\xc3\xa9d"})
    assert (records.ids, cells(records)) == (["a", "2"], ["happy", "séd"])
    with pytest.raises(InputError, match="bytes that are not UTF-8"):
        read_records({"a": b"\xff"})
    with pytest.raises(InputError, match="there are no rows"):
        read_records({})


def test_a_name_s_ending_packs_text_the_same_each_time() -> None:
    for name in ("p.jsonl.gz", "p.jsonl.zst", "p.jsonl.zstd", "p.jsonl"):
        assert text.packed(name, JSONL) == text.packed(name, JSONL)
    assert text.packed("p.gz", JSONL)[4:8] == b"\0\0\0\0", "no time of day in it"
    assert gzip.decompress(text.packed("p.gz", "é")) == "é".encode()
    assert zstd.decompress(text.packed("p.zst", "é")) == "é".encode()
    assert text.packed("p", "é") == "é".encode()


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(InputError, match=r"loop\.csv: .*(cannot be read|no such file)"):
        read_records(tmp_path / "loop.csv")


@pytest.mark.parametrize(
    ("header", "role", "want", "chosen"),
    [
        ("id,gt,pred", "prediction", "labels", "pred"),
        ("id,gt,pred", "gold", "labels", "gt"),
        ("name,reason,OpenSet,response", "prediction", "labels", "OpenSet"),
        ("Utt ID,response", "prediction", "labels", "response"),
        ("name,openset,sentiment", "prediction", "labels", "openset"),
        ("name,openset,sentiment", "prediction", "sentiment", "sentiment"),
        ("name,prediction,sentiment", "prediction", "sentiment", "sentiment"),
        ("name,prediction", "prediction", "sentiment", "prediction"),
        ("name,emotion,val", "gold", "value", "val"),
        ("FileName,EmoClass,EmoVal", "gold", "class", "EmoClass"),
        ("key,wav,emo", "gold", "class", "emo"),
        ("name,openset,label", "gold", "class", "label"),
        ("name,openset,label", "gold", "labels", "openset"),
    ],
)
def test_usual_columns(tmp_path: Path, header: str, role: str, want: str, chosen: str) -> None:
    row = ",".join(str(i) for i, _ in enumerate(header.split(",")))
    path = write(tmp_path, "p.csv", f"{header}\n{row}\n")
    records = read_records(path, role=role, want=want)  # type: ignore[arg-type]
    assert records.label_column == chosen
    assert cells(records) == [str(header.split(",").index(chosen))]
    assert records.ids == ["0"]


def test_meld_ids(tmp_path: Path) -> None:
    text = "Sr No.,Utterance,Emotion,Dialogue_ID,Utterance_ID\n1,Hi,joy,0,7\n2,Ho,fear,12,0\n"
    for name, prefix in {
        "test_sent_emo.csv": "test_",
        "dev_sent_emo.csv": "val_",
        "train_sent_emo.csv": "train_",
        "meld.csv": "",
    }.items():
        records = read_records(
            write(tmp_path, name, text), role="gold", want="class", extra=("Dialogue_ID",)
        )
        assert records.ids == [f"{prefix}dia0_utt7", f"{prefix}dia12_utt0"]
        assert cells(records) == ["joy", "fear"]
        assert records.columns == {"Dialogue_ID": ["0", "12"]}
    assert read_records(tmp_path / "meld.csv", id_column="Sr No.", want="class").ids == ["1", "2"]


def test_class_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", "id,label\na,0\nb,1\nc,other\n")
    assert cells(read_records(path, classes="meld")) == ["anger", "joy", "other"]
    assert cells(read_records(path, classes="x, y")) == ["x", "y", "other"]
    with pytest.raises(InputError, match=r"class number 2 has no name.*0 to 1"):
        read_records(write(tmp_path, "q.csv", "id,label\na,1\nb,2\n"), classes="x,y")
    with pytest.raises(InputError, match="empty or a repeated name"):
        read_records(path, classes="x,")
    with pytest.raises(InputError, match="did you mean 'meld'"):
        read_records(path, classes="melt")


FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FIELDS.filter(bool), FIELDS), min_size=1, max_size=6))
def test_round_trips(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    import csv

    folder = tmp_path_factory.mktemp("round")
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "label"), *rows])
    records = read_records(write(folder, "p.csv", text.getvalue()))
    assert list(zip(records.ids, cells(records), strict=True)) == rows
    lines = "\n".join(json.dumps({"id": a, "label": b}, ensure_ascii=False) for a, b in rows)
    records = read_records(write(folder, "p.jsonl", lines))
    assert list(zip(records.ids, cells(records), strict=True)) == rows


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text('[]{}":,\n\t idpred01', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("p.csv", "p.tsv", "p.json", "p.jsonl", "p", "p.npz", "p.npy", "p.gz"):
        try:
            records = read_records(write(folder, name, data), id_column="id", label_column="p")
        except InputError:
            continue
        assert len(records.ids) == len(records.codes) > 0
