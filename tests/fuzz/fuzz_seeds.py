"""Valid files of every format, small and invented, which mutations start from."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from functools import cache
from typing import Any

import numpy as np

ITEMS = {
    "clip_1": ["happy", "excited"],
    "clip_2": ["sad"],
    "clip_3": ["angry", "frustrated", "tense"],
    "clip_4": [],
}


def lines(*objects: object) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode()


def jsonl() -> list[bytes]:
    return [
        lines(*({"id": name, "prediction": labels} for name, labels in ITEMS.items())),
        lines(*({"name": name, "openset": str(labels)} for name, labels in ITEMS.items())),
        lines({"id": 1, "response": "The speaker sounds: - happy: bright voice\n- calm"}),
        lines({"id": "a", "label": {"emotions": ["joy"], "score": 0.5}, "val": -10}),
    ]


def json_files() -> list[bytes]:
    return [
        json.dumps(ITEMS).encode(),
        json.dumps([{"id": name, "labels": labels} for name, labels in ITEMS.items()]).encode(),
        json.dumps({name: {"pred": ", ".join(labels)} for name, labels in ITEMS.items()}).encode(),
    ]


def csv() -> list[bytes]:
    return [
        b"id,labels\nclip_1,\"happy, excited\"\nclip_2,sad\nclip_3,\"['angry', 'tense']\"\n",
        b"name\topenset\nclip_1\thappy\nclip_2\t\n",
        b"Dialogue_ID,Utterance_ID,Emotion,Sentiment\n0,0,joy,positive\n0,1,anger,negative\n",
        b"id;emotion\r\na;happy\r\nb;sad\r\n",
    ]


def npy_of(value: object, *, protocol: int = 4) -> bytes:
    """An ``.npy`` file; objects are pickled by the protocol given."""
    array = np.asarray(value)
    stream = io.BytesIO()
    if array.dtype != object:
        np.save(stream, array)
        return stream.getvalue()
    header = {"descr": "|O", "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + pickle.dumps(array, protocol=protocol)


def boxed(value: object) -> np.ndarray[Any, Any]:
    box = np.empty((), dtype=object)
    box[()] = value
    return box


def zip_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name), body)
    return stream.getvalue()


def npy() -> list[bytes]:
    words = {name: ", ".join(labels) for name, labels in ITEMS.items()}
    return [npy_of(boxed(words), protocol=p) for p in (0, 1, 2, 4)] + [npy_of(["happy", "sad"])]


def npz() -> list[bytes]:
    names = np.array(list(ITEMS))
    cells = np.array([", ".join(labels) for labels in ITEMS.values()])
    lists = np.empty(len(ITEMS), dtype=object)
    lists[:] = list(ITEMS.values())
    corpus = {name: {"emo": "happy", "val": 0.5} for name in ITEMS}
    numbers = {name: {"emo": np.int64(2), "val": np.float32(-10)} for name in ITEMS}
    return [
        zip_of({"filenames.npy": npy_of(names), "fileitems.npy": npy_of(cells)}),
        zip_of({"filenames.npy": npy_of(names), "fileitems.npy": npy_of(lists, protocol=2)}),
        zip_of({"name2reason.npy": npy_of(boxed(dict.fromkeys(ITEMS, "happy and calm")))}),
        zip_of({f"{s}_corpus.npy": npy_of(boxed(corpus)) for s in ("train", "test1")}),
        zip_of({"test_corpus.npy": npy_of(boxed(numbers), protocol=2)}),
        *synonym_groups(),
    ]


def synonym_groups() -> list[bytes]:
    text = "[['happy', 'joyful'], ['sad']]"
    return [zip_of({f"synonym/{name}.npy": npy_of(text) for name in ITEMS})]


@cache
def parquet() -> list[bytes]:
    import polars as pl

    ids, texts = list(ITEMS), [", ".join(labels) for labels in ITEMS.values()]
    frames = [
        pl.DataFrame({"id": ids, "prediction": texts}),
        pl.DataFrame({"id": ids, "prediction": list(ITEMS.values())}),
        pl.DataFrame({"id": range(4), "labels": pl.Series(texts, dtype=pl.Categorical)}),
    ]
    found = []
    for frame, packing in zip(frames, ("zstd", "uncompressed", "snappy"), strict=True):
        stream = io.BytesIO()
        frame.write_parquet(stream, compression=packing)
        found.append(stream.getvalue())
    return found


def recipes() -> list[bytes]:
    from ovbench.systems.registry import bundled_folder

    names = ("lora-las-r4", "majority", "external-example", "pipeline-ov-mer", "cmgi-fusion")
    return [
        (bundled_folder() / f"{name}.toml")
        .read_bytes()
        .replace(f'name = "{name}"'.encode(), b'name = "mine"')
        for name in names
    ]


def protocols() -> list[bytes]:
    from importlib import resources

    folder = resources.files("ovbench.protocols") / "data"
    names = ("ew-open-1", "ew-affectgpt-2025", "hit-open-1")
    found = [(folder / f"{name}.toml") for name in names]
    return [
        path.read_bytes().replace(b'id = "', b'id = "my-', 1) for path in found if path.is_file()
    ]


def published() -> dict[str, Any]:
    return {
        "schema_version": "ovbench.record/1",
        "system": {"name": "somebody's", "setting": {"modality": "audio"}},
        "checkpoint": {"selection": "unknown"},
        "task": {"id": "ov-merd", "split": "test"},
        "protocol": "WF",
        "headline": "f1",
        "scores": {"f1": {"value": 0.55, "low": 0.5, "high": 0.6}},
        "origin": {"kind": "published", "source": "a paper"},
    }


def measured() -> dict[str, Any]:
    return published() | {
        "task": {"id": "tinyov", "split": "test", "digest": "0" * 64, "items": 2},
        "protocol": "ew-open-1",
        "signature": "ew-open-1|parse:open-1|n:2|v:0.1.0",
        "origin": {"kind": "measured", "command": "ovbench eval --model majority"},
        "interval": {"method": "percentile-bootstrap", "confidence": 0.95, "draws": 50, "seed": 0},
        "counts": {"items": 2},
        "floors": {"neutral": {"f1": 0.1}},
        "predictions": [{"id": "a", "labels": ["happy"]}, {"id": "b", "text": "sad"}],
    }


def submissions() -> list[bytes]:
    both = {"schema_version": "ovbench.submission/1", "records": [published()]}
    return [json.dumps(one, indent=1).encode() for one in (published(), measured(), both)]


def submission_lines() -> list[bytes]:
    return [lines(published(), measured())]


@cache
def sounds() -> list[bytes]:
    import soundfile

    samples = 0.3 * np.sin(np.arange(4_000) / 16_000 * 2 * np.pi * 150)
    found = []
    for form, kind in (
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "IMA_ADPCM"),
        ("WAV", "ULAW"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("W64", "PCM_16"),
        ("CAF", "PCM_16"),
        ("RF64", "PCM_16"),
        ("VOC", "PCM_16"),
        ("NIST", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
    ):
        stream = io.BytesIO()
        soundfile.write(stream, samples, 16_000, format=form, subtype=kind)
        found.append(stream.getvalue())
    return found


def run_files() -> list[bytes]:
    settings = {
        "system": {"name": "majority", "kind": "constant", "decoding": {"max_new_tokens": 4}},
        "task": "tinyov",
        "split": "test",
        "task_digest": "0" * 64,
        "items": 2,
        "batch_size": 4,
        "seed": 0,
        "versions": {"python": "3"},
    }
    record = {"settings": settings, "created": "2026-01-01", "command": "x", "platform": "y"}
    return [json.dumps(record, indent=1).encode()]


def prediction_lines() -> list[bytes]:
    return [
        lines(
            *(
                {"id": name, "text": "x", "labels": labels, "status": "ok", "tokens": 3}
                for name, labels in ITEMS.items()
            )
        )
    ]


def costs() -> list[bytes]:
    return [b'{"items": 2, "tokens": 9, "seconds": 0.5, "stage_seconds": {"a": 1.0}}']


def descriptions() -> list[bytes]:
    said = {
        "id": "a",
        "description": "a high voice",
        "status": "ok",
        "language": "en",
        "measures": {"pitch": 200.0},
        "phrases": [{"text": "high", "measure": "pitch", "value": 200.0, "unit": "Hz"}],
        "describer": "x@1",
    }
    return [lines(said, said | {"id": "b"})]


def reports() -> list[bytes]:
    from ovbench.testbed.bundled import adapter_folder

    return [(adapter_folder("affectgpt-lora-r4") / "training.json").read_bytes()]


def statistics() -> list[bytes]:
    table = {"pitch": [100.0, 120.0, 180.0, 220.0]}
    value = {"version": 1, "source": "mine", "clips": 3, "corpus": table, "sexes": {"male": table}}
    return [json.dumps(value).encode()]


def answers() -> list[bytes]:
    return [
        b'{"id": "a", "text": "angry, sad"}\n',
        b'{"id": "a", "labels": ["x", "y"], "tokens": 7}\n',
        b'{"id": "a", "status": "error"}\n',
    ]


def cells() -> list[bytes]:
    return [
        b"happy, sad and angry",
        b"Emotions: ['happy', \"sad\"]",
        b"1. happy\n2. sad\n- calm: a soft voice",
        b'{"emotions": ["joy", {"label": "fear"}], "score": 0.7}',
        "<think>hm</think>【高兴、难过】。n/a".encode(),
        b"I think the speaker is not happy, sad or angry, but rather than tense, calm.",
    ]


def _tables() -> dict[str, dict[str, Any]]:
    wheel = {"level1": {"joy": "joy", "glad": "joy"}, "level2": {"joy": "glad", "glad": "glad"}}
    return {
        "forms": {"joy": ["joy"], "joyful": ["joy"], "glad": ["glad"]},
        "synonyms": {"joy": ["joy"], "glad": ["glad"]},
        "wheels": {f"wheel{n}": wheel for n in range(1, 6)},
    }


def table_archives() -> list[bytes]:
    names = {"forms": "format_mapping", "synonyms": "raw_mapping", "wheels": "wheel_map_whole"}
    tables = _tables()
    return [zip_of({f"{names[k]}.npy": npy_of(boxed(v)) for k, v in tables.items()})]


def stored_tables() -> list[bytes]:
    from ovbench.normalize.table_content import from_json

    tables = _tables()
    digest = from_json(tables, where="seed").hash
    record = {"format": "ovbench-tables-1", "source": "x", "hash": digest, "tables": tables}
    return [json.dumps(record).encode()]


_BOOK = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Override PartName="/xl/workbook.xml" ContentType="application/'
        'vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
}


def workbook(rows: dict[str, str]) -> bytes:
    """A workbook of one sheet, with text in the cells named: ``{"A1": "level1", …}``."""
    cells = "".join(
        f'<row r="{name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{name}" t="inlineStr">'
        f"<is><t>{text}</t></is></c></row>"
        for name, text in rows.items()
    )
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{cells}</sheetData></worksheet>"
    )
    parts = {**_BOOK, "xl/worksheets/sheet1.xml": sheet}
    return zip_of({name: text.encode() for name, text in parts.items()})


def workbooks() -> list[bytes]:
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    )
    words = (("level1", "level2", "level3"), ("joy", "glad", "merry"))
    for number, row in enumerate(words, 1):
        sheet += f'<row r="{number}">' + "".join(
            f'<c r="{column}{number}" t="inlineStr"><is><t>{word}</t></is></c>'
            for column, word in zip("ABC", row, strict=True)
        )
        sheet += "</row>"
    parts = {**_BOOK, "xl/worksheets/sheet1.xml": sheet + "</sheetData></worksheet>"}
    return [zip_of({name: text.encode() for name, text in parts.items()})]


def form_tables() -> list[bytes]:
    return [b"name,format\njoy,\"['joyful', 'joys']\"\nglad,gladly\n"]


def configurations() -> list[bytes]:
    return [b'data = "/tmp"\n[folders]\nmeld = "~/meld"\n']


def label_maps() -> list[bytes]:
    return [b'{"ang": "Angry", "hap": "Happy"}']


def emobox_lines() -> list[bytes]:
    return [lines(*({"key": f"k{n}", "emo": "hap", "wav": f"a/{n}.wav"} for n in range(3)))]


def meld_tables() -> list[bytes]:
    return [
        b"Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
        b"1,Hi there,Ross,joy,positive,0,0\n2,Oh no,Joey,anger,negative,0,1\n"
    ]


def merbench() -> list[bytes]:
    labels = {f"test_dia{n}_utt0": {"emo": n, "val": 0.5} for n in range(3)}
    return [zip_of({f"{s}_corpus.npy": npy_of(boxed(labels)) for s in ("train", "val", "test")})]


def opensets() -> list[bytes]:
    return [b"name,openset\nsample_1,\"['happy', 'calm']\"\nsample_2,\"[sad, weary]\"\n"]


def vectors() -> list[bytes]:
    return [npy_of(np.zeros((3, 768), np.float32)), npy_of(np.zeros(768, np.float16))]
