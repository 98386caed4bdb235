"""Fuzz every door for a time: ``python tests/fuzz/run.py --minutes 60``.

Each door gets its share of the time in a process of its own (:mod:`fuzz_worker`), with limits on
time and memory for each input. Inputs that were met in a way that no input may be are written to
``--out``, a file for each kind of finding; the exit code is 1 if there are any. Mend the defect,
put the file (made small) into ``tests/fuzz/corpus/DOOR/``, and the default tests replay it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from fuzz_doors import DOORS  # noqa: E402
from fuzz_guard import PATIENCE, SECONDS  # noqa: E402

SPARE = 2 * PATIENCE * SECONDS + 180
"""Seconds beyond its share after which a process is ended.

An input that never comes back ends its process itself, with a traceback, after the first part; the
rest is for imports on a busy machine.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="for all doors together")
    parser.add_argument("--doors", nargs="*", default=list(DOORS), choices=list(DOORS))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--blind", action="store_true", help="without atheris")
    given = parser.parse_args()
    guided = find_spec("atheris") is not None and not given.blind
    share = 60 * given.minutes / len(given.doors)
    print(f"seed {given.seed}, {share:.0f} s a door, {'atheris' if guided else 'blind'}")
    total: Counter[str] = Counter()
    for number, door in enumerate(given.doors):
        counts = fuzz(door, share, given.seed + number, given.out, guided)
        print(
            f"{door:18} {counts['tried']:8} inputs  {counts['milliseconds'] / 1000:7.1f} s in the "
            f"door  {counts['kinds']} kinds of findings",
            flush=True,
        )
        total.update(counts)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{total['tried']} inputs, {(used.ru_utime + used.ru_stime) / 60:.1f} minutes of the "
        f"processor, {total['kinds']} kinds of findings, seed {given.seed}"
    )
    return 1 if total["kinds"] else 0


def fuzz(door: str, seconds: float, seed: int, out: Path, guided: bool) -> Counter[str]:
    """Keep a process on a door for that time; start it again where an input ends it."""
    counts: Counter[str] = Counter()
    kinds: set[str] = set()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 1 or not counts:
        found, ending = _once(door, max(left, 1), seed, out, guided)
        for line in found:
            if "counts" in line:
                counts.update(line["counts"])
            elif line["key"] not in kinds:
                kinds.add(line["key"])
                _keep(out, door, line["key"], line["finding"], bytes.fromhex(line["data"]))
        if ending is not None:
            data = (out / f"{door}.now").read_bytes() if (out / f"{door}.now").exists() else b""
            key = f"end{len(kinds)}"
            kinds.add(key)
            _keep(out, door, key, ending, data)
        counts["starts"] += 1
        seed += 1000
        if counts["starts"] > 20:
            break
    (out / f"{door}.now").unlink(missing_ok=True)
    counts["kinds"] = len(kinds)
    return counts


def _once(
    door: str, seconds: float, seed: int, out: Path, guided: bool
) -> tuple[list[dict[str, object]], str | None]:
    """What a process told, and how it ended where it did not end well."""
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "fuzz_worker.py"), door, "--seconds", str(seconds)]
    command += ["--seed", str(seed), "--now", str(out / f"{door}.now")]
    if guided:
        command += ["--guided", str(out / "kept" / door)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + SPARE, env=environment
        )
    except subprocess.TimeoutExpired as error:
        told, last = (_decoded(text) for text in (error.stdout, error.stderr))
        return _lines(told), f"hang: the process did not end: {last[-3000:]}"
    found = _lines(done.stdout)
    well = done.returncode == 0 and any("counts" in line for line in found)
    return found, None if well else f"end {done.returncode}: {done.stderr[-3000:]}"


def _decoded(text: bytes | str | None) -> str:
    """What a process wrote before its time was up: bytes, whatever was asked for."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text or ""


def _lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _keep(out: Path, door: str, key: str, finding: str, data: bytes) -> None:
    (out / f"{door}-{key}").write_bytes(data)
    (out / f"{door}-{key}.txt").write_text(finding + "\n", "utf-8")
    print(f"  {door}: {finding[:300]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
