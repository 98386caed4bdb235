"""What intervals and paired tests cost on a test set of common size, beside the least they need.

Run: ``OMP_NUM_THREADS=1 python tests/benchmarks/bootstrap_speed.py [--items 332] [--columns 30]``

10,000 draws need draws x items random integers and draws x items x columns multiply-adds. These
alone, in NumPy's own generator and matrix product, each in one call, are the floor. One thread,
processor time, the median of interleaved repetitions.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from ovbench.metrics.intervals import bootstrap
from ovbench.metrics.significance import paired
from ovbench.metrics.statistics import Statistics

DRAWS = 10_000
REPETITIONS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--items", type=int, default=332)
    parser.add_argument("--columns", type=int, default=30)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = given.items, given.columns
    ours, theirs = rng.integers(0, 12, (2, *shape))

    def finish(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {f"mean{k}": sums[..., k] / given.items for k in range(given.columns)}

    def least() -> None:
        drawn = rng.integers(given.items, size=(DRAWS, given.items))
        drawn.astype(np.float64) @ ours.astype(np.float64)

    ones = np.ones(given.items, dtype=np.int64)
    measured: dict[str, Callable[[], object]] = {
        "random integers and one product": least,
        "bootstrap": lambda: bootstrap(Statistics(ours, ones, finish), draws=DRAWS, threads=1),
        "paired": lambda: paired(ours, theirs, finish, draws=DRAWS, threads=1),
    }
    seconds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(REPETITIONS):
        for name, work in measured.items():
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)
    floor = statistics.median(seconds["random integers and one product"])
    print(f"{DRAWS:,} draws of {given.items:,} items, {given.columns} columns")
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"{name:>32}: {1e3 * median:7.1f} ms, {median / floor:5.2f} x the floor")


if __name__ == "__main__":
    main()
