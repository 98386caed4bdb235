"""How much memory and time streamed scoring takes, and whether its result is that of memory.

    python tests/benchmarks/stream_score.py --items 1000000 5000000 20000000

Predictions and gold are folders of Parquet files in a temporary folder, with label lists drawn from
the words of the shipped sample: either no two lists alike (``different``: the worst case, where
nothing can be counted once for many items) or some thousands of lists over and over. Every run is a
process of its own; what is told is its wall time and its greatest resident memory. Up to
``--compare`` items the same is scored in memory too, and the two results must be the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SAMPLE = Path(__file__).resolve().parents[2] / "ovbench" / "sample"
PART = 1_000_000


def words() -> np.ndarray:
    """Every label of the sample, as often as it occurs."""
    import numpy as np

    from ovbench.io.labels import get_parser

    parser = get_parser("open")
    found: list[str] = []
    for name, field in (("gold.jsonl", "labels"), ("careful.jsonl", "prediction")):
        for line in (SAMPLE / name).read_text("utf-8").splitlines():
            found += parser.parse(str(json.loads(line)[field])).labels
    return np.array(found)


def cells(rng: np.random.Generator, vocabulary: np.ndarray, n: int) -> list[str]:
    """Lists of up to eight different words."""
    drawn = vocabulary[rng.integers(len(vocabulary), size=(n, 8))].tolist()
    return [
        "['" + "', '".join(dict.fromkeys(row[:k])) + "']"
        for row, k in zip(drawn, rng.integers(3, 9, size=n).tolist(), strict=True)
    ]


def write_table(folder: Path, items: int, case: str, seed: int, shuffled: bool) -> None:
    """A folder of Parquet files; shuffled ones are in another order within and between files."""
    import numpy as np
    import polars as pl

    folder.mkdir()
    rng, vocabulary = np.random.default_rng(seed), words()
    few = np.array(cells(rng, vocabulary, 5000), dtype=object)
    order = np.random.default_rng(9).permutation(items) if shuffled else np.arange(items)
    for start in range(0, items, PART):
        rows = order[start : start + PART]
        if case == "different":
            lists = cells(rng, vocabulary, len(rows))
        else:
            lists = few[rng.integers(len(few), size=len(rows))].tolist()
        ids = pl.Series(rows).cast(pl.String).str.zfill(9)
        table = pl.DataFrame({"name": "sample_" + ids, "openset": lists})
        table.write_parquet(folder / f"part-{start // PART:04d}.parquet")


def measured(command: list[str], temporary: Path) -> tuple[float, float]:
    """Seconds and greatest resident memory (GB) of a whole process."""
    start = time.perf_counter()
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1e6


def run(items: int, case: str, asked: argparse.Namespace) -> dict[str, object]:
    """One size: streamed, and in memory where that can be."""
    with tempfile.TemporaryDirectory(prefix="stream-score-") as name:
        folder = Path(name)
        # In a process of its own: a child's greatest memory is told with its parent's at the fork.
        with get_context("spawn").Pool(1) as pool:
            pool.apply(write_table, (folder / "gold", items, case, 1, False))
            pool.apply(write_table, (folder / "predictions", items, case, 2, asked.shuffled))
        disk = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e9
        found: dict[str, object] = {"items": items, "case": case, "disk_gb": disk}
        engines = ["stream", "memory"] if items <= asked.compare else ["stream"]
        results = []
        for engine in engines:
            target = folder / f"{engine}.json"
            options = ["--engine", engine, "--draws", str(asked.draws), "--json", str(target)]
            command = [sys.executable, "-m", "ovbench", "score", str(folder / "predictions")]
            command += ["--gold", str(folder / "gold"), "-p", asked.protocol, *options]
            seconds, peak = measured(command, folder)
            found |= {f"{engine}_seconds": seconds, f"{engine}_peak_gb": peak}
            results.append(target.read_bytes())
        if len(results) == 2:
            found["same_bytes"] = results[0] == results[1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--cases", nargs="+", default=["repeated", "different"])
    parser.add_argument("--protocol", default="ew-open-1")
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--shuffled", action="store_true", help="predictions in another order")
    parser.add_argument("--compare", type=int, default=1_000_000, help="up to so many in memory")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for items in asked.items:
        for case in asked.cases:
            found = run(items, case, asked)
            if asked.json:
                print(json.dumps(found), flush=True)
                continue
            line = f"{items:>11,} {case:>9}: streamed {found['stream_seconds']:.1f} s, "
            line += f"peak {found['stream_peak_gb']:.2f} GB ({found['disk_gb']:.2f} GB on disk)"
            if "memory_seconds" in found:
                ratio = float(str(found["stream_seconds"])) / float(str(found["memory_seconds"]))
                line += f"; in memory {found['memory_seconds']:.1f} s, peak "
                line += f"{found['memory_peak_gb']:.2f} GB; time ratio {ratio:.2f}; "
                line += "same bytes" if found["same_bytes"] else "DIFFERENT RESULTS"
            print(line, flush=True)


if __name__ == "__main__":
    main()
