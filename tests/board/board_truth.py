"""Scores by another way: the task's gold and the predictions as two files."""

from __future__ import annotations

import json
from pathlib import Path

from ovbench.results import Result
from ovbench.scoring import Options, score_files
from ovbench.tasks import Task


def scored_as_files(predictions: Path, task: Task, protocol: str, options: Options) -> Result:
    """What ``ovbench score PREDICTIONS --gold GOLD`` gives."""
    gold = predictions.with_name("gold.jsonl")
    lines = [
        json.dumps({"id": name, "label": value}) + "\n"
        for name, value in task.gold_source().items()
    ]
    gold.write_text("".join(lines), "utf-8")
    return score_files(predictions, gold, protocol, options)
