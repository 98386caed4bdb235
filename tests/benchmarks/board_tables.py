"""How long the tables of a board of 2,000 records take.

Run: ``python tests/benchmarks/board_tables.py [--json]``

Two boards: *answers*, 20 tables of 100 systems with a prediction for each of TinyOV's 332 items,
hardly any two alike, so that every pair is tested on the items; and *intervals*, one table of 2,000
systems with an interval each, so that 1,999,000 pairs are tested. Seconds are of the processor, one
thread. The baseline is what reading the same records costs: parsing their JSON with pydantic. The
exit status is 1 where a board takes more than ``LIMIT`` seconds.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ovbench.board.items import answers_to
from ovbench.board.record import (
    Checkpoint,
    Origin,
    PredictionEntry,
    Record,
    ScoreEntry,
    SystemEntry,
    TaskEntry,
)
from ovbench.board.store import Board, Entry
from ovbench.board.tables import tables
from ovbench.tasks import load_task

TABLES, SYSTEMS = 20, 100
LIMIT = 12.0


@dataclass(frozen=True)
class Timing:
    """Processor seconds of one board; ``ratio`` is ``tables`` over ``parsing``."""

    board: str
    records: int
    tables: float
    parsing: float
    ratio: float


def with_answers() -> list[Record]:
    """20 tables, told apart by their signature, of 100 systems that know 30 to 70 % of gold."""
    task = load_task("tinyov")
    draw = random.Random(0)
    words = sorted({label for gold in task.gold.values() for label in gold.labels})
    about = TaskEntry(id=task.id, split=task.split, digest=task.digest(), items=len(task.items))
    records = []
    for table in range(TABLES):
        rows = []
        for system in range(SYSTEMS):
            share = 0.3 + 0.4 * system / SYSTEMS
            predictions = []
            for name, gold in task.gold.items():
                labels = tuple(
                    label if draw.random() < share else draw.choice(words) for label in gold.labels
                )
                predictions.append(PredictionEntry(id=name, labels=labels, text=", ".join(labels)))
            rows.append(
                Record(
                    system=SystemEntry(name=f"system {system}"),
                    checkpoint=Checkpoint(selection="dev"),
                    task=about,
                    protocol="ew-open-1",
                    signature=f"ew-open-1|table:{table}",
                    headline="f1",
                    scores={"f1": ScoreEntry(value=0)},
                    origin=Origin(kind="measured"),
                    predictions=tuple(predictions),
                )
            )
        answers = answers_to(rows)
        for system, row in enumerate(rows):
            value = float(answers.finish(answers.values(system).sum(axis=0).astype(float))["f1"])
            records.append(row.model_copy(update={"scores": {"f1": ScoreEntry(value=value)}}))
    return records


def with_intervals(records: list[Record]) -> list[Record]:
    """The same systems in one table, with intervals in place of answers."""
    found = []
    for number, record in enumerate(records):
        value = record.scores["f1"].value
        score = ScoreEntry(value=value, low=value - 0.04, high=value + 0.04)
        system = SystemEntry(name=f"system {number}")
        copied = Origin(kind="published", source="a paper")
        change = {"predictions": (), "signature": "one", "scores": {"f1": score}, "system": system}
        change |= {"origin": copied}
        found.append(record.model_copy(update=change))
    return found


def seconds(work: Callable[[], object]) -> float:
    """Processor time, the best of two."""
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def measure(name: str, records: list[Record]) -> Timing:
    """Tables of a board, and parsing the same board."""
    board = Board(tuple(Entry(f"{n:012x}", one, "x.json") for n, one in enumerate(records)))
    texts = [record.model_dump_json() for record in records]
    parsing = seconds(lambda: deque(map(Record.model_validate_json, texts), maxlen=0))
    made = seconds(lambda: tables(board))
    return Timing(name, len(records), made, parsing, made / parsing)


def main() -> int:
    """Print both timings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    records = with_answers()
    found = [measure("answers", records), measure("intervals", with_intervals(records))]
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            print(
                f"{one.board}: {one.records} records, tables {one.tables:.2f} s, "
                f"parsing {one.parsing:.2f} s, ratio {one.ratio:.1f}"
            )
    return int(any(one.tables > LIMIT for one in found))


if __name__ == "__main__":
    sys.exit(main())
