"""Records from what was done: from a finished run, or from somebody's predictions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError as PydanticError

from ovbench import __version__
from ovbench.board.explain import explain
from ovbench.board.provenance import public_command, training_of
from ovbench.board.record import (
    Checkpoint,
    CostEntry,
    Origin,
    PredictionEntry,
    Record,
    Selection,
    SystemEntry,
    TaskEntry,
)
from ovbench.board.rescore import Figures, labels_in, parser_of, rescore
from ovbench.board.submission import SubmissionError
from ovbench.errors import InputError
from ovbench.io.labels import LabelParser
from ovbench.io.read import read_records
from ovbench.runs.preflight import Preflight
from ovbench.runs.records import Cost, Prediction, RunRecord
from ovbench.runs.scores import with_batch
from ovbench.runs.store import COST, read_record, read_run
from ovbench.scoring import Options
from ovbench.tasks import load_task
from ovbench.tasks.polarity import polarity_of_number

if TYPE_CHECKING:
    from ovbench.io.records import Cell
    from ovbench.tasks import Task

_SHOWN = 5
UNTRAINED = ("constant", "external", "pipeline")
"""Kinds of systems that ovbench does not train: a run's seed is that of its draws."""


def record_of_run(
    folder: str | Path,
    *,
    selection: Selection | None = None,
    note: str | None = None,
    data: str | Path | None = None,
) -> tuple[Record, ...]:
    """One record per protocol of a finished run's task, the headline first.

    The scores are computed again from the run's predictions, under the draws, seed and confidence
    of the run's own results.

    Parameters
    ----------
    selection:
        How the checkpoint was chosen; by default ``dev`` where the training report of the very
        adapter is at hand (its best step is chosen on dev), ``fixed`` for a trivial system, which
        has none, else ``unknown``: of programs made elsewhere a run cannot tell.
    data:
        The data folder, for tasks that do not ship.

    Raises
    ------
    InputError
        If the folder is no run, the run is limited or not finished, its task has changed since, or
        the task's data is not here.
    """
    with _problems_of(str(folder)):
        return _of_run(Path(folder), selection, note, data)


def _of_run(
    home: Path, selection: Selection | None, note: str | None, data: str | Path | None
) -> tuple[Record, ...]:
    run, predictions = read_run(home)
    settings, about = run.settings, run.settings.system
    task = load_task(settings.task, settings.split, data, clips=False)
    _whole(home, run, task, predictions)
    training = training_of(home, run)
    parser = parser_of(task)
    entries = tuple(_entry(predictions[item.id], parser) for item in task.items)
    preflight = home / "preflight.json"
    batch = read_record(preflight, Preflight).batch_dependent if preflight.is_file() else None
    cost = read_record(home / COST, Cost) if (home / COST).is_file() else Cost()
    system = SystemEntry(
        name=about.name,
        kind=about.kind,
        recipe=about.recipe,
        base=about.base,
        backbone=training[1] if training else None,
        scale=about.scale,
        seed=settings.seed if about.kind in UNTRAINED else about.training_seed,
        context_source=about.context_source,
        oracle=about.oracle,
    )
    if selection is None:
        selection = "fixed" if about.kind == "constant" else "dev" if training else "unknown"
    return _records(
        task,
        entries,
        _options_of(home),
        batch=batch,
        system=system,
        checkpoint=Checkpoint(digest=about.adapter, selection=selection),
        cost=CostEntry(
            trainable_parameters=training[0].trainable_parameters
            if training
            else 0
            if about.kind == "constant"
            else None,
            peak_memory_bytes=cost.peak_bytes,
            seconds=cost.seconds or None,
            tokens=cost.tokens if cost.seconds and about.kind != "constant" else None,
            device=about.device,
        ),
        versions={**settings.versions, "platform": run.platform[:200]},
        origin=Origin(kind="measured", note=note, command=public_command(run.command)),
    )


def record_of_predictions(
    predictions: str | Path,
    task: str,
    *,
    system: str,
    source: str,
    split: str | None = None,
    selection: Selection = "unknown",
    oracle: bool = False,
    setting: dict[str, str] | None = None,
    note: str | None = None,
    options: Options | None = None,
    data: str | Path | None = None,
) -> tuple[Record, ...]:
    """One record per protocol of a task, from a file of predictions that somebody made elsewhere.

    Parameters
    ----------
    predictions:
        A file of any format that ``ovbench score`` reads, with every item of the split.
    system:
        What the system is called.
    source:
        Where the predictions can be had, or who made them.
    oracle:
        The system saw gold labels: an upper bound.

    Raises
    ------
    InputError
        If the file cannot be read, or its ids are not those of the task, each once.
    """
    with _problems_of(str(predictions)):
        return _of_predictions(
            predictions,
            load_task(task, split, data, clips=False),
            options or Options(),
            system=SystemEntry(name=system, oracle=oracle, setting=setting or {}),
            checkpoint=Checkpoint(selection=selection),
            origin=Origin(kind="recomputed", source=source, note=note),
        )


def _of_predictions(
    predictions: str | Path,
    task: Task,
    options: Options,
    *,
    system: SystemEntry,
    checkpoint: Checkpoint,
    origin: Origin,
) -> tuple[Record, ...]:
    records = read_records(predictions, role="prediction", want=task.answers)
    _complete(str(predictions), records.ids, task)
    parser = parser_of(task)
    cells = {
        name: records.cells[code]
        for name, code in zip(records.ids, records.codes.tolist(), strict=True)
    }
    entries = tuple(_foreign(item.id, cells[item.id], parser, task) for item in task.items)
    return _records(
        task,
        entries,
        options,
        system=system,
        checkpoint=checkpoint,
        cost=CostEntry(),
        versions={"ovbench": __version__},
        origin=origin,
    )


@contextmanager
def _problems_of(where: str) -> Iterator[None]:
    """What a record cannot hold (a text too long, an empty name), told a sentence each."""
    try:
        yield
    except PydanticError as error:
        raise SubmissionError(where, explain(error, Record, "")) from None


def _records(
    task: Task,
    entries: tuple[PredictionEntry, ...],
    options: Options,
    *,
    system: SystemEntry,
    checkpoint: Checkpoint,
    cost: CostEntry,
    versions: dict[str, str],
    origin: Origin,
    batch: int | None = None,
) -> tuple[Record, ...]:
    def one(protocol: str) -> Record:
        found: Figures = rescore(task, protocol, entries, options)
        return Record(
            system=system,
            checkpoint=checkpoint,
            task=TaskEntry(
                id=task.id, split=task.split, digest=task.digest(), items=len(task.items)
            ),
            protocol=protocol,
            signature=with_batch(found.signature, batch),
            headline=found.headline,
            scores=found.scores,
            interval=found.interval,
            counts=found.counts,
            floors=found.floors,
            cost=cost,
            versions=versions,
            origin=origin,
            predictions=entries,
        )

    return tuple(one(protocol) for protocol in task.protocols)


def _whole(home: Path, run: RunRecord, task: Task, predictions: dict[str, Prediction]) -> None:
    """Refuse a run of part of the task, an unfinished one, and one of another state of the task."""
    settings = run.settings
    if settings.items < len(task.items):
        raise InputError(
            f"the run is limited to {settings.items} of {len(task.items)} items",
            where=str(home),
            expected="a run of the whole task",
            mend="evaluate again without --limit",
        )
    if settings.task_digest != task.digest():
        raise InputError(
            f"items or gold of {task.id} are not those that the run answered",
            where=str(home),
            mend="evaluate again",
        )
    if predictions.keys() != {item.id for item in task.items}:
        raise InputError(
            f"{len(predictions)} of {len(task.items)} items are answered",
            where=str(home),
            expected="a finished run",
            mend="give the command that began it again: it goes on from there",
        )


def _options_of(home: Path) -> Options:
    """Draws, seed and confidence of the run's last results."""
    files = sorted(home.glob("results_*.json"))
    if not files:
        raise InputError(
            "there are no results",
            where=str(home),
            expected="a finished run",
            mend="give the command that began it again: it goes on from there",
        )
    try:
        method = json.loads(files[-1].read_text("utf-8"))["results"][0]["interval_method"]
        if method is None:
            return Options(draws=0)
        return Options(
            draws=int(method["draws"]),
            seed=int(method["seed"]),
            confidence=float(method["confidence"]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise InputError(
            "this is no file of results", where=str(files[-1]), mend="evaluate again"
        ) from None


def _entry(prediction: Prediction, parser: LabelParser) -> PredictionEntry:
    if prediction.status == "error":
        return PredictionEntry(id=prediction.id)
    text = prediction.text
    return PredictionEntry(id=prediction.id, labels=labels_in(parser, text), text=text)


def _foreign(name: str, cell: Cell, parser: LabelParser, task: Task) -> PredictionEntry:
    """An answer as a file gives it; a number in a sentiment task stands for its sign."""
    if isinstance(cell, str):
        return PredictionEntry(id=name, labels=labels_in(parser, cell), text=cell)
    if task.answers == "sentiment" and isinstance(cell, int | float):
        return PredictionEntry(id=name, labels=(polarity_of_number(cell),))
    if isinstance(cell, tuple) and all(isinstance(label, str) for label in cell):
        return PredictionEntry(id=name, labels=tuple(map(str, cell)))
    return PredictionEntry(id=name, labels=parser.parse(cell).labels)


def _complete(where: str, ids: Sequence[str], task: Task) -> None:
    """Refuse ids that are missing, too many, or given twice."""
    problems = id_problems(ids, [item.id for item in task.items])
    if problems:
        raise InputError(
            "; ".join(problems), where=where, expected=f"every id of {task.id}, {task.split}, once"
        )


def id_problems(ids: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """What is wrong with the ids of predictions, a clause each: twice, missing, too many."""
    known = dict.fromkeys(wanted)
    seen: dict[str, int] = {}
    for name in ids:
        seen[name] = seen.get(name, 0) + 1
    found = {
        "given twice or more": [name for name, count in seen.items() if count > 1],
        "without a prediction": [name for name in known if name not in seen],
        "not in the task": [name for name in seen if name not in known],
    }
    return [f"{len(names)} {what}: {_first(names)}" for what, names in found.items() if names]


def _first(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name!r:.60}" for name in names[:_SHOWN])
    return shown + (", …" if len(names) > _SHOWN else "")
