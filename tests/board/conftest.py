"""Real runs of a trivial system, and the records that they make."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.board.make import record_of_run
from ovbench.board.record import Record
from ovbench.board.submission import submission_text
from ovbench.runs.evaluate import EvalOptions
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.records import RunResult
from ovbench.scoring import Options

COMMAND = "/home/somebody/.venv/bin/ovbench eval --model frequent-k -o /scratch/somebody/runs"


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunResult]:
    """frequent-k on every view of TinyOV."""
    tasks = ("tinyov", "tinyov-6class", "tinyov-sentiment")
    options = EvalOptions(command=COMMAND, scoring=Options(draws=200, seed=3, confidence=0.9))
    return evaluate_recipe(
        "frequent-k", tasks, out=tmp_path_factory.mktemp("runs"), options=options
    )


@pytest.fixture(scope="session")
def run_records(finished_runs: list[RunResult]) -> tuple[Record, ...]:
    """Their records, one per protocol."""
    return tuple(found for run in finished_runs for found in record_of_run(run.folder))


@pytest.fixture
def submission(run_records: tuple[Record, ...], tmp_path: Path) -> Path:
    """Them in a file."""
    path = tmp_path / "mine.json"
    path.write_text(submission_text(run_records), "utf-8")
    return path
