"""What ``test_stream_ray`` runs in a process of its own, as Ray leaves processes behind.

Reads a list of scorings (JSON) from standard input, does each on a Ray of two workers, and prints a
line of JSON for each: its result, or its error, and how many workers were killed on the way.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ovbench.errors import OvbenchError
from ovbench.protocols import load_protocol
from ovbench.scoring import Options, score_files
from ovbench.scoring.stream import Job, Summed, score_tables
from ovbench.scoring.stream_ray import RayTasks, cluster
from ovbench.scoring.stream_tables import tables_to_stream


def at_work(task: str) -> list[int]:
    """Processes that are at work on this Ray task."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                title = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(f"ray::{task}".encode()):
                found.append(int(folder.name))
    return found


class Killing(RayTasks):
    """Kills a worker at work with SIGKILL after the first result."""

    killed = 0

    def each(self, job: Job, work: Callable[[Job, int], Any], n: int) -> Iterator[Any]:
        return self._killing(super().each(job, work, n), "_work")

    def by_id(self, job: Job) -> Iterator[Summed]:
        return self._killing(super().by_id(job), "_score")

    def _killing(self, results: Iterator[Any], task: str) -> Iterator[Any]:
        for result in results:
            until = time.monotonic() + 20
            while not self.killed and time.monotonic() < until:
                for pid in at_work(task)[:1]:
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1
            yield result


def scored(case: dict[str, Any]) -> dict[str, object]:
    """One scoring: by the engine's name, or in batches with a worker killed."""
    options = Options(**case["options"])
    try:
        if not case["kill"]:
            result = score_files(
                case["pred"], case["gold"], case["protocol"], options, engine="ray"
            )
            return {"result": result.to_json(), "killed": 0}
        protocol = load_protocol(case["protocol"])
        pair = tables_to_stream(case["pred"], case["gold"], protocol, options, "ray", {})
        assert pair is not None
        engine = Killing()
        result = score_tables(*pair, protocol, options, engine, batch=case["kill"])
        return {"result": result.to_json(), "killed": engine.killed}
    except OvbenchError as error:
        return {"error": str(error), "killed": 0}


def main() -> None:
    import ray

    cases = json.load(sys.stdin)
    for attempt in range(5):
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            break
        except Exception:  # a busy machine may not start it in Ray's 30 seconds
            if attempt == 4:
                raise
            ray.shutdown()
    with cluster():
        for case in cases:
            print(json.dumps(scored(case)), flush=True)
    assert ray.is_initialized()  # a cluster that was there is left as it is
    ray.shutdown()


if __name__ == "__main__":
    main()
