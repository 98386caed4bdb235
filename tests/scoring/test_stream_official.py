"""The official protocols on real files, batch by batch: the whole result is that of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.io.read import read_records
from ovbench.normalize.tables import add_tables
from ovbench.protocols import load_protocol
from ovbench.scoring import Options, score_files
from ovbench.scoring.stream import Threads, score_tables
from ovbench.scoring.stream_tables import tables_to_stream

pl = pytest.importorskip("polars")


@pytest.fixture(scope="module")
def home(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVBENCH_HOME", str(found))
        for name in ("affectgpt-2025", "mer2026"):
            add_tables(shared_data / "emotion_wheel" / name)
    return found


def as_parquet(source: Path, target: Path, role: str, want: str) -> Path:
    """The rows of any file as two Parquet parts."""
    records = read_records(source, role=role, want=want)  # type: ignore[arg-type]
    cells = [records.cells[code] for code in records.codes]
    cells = [list(cell) if isinstance(cell, tuple) else cell for cell in cells]
    table = pl.DataFrame({"name": list(records.ids), "label": cells})
    target.mkdir()
    for part in range(2):
        half = -(-len(table) // 2)
        table.slice(part * half, half).write_parquet(target / f"{part}.parquet")
    return target


OV_MERD = ("ov-merd/predict-openset.csv", "ov-merd/check-openset.csv")
MELD = (
    "affectgpt-outputs/results-meld/checkpoint_000030_loss_0.602-openset.npz",
    "meld/test_sent_emo.csv",
)
MOSI = (
    "affectgpt-outputs/results-cmumosi/checkpoint_000040_loss_0.569-openset-sentiment.npz",
    "merbench/cmumosi-process/label.npz",
)


@pytest.mark.parametrize(
    ("protocol", "files"),
    [
        ("ew-affectgpt-2025", OV_MERD),
        ("ew-mer2025", OV_MERD),
        ("ew-mer2026", OV_MERD),
        ("ew-ov-mer", OV_MERD),
        ("ew-open-1", OV_MERD),
        ("group-mer2024", OV_MERD),
        ("hit-affectgpt-2025", MELD),
        ("hit-mer2026", MELD),
        ("hit-open-1", MELD),
        ("closed-set", MELD),
        ("sentiment-affectgpt", MOSI),
    ],
)
def test_the_whole_result_of_real_files(
    protocol: str,
    files: tuple[str, str],
    shared_data: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OVBENCH_HOME", str(home))
    want = "sentiment" if protocol.startswith("sentiment") else "labels"
    if not (shared_data / files[0]).exists():
        pytest.skip(f"{files[0]} is not here")
    pred = as_parquet(shared_data / files[0], tmp_path / "pred", "prediction", want)
    gold = as_parquet(shared_data / files[1], tmp_path / "gold", "gold", want)
    options = Options(draws=30, on_missing="wrong", keep="first")
    if protocol == "group-mer2024":
        options = Options(draws=30, groups=str(shared_data / "ov-merd/openset-synonym.zip"))
    chosen = load_protocol(protocol)
    whole = score_files(pred, gold, chosen, options, engine="memory")
    tables = tables_to_stream(pred, gold, chosen, options, "stream", {})
    assert tables is not None
    for batch in (60, 5000):
        found = score_tables(*tables, chosen, options, Threads(2), batch)
        assert found.to_json() == whole.to_json()
