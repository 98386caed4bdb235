"""What starting ovbench costs, as ratios to ``python -c pass`` in the same run.

Run: ``python tests/benchmarks/start_up.py`` in the environment that is to be measured.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "ovbench" / "sample"
RUNS = 11
OVBENCH = [sys.executable, "-m", "ovbench"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "ovbench --help": [*OVBENCH, "--help"],
    "ovbench score, 60 items": [
        *(*OVBENCH, "score", str(SAMPLE / "careful.jsonl"), "--gold", str(SAMPLE / "gold.jsonl"))
    ],
}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - start)
    baseline = statistics.median(seconds["python -c pass"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:>24}: {median * 1e3:6.1f} ms, {median / baseline:5.1f} x python -c pass")


if __name__ == "__main__":
    main()
