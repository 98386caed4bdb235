"""How long ``ovbench score`` takes on a million items, against Polars and against plain Python.

Run: ``python tests/benchmarks/scoring_speed.py [--items 1000000] [--data ../shared/data] [--json]``

Three figures of one run:

- whole processes: ``ovbench score`` of two Parquet files (five wheels, two levels, counts, floors,
  no bootstrap) against a Python process in which Polars reads the same two files and splits their
  label lists into words. Once with the real label lists repeated, once with every list different.
- per item, start-up left out on both sides: the same against a scorer of the same metric in plain
  Python sets, item by item.
- the bootstrap: 10,000 draws over 30,000 items.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "ovbench" / "sample"
PROTOCOL = "ew-open-1"
POLARS = """
import sys, polars as pl
for path in sys.argv[1:]:
    cells = pl.read_parquet(path)["openset"]
    words = cells.str.strip_chars("[]").str.split(",").explode().str.strip_chars(" '\\"")
print(len(words))
"""


def label_lists(data: Path) -> tuple[list[str], list[str], str]:
    """Real gold and predicted label lists, or those of the sample."""
    folder = data / "ov-merd"
    if folder.is_dir():
        sides = [folder / "check-openset.csv", folder / "predict-openset.csv"]
        gold, pred = (
            [row["openset"] for row in csv.DictReader(path.open(encoding="utf-8"))]
            for path in sides
        )
        return gold, pred, "OV-MERD"
    gold_rows, pred_rows = (
        [json.loads(line) for line in (SAMPLE / name).read_text("utf-8").splitlines()]
        for name in ("gold.jsonl", "careful.jsonl")
    )
    gold = [str(row["labels"]) for row in gold_rows]
    return gold, [str(row["prediction"]) for row in pred_rows], "the sample"


def words_of(cells: Iterable[str]) -> list[str]:
    """Every word of the lists, as often as it occurs."""
    words = (word.strip(" '\"[]") for cell in cells for word in cell.split(","))
    return [word for word in words if word]


def different_lists(words: list[str], items: int, seed: int) -> list[str]:
    """As many label lists as items, no two alike, with words as frequent as they are."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < items:
        labels = dict.fromkeys(draw.choices(words, k=draw.randint(3, 8)))
        found["['" + "', '".join(labels) + "']"] = None
    return list(found)


def write(path: Path, cells: list[str]) -> Path:
    import polars as pl

    names = [f"sample_{i:08d}" for i in range(len(cells))]
    pl.DataFrame({"name": names, "openset": cells}).write_parquet(path)
    return path


def measured(command: list[str], runs: int) -> tuple[float, float]:
    """Median seconds and greatest peak memory (MB) of a whole process."""
    seconds, peak = [], 0.0
    for _ in range(runs):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"failed: {' '.join(command)}")
        seconds.append(time.perf_counter() - start)
        peak = max(peak, usage.ru_maxrss / 1e3)
    return statistics.median(seconds), peak


def against_polars(folder: Path, gold: list[str], pred: list[str], runs: int) -> dict[str, float]:
    files = [write(folder / "gold.parquet", gold), write(folder / "pred.parquet", pred)]
    options = ["--gold", str(files[0]), "-p", PROTOCOL, "--draws", "0", "--json", "-"]
    ours, peak = measured([sys.executable, "-m", "ovbench", "score", str(files[1]), *options], runs)
    baseline, _ = measured([sys.executable, "-c", POLARS, *map(str, files)], runs)
    return {
        "seconds": ours,
        "polars_seconds": baseline,
        "ratio": ours / baseline,
        "peak_mb": peak,
    }


def in_process_us(folder: Path, items: int, runs: int) -> float:
    """Microseconds per item of the same score once Python has started, reading included."""
    from ovbench.scoring import Options, score_files

    seconds = []
    for _ in range(runs + 1):  # the first one imports
        start = time.perf_counter()
        score_files(
            str(folder / "pred.parquet"), str(folder / "gold.parquet"), PROTOCOL, Options(draws=0)
        )
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:]) / items * 1e6


def plain_python_us(gold: list[str], pred: list[str], items: int = 3000) -> float:
    """Microseconds per item of the same metric in plain Python, item by item.

    The same parser reads each cell, each label's clusters come from a ready dictionary, and sets
    are compared ring by ring.
    """
    from ovbench.io.labels import get_parser
    from ovbench.normalize.opening import open_normalizer

    normalizer, parser = open_normalizer(), get_parser("open")
    pairs = [(gold[i % len(gold)], pred[i % len(pred)]) for i in range(items)]
    labels = sorted(
        {label for pair in pairs for cell in pair for label in parser.parse(cell).labels}
    )
    clusters = dict(zip(labels, normalizer.map(labels).codes.tolist(), strict=True))
    rings = range(len(normalizer.rings))

    def sets(cell: str) -> list[set[int]]:
        found = [clusters[label] for label in parser.parse(cell).labels]
        return [{row[ring] for row in found} - {-1} for ring in rings]

    start = time.perf_counter()
    sums = [[0, 0.0, 0.0] for _ in rings]
    for gold_cell, pred_cell in pairs:
        for total, g, p in zip(sums, sets(gold_cell), sets(pred_cell), strict=True):
            if g:
                total[0] += 1
                total[1] += len(g & p) / len(p) if p else 0.0
                total[2] += len(g & p) / len(g)
    return (time.perf_counter() - start) / items * 1e6


def bootstrap_seconds(gold: list[str], pred: list[str], runs: int) -> dict[str, float]:
    """10,000 draws over 30,000 items: the real lists repeated, and with every list different."""
    from ovbench.metrics.intervals import bootstrap
    from ovbench.protocols import load_protocol
    from ovbench.scoring import Options
    from ovbench.scoring.evaluate import evaluate
    from ovbench.scoring.prepare import prepare, read_gold, read_predictions

    protocol, options = load_protocol(PROTOCOL), Options()
    items = 30_000
    words = words_of([*gold, *pred])
    cases = {
        "repeated": ([gold[i % len(gold)] for i in range(items)],
                     [pred[i % len(pred)] for i in range(items)]),
        "different": (different_lists(words, items, 1), different_lists(words, items, 2)),
    }  # fmt: skip
    found = {}
    for name, (g, p) in cases.items():
        sides = [dict(enumerate_ids(cells)) for cells in (g, p)]
        prepared = prepare(
            read_predictions(sides[1], protocol, options),
            read_gold(sides[0], protocol, options),
            options,
        )
        evaluated = evaluate(prepared, protocol, options).statistics
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            bootstrap(evaluated, draws=10_000, seed=0)
            times.append(time.perf_counter() - start)
        found[name] = statistics.median(times)
    return found


def enumerate_ids(cells: list[str]) -> Iterable[tuple[str, str]]:
    return ((f"sample_{i:08d}", cell) for i, cell in enumerate(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    gold, pred, source = label_lists(asked.data)
    words = words_of([*gold, *pred])
    n = asked.items
    report: dict[str, object] = {"items": n, "labels": source}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repeated = ([side[i % len(side)] for i in range(n)] for side in (gold, pred))
        report["repeated"] = against_polars(folder, *repeated, asked.runs)
        report["us_per_item"] = ours = in_process_us(folder, n, asked.runs)
        lists = (different_lists(words, n, seed) for seed in (1, 2))
        report["different"] = against_polars(folder, *lists, asked.runs)
    plain = plain_python_us(gold, pred)
    report["plain_python"] = {"us_per_item": plain, "ratio": plain / ours}
    report["bootstrap_seconds"] = bootstrap_seconds(gold, pred, asked.runs)
    if asked.json:
        print(json.dumps(report, indent=2))
        return
    print(f"{n:,} items with label lists of {source}; medians of {asked.runs} runs")
    for case in ("repeated", "different"):
        row = report[case]
        assert isinstance(row, dict)
        print(
            f"{case:>10}: ovbench score {row['seconds']:.2f} s, Polars read and split "
            f"{row['polars_seconds']:.2f} s, ratio {row['ratio']:.2f}, peak {row['peak_mb']:.0f} MB"
        )
    print(f"plain Python: {plain:.1f} us per item, ours {ours:.2f} us, ratio {plain / ours:.0f}")
    print(f"bootstrap of 10,000 draws over 30,000 items, seconds: {report['bootstrap_seconds']}")


if __name__ == "__main__":
    main()
