"""Runs as a person reads them: one table over all, then each run's own sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ovbench.report.sections import Section, percent, sections, span

if TYPE_CHECKING:
    from ovbench.results import Result
    from ovbench.runs.records import RunResult


def run_sections(runs: Sequence[RunResult]) -> Iterator[Section]:
    """The table of all runs last, where a person looks first; before it what each one hides."""
    for run in runs:
        for result in run.results:
            yield from sections(result)
    yield _overview(runs)


def _overview(runs: Sequence[RunResult]) -> Section:
    rows = []
    for run in runs:
        for result in run.results:
            name, floor = _best_floor(result)
            score = result.scores[result.headline]
            margin = None if score is None or floor is None else score - floor
            rows.append(
                (
                    run.record.settings.system.name,
                    run.record.settings.task,
                    result.protocol,
                    result.headline,
                    percent(score),
                    span(result.intervals.get(result.headline)),
                    f"{percent(floor)} ({name})" if name else percent(None),
                    percent(margin),
                    _answers(run),
                )
            )
    columns = (
        *("model", "task", "protocol", "score", "value", "interval"),
        *("best trivial answer", "above it", "answers"),
    )
    return Section("Evaluation", columns, tuple(rows), _notes(runs))


def _best_floor(result: Result) -> tuple[str | None, float | None]:
    """The trivial answer that scores best on the headline."""
    found = {name: scores.get(result.headline) for name, scores in result.floors.items()}
    known = {name: value for name, value in found.items() if value is not None}
    if not known:
        return None, None
    best = max(known, key=lambda name: known[name])
    return best, known[best]


def _answers(run: RunResult) -> str:
    """``332 ok, 1 empty``: what became of the items."""
    return ", ".join(f"{count} {status}" for status, count in run.statuses.items() if count)


def _notes(runs: Sequence[RunResult]) -> tuple[str, ...]:
    notes = []
    for run in runs:
        speed = (
            f"{run.cost.items / run.cost.seconds:.1f} items/s" if run.cost.seconds else "no work"
        )
        resumed = f", {run.resumed} answers kept from before" if run.resumed else ""
        notes.append(f"{run.folder}: {speed}{resumed}")
        if not run.comparable:
            why = (
                "its context is made from gold" if run.record.settings.system.oracle else "limited"
            )
            notes.append(f"{run.folder} does not compare with other runs: {why}")
    if any(r.headline == "hit_rate" for run in runs for r in run.results):
        notes.append(
            "a hit rate is a recall, and naming every label scores 100; its precision is above"
        )
    notes.append("trivial answers with k labels follow the number of labels that the model gives")
    return tuple(notes)
