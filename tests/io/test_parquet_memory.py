"""Small Parquet files that stand for much text take no memory to match."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ovbench.errors import InputError
from ovbench.io import parquet_text
from ovbench.io.files import parquet_files
from ovbench.io.parquet_text import text_bytes
from ovbench.io.read import read_records

pl = pytest.importorskip("polars")

ROWS, LONG = 4000, "sad, " * 100_000
RUN = """
import resource
resource.setrlimit(resource.RLIMIT_DATA, (1_500_000_000,) * 2)
from ovbench.__main__ import main
main()
"""


def repeated(dtype: object) -> object:
    return pl.Series("label", [LONG], dtype=dtype).new_from_index(0, ROWS)


def save(path: Path, **columns: object) -> Path:
    pl.DataFrame(columns).write_parquet(path)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
@pytest.mark.parametrize("engine", ["memory", "stream"])
def test_a_long_cell_in_every_row(engine: str, tmp_path: Path) -> None:
    ids = [str(i) for i in range(ROWS)]
    pred = save(tmp_path / "pred.parquet", id=ids, label=repeated(pl.Categorical))
    gold = save(tmp_path / "gold.parquet", id=ids, label=["sad"] * ROWS)
    assert pred.stat().st_size < 10_000
    command = ["score", str(pred), "--gold", str(gold), "--engine", engine, "--json", "-"]
    run = subprocess.run(
        [sys.executable, "-c", RUN, *command], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.String])
def test_long_ids_and_columns(dtype: object, tmp_path: Path) -> None:
    more = repeated(dtype)
    path = save(
        tmp_path / "p.parquet", id=[str(i) for i in range(ROWS)], label=["x"] * ROWS, w=more
    )
    with pytest.raises(InputError, match=r"'w' is 2\.0 GB of text in 4,000 rows"):
        read_records(path, extra=("w",))
    path = save(tmp_path / "q.parquet", id=more, label=["x"] * ROWS)
    with pytest.raises(InputError, match=r"'id' is 2\.0 GB of text"):
        read_records(path)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["c", "b", "a"]), pl.String])
def test_categories_are_their_text(dtype: object, tmp_path: Path) -> None:
    words = ["b", None, "a", "b", None, "c"]
    column = pl.Series(words, dtype=dtype)
    path = save(tmp_path / "p.parquet", id=list("uvwxyz"), label=column, who=column)
    found = read_records(path, extra=("who",))
    assert [found.cells[code] for code in found.codes] == words
    assert found.columns["who"] == [word or "" for word in words]
    alone = save(tmp_path / "q.parquet", id=pl.Series(list("abc"), dtype=dtype), label=["x"] * 3)
    assert read_records(alone).ids == list("abc")


def test_long_cells_are_looked_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ovbench.io import parquet

    monkeypatch.setattr(parquet, "_FEW_CELLS", 3)
    cells = ["a", "b", "c", *["long, longer"] * 4]
    path = save(tmp_path / "p.parquet", id=list("tuvwxyz"), label=cells)
    monkeypatch.setattr(parquet, "_SAMPLE", 3)
    assert len(read_records(path).cells) == 7
    monkeypatch.setattr(parquet_text, "FREE_BYTES", 7)
    monkeypatch.setattr(parquet_text, "MAX_MEAN_BYTES", 1)
    labels = ["a", "b", "c", "long, longer"]
    path = save(tmp_path / "p.parquet", id=list("tuvwxyz"), label=cells)
    found = read_records(path)
    assert list(found.cells) == labels


def test_bytes_beyond_32_bits() -> None:
    assert text_bytes(pl.Series(["é" * 10**6]).new_from_index(0, 3000)) == 6 * 10**9


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "a.parquet", id=["a"], label=["x"])
    for name in ("._a.parquet", ".h.parquet"):
        (tmp_path / name).write_bytes(b"not Parquet")
    assert parquet_files(tmp_path) == (tmp_path / "a.parquet",)
    assert read_records(tmp_path).ids == ["a"]
