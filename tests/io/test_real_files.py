"""The doors on the field's own files, against NumPy's and Python's own reading of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ovbench.io.align import align
from ovbench.io.labels import Status, get_parser, parse_cells
from ovbench.io.read import read_records
from ovbench.io.records import Records
from ovbench.io.safe_pickle import load_npz


def cells(records: Records) -> list[object]:
    return [records.cells[code] for code in records.codes]


def stock(path: Path) -> dict[str, object]:
    """What NumPy's own, trusting reader gives."""
    with np.load(path, allow_pickle=True) as archive:
        return {name: archive[name].tolist() for name in archive.files}


def test_every_npz_is_what_numpy_reads(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.npz"))
    assert len(paths) >= 9
    for path in paths:
        assert load_npz(path) == stock(path), path.name


def test_outputs(shared_data: Path) -> None:
    paths = [*shared_data.rglob("*-openset.npz"), *shared_data.rglob("*-sentiment.npz")]
    assert paths
    for path in paths:
        raw = stock(path)
        records = read_records(path, want="sentiment" if "sentiment" in path.name else "labels")
        assert (records.ids, cells(records)) == (raw["filenames"], raw["fileitems"])


def test_reasons_are_sentences(shared_data: Path) -> None:
    for path in (shared_data / "ov-mer").glob("*/*-eng.npz"):
        raw = stock(path)["name2reason"]
        records = read_records(path)
        assert dict(zip(records.ids, cells(records), strict=True)) == raw
        status = parse_cells(records.cells, get_parser("open")).status
        assert (status == Status.UNPARSABLE).all()


def test_meld(shared_data: Path) -> None:
    gold = read_records(shared_data / "merbench/meld-process/label.npz", role="gold", want="class")
    table = read_records(shared_data / "meld/test_sent_emo.csv", role="gold", want="class")
    outputs = (
        shared_data / "affectgpt-outputs/results-meld/checkpoint_000030_loss_0.602-openset.npz"
    )
    predictions = read_records(outputs)
    assert len(table.ids) == 2610
    assert set(table.ids) == set(gold.ids) == set(predictions.ids)
    found = align(table, gold)
    assert found.missing == found.extra == found.duplicates == []
    # Two sources of the same gold: the label numbers are named rightly.
    assert [table.cells[table.codes[row]] for row in found.rows] == cells(gold)
    for split, size in {"train": 9989, "val": 1109, "test_corpus": 2610}.items():
        path = shared_data / "merbench/meld-process/label.npz"
        assert len(read_records(path, role="gold", split=split).ids) == size


def test_mosi(shared_data: Path) -> None:
    path = shared_data / "merbench/cmumosi-process/label.npz"
    gold = read_records(path, role="gold", want="sentiment")
    raw = stock(path)["test_corpus"]
    assert isinstance(raw, dict)
    assert dict(zip(gold.ids, cells(gold), strict=True)) == {k: v["val"] for k, v in raw.items()}
    assert len(gold.ids) == 686


def test_ov_merd(shared_data: Path) -> None:
    folder = shared_data / "ov-merd"
    for name in ("check-openset.csv", "predict-openset.csv"):
        records = read_records(folder / name)
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(records.ids) == 332
        assert records.ids == [row["name"] for row in rows]
        assert cells(records) == [row["openset"] for row in rows]
    groups = read_records(folder / "openset-synonym.zip")
    assert set(groups.ids) == set(records.ids)
    assert all(isinstance(cell, str) and cell.startswith("[[") for cell in cells(groups))


@pytest.mark.parametrize("parser", ["affectgpt", "open"])
def test_gold_labels_are_all_read(shared_data: Path, parser: str) -> None:
    records = read_records(shared_data / "ov-merd/check-openset.csv", role="gold")
    with (shared_data / "ov-merd/check-openset.csv").open(encoding="utf-8") as file:
        rows = [row["openset"].strip("[]") for row in csv.DictReader(file)]
    expected = [[x.strip(" '\"").lower() for x in row.split(",")] if row else [] for row in rows]
    found = parse_cells(records.cells, get_parser(parser))
    lists = [
        [found.vocabulary[i] for i in found.labels[found.offsets[c] : found.offsets[c + 1]]]
        for c in records.codes
    ]
    assert [sorted(set(x)) for x in lists] == [sorted(set(x)) for x in expected]
    assert not (found.status == Status.UNPARSABLE).any()
