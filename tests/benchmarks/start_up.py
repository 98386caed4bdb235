"""What starting ovbench costs, as ratios to ``python -c pass`` in the same run.

Run: ``python tests/benchmarks/start_up.py`` in the environment that is to be measured. All commands
run once before, so that Python has kept its compiled modules, as an installation has.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "ovbench" / "sample"
RUNS = 11
ITEMS = 332
OVBENCH = [sys.executable, "-m", "ovbench"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        predictions, gold = (of_items(name, Path(folder)) for name in ("careful", "gold"))
        measure(
            {
                "python -c pass": [sys.executable, "-c", "pass"],
                "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
                "ovbench --help": [*OVBENCH, "--help"],
                f"ovbench score, {ITEMS} items": [*OVBENCH, "score", predictions, "--gold", gold],
            }
        )


def of_items(name: str, folder: Path) -> str:
    """The sample's file ``name``, repeated under other ids to as many items as OV-MERD+ has."""
    lines = [json.loads(line) for line in (SAMPLE / f"{name}.jsonl").read_text().splitlines()]
    again = [lines[k % len(lines)] | {"id": f"clip_{k:04d}"} for k in range(ITEMS)]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in again))
    return str(path)


def measure(commands: dict[str, list[str]]) -> None:
    """Print each command's median time, and its ratio to the first's; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(RUNS + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    baseline = statistics.median(next(iter(seconds.values())))
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:>26}: {median * 1e3:6.1f} ms, {median / baseline:5.1f} x python -c pass")


if __name__ == "__main__":
    main()
