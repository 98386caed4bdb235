"""What was found in submissions, as a table, as sentences and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ovbench.board.check import Checked
from ovbench.board.submission import SubmissionError, printable
from ovbench.report.sections import Section, percent


def checked_section(found: Sequence[Checked]) -> Section:
    """A line for each record: what it is, its score, and whether that was computed again."""
    rows = []
    for one in found:
        for entry in one.records:
            record = entry.record
            score = record.scores[record.headline].value
            rows.append(
                (
                    entry.id,
                    printable(record.system.name, 40),
                    f"{printable(record.task.id, 30)}/{printable(record.task.split, 20)}",
                    printable(record.protocol, 40),
                    printable(record.headline, 20),
                    percent(score),
                    "refused" if entry.problems else entry.outcome,
                    "; ".join(map(printable, entry.marks)),
                )
            )
    columns = ("record", "system", "task", "protocol", "score", "value", "check", "marks")
    return Section("Submissions", columns, tuple(rows))


def not_recomputed(found: Sequence[Checked]) -> Iterator[tuple[str, str]]:
    """File and sentence for each reason why records were not recomputed."""
    for one in found:
        reasons: dict[str, int] = {}
        for entry in one.records:
            if entry.outcome == "not recomputed" and entry.why and not entry.problems:
                reasons[entry.why] = reasons.get(entry.why, 0) + 1
        for why, count in reasons.items():
            what = "record was" if count == 1 else "records were"
            yield one.file, f"{count} {what} not recomputed: {why}"


def refuse(problems: Sequence[tuple[str, str]]) -> None:
    """Raise :class:`SubmissionError` for all problems at once, under their file's name."""
    if not problems:
        return
    files = {file for file, _ in problems}
    if len(files) == 1:
        raise SubmissionError(files.pop(), [problem for _, problem in problems])
    raise SubmissionError(
        f"{len(files)} submissions", [f"{file}: {problem}" for file, problem in problems]
    )


def checked_json(found: Sequence[Checked]) -> str:
    """``{"files": [{"file", "problems", "records"}]}`` with one trailing newline."""
    files = [
        {
            "file": one.file,
            "problems": one.problems,
            "records": [
                {
                    "id": entry.id,
                    "system": entry.record.system.name,
                    "task": entry.record.task.id,
                    "split": entry.record.task.split,
                    "protocol": entry.record.protocol,
                    "provenance": entry.record.origin.kind,
                    "outcome": entry.outcome,
                    "why": entry.why,
                    "marks": entry.marks,
                    "problems": entry.problems,
                }
                for entry in one.records
            ],
        }
        for one in found
    ]
    return json.dumps({"files": files}, indent=2) + "\n"
