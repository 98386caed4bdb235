"""Evaluate one system on one task: generate what is missing, score, write it all down."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import InputError, InterruptedRunError, OvbenchError
from ovbench.io.atomic import write_text
from ovbench.io.labels import LabelParser, Status
from ovbench.io.records import clean_text
from ovbench.progress import track
from ovbench.runs.cost import Meter
from ovbench.runs.preflight import Preflight
from ovbench.runs.records import (
    STATUSES,
    Cost,
    Prediction,
    RunRecord,
    RunResult,
    RunSettings,
    RunStatus,
    StageText,
    SystemRecord,
)
from ovbench.runs.scores import score_predictions, task_parser, write_scores
from ovbench.runs.store import RunStore, open_run, read_record
from ovbench.scoring import Options

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer, Stage, System
    from ovbench.tasks import Item, Task

PREFLIGHT = "preflight.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_PACKAGES = ("ovbench", "numpy", "torch", "transformers", "peft")


@dataclass(frozen=True)
class EvalOptions:
    """How a system is evaluated.

    Attributes
    ----------
    batch_size:
        Items generated together, at least 1.
    seed:
        Of whatever is drawn at random; kept in the record.
    limit:
        Number (from 1) or share (below 1) of the items; the record is then not comparable.
    fresh:
        Throw away what an earlier process did.
    log_samples:
        Write the cluster sets and the score of every item.
    scoring:
        Draws, seed and confidence of the intervals; whether to score the floors.
    command:
        The command line, for the record; default: this process's own.
    """

    batch_size: int = 16
    seed: int = 0
    limit: int | float | None = None
    fresh: bool = False
    log_samples: bool = False
    scoring: Options = field(default_factory=Options)
    command: str | None = None


def evaluate(
    system: System,
    task: Task,
    about: SystemRecord,
    out: str | Path,
    options: EvalOptions | None = None,
    *,
    preflight: Callable[[], Preflight] | None = None,
) -> RunResult:
    """Run ``system`` on ``task`` in its :func:`run_folder` under ``out``, or finish what is there.

    Parameters
    ----------
    about:
        What the system is made of, for the record.
    preflight:
        Called before anything is generated (not where nothing is left to generate); kept in the
        run.

    Raises
    ------
    InputError
        If the folder holds a run with other settings, or is in use (:func:`open_run`).
    InterruptedRunError
        On Ctrl-C; what was done is kept, and the same call goes on from there.
    OvbenchError
        If the disk is full, or the system answers items that nobody asked for.
    """
    chosen = options or EvalOptions()
    if chosen.batch_size < 1:
        raise InputError(f"a batch size of {chosen.batch_size}", expected="1 or more")
    limited = task.limited(chosen.limit)
    record = _record(task, len(limited.items), about, chosen)
    cut = chosen.limit if len(limited.items) < len(task.items) else None
    folder = run_folder(out, about.name, task.id, task.split, cut)
    ids = [item.id for item in limited.items]
    with open_run(folder, record, ids, fresh=chosen.fresh) as store:
        resumed = len(store.done)
        checked = _checked(store, preflight if resumed < len(ids) else None)
        cost = _generate(store, system, limited, chosen.batch_size)
        store.finish(ids)
        done = [store.done[name] for name in ids]
        notes = _of_memory(system)
        results = score_predictions(limited, done, about, chosen.scoring, checked, notes)
        samples = done if chosen.log_samples else ()
        write_scores(folder, limited, results, samples, chosen.scoring, _now())
    statuses = Counter(prediction.status for prediction in done)
    return RunResult(
        folder=str(folder),
        record=store.record,
        statuses={status: statuses[status] for status in STATUSES},
        results=results,
        comparable=len(ids) == len(task.items) and not about.oracle,
        preflight=checked,
        cost=cost,
        resumed=resumed,
    )


def _of_memory(system: System) -> tuple[str, ...]:
    """A warning where memory ran out and batches were made smaller than the record says."""
    most = getattr(system, "largest_batch", None)
    return () if most is None else (f"memory ran out: from then on at most {most} items at a time",)


def batches(items: Sequence[Item], size: int) -> list[list[Item]]:
    """All items in batches of ``size``, long ones first.

    Items of like length share a batch, and a batch that does not fit into memory comes at once. The
    order follows from the items alone; a run that goes on makes the batches of an unbroken one, so
    that every item is generated beside the same others.
    """
    ranked = sorted(items, key=lambda item: -(len(item.description) + len(item.transcript)))
    return [ranked[start : start + size] for start in range(0, len(ranked), size)]


def _generate(store: RunStore, system: System, task: Task, batch_size: int) -> Cost:
    """Answer what is not answered yet, batch by batch."""
    parser = task_parser(task)
    left = [b for b in batches(task.items, batch_size) if any(i.id not in store.done for i in b)]
    total = sum(len(batch) for batch in left)
    meter = Meter(store.record.settings.system.device)

    def answered() -> Iterator[Prediction]:
        for batch in left:
            with meter.measuring():
                answers = _answers(system, batch)
            predictions = [_prediction(item.id, answers.get(item.id), parser) for item in batch]
            meter.add(predictions)
            meter.add_stages(answers.values())
            store.append([p for p in predictions if p.id not in store.done])
            yield from predictions

    try:
        for _ in track(answered(), f"{system.name} on {task.id}", total):
            pass
    except KeyboardInterrupt:
        store.add_cost(meter.cost())
        raise InterruptedRunError(
            f"Stopped: {len(store.done)} of {len(task.items)} predictions are kept in "
            f"{store.folder}. The same command goes on from there."
        ) from None
    return store.add_cost(meter.cost())


def _answers(system: System, batch: list[Item]) -> dict[str, Answer]:
    """The answers to a batch by item id; an item without one is an error, counted."""
    found = {answer.id: answer for answer in system.predict(batch, len(batch))}
    strange = found.keys() - {item.id for item in batch}
    if strange:
        raise OvbenchError(
            f"System {system.name!r} answered item {min(strange)!r}, which it was not asked for."
        )
    return found


def _prediction(name: str, answer: Answer | None, parser: LabelParser) -> Prediction:
    if answer is None:
        return Prediction(id=name, text="", labels=(), status="error", tokens=0)
    text, first = clean_text(answer.text), answer.first_pass
    labels, parsed = parser.parse(text)
    status: RunStatus = "ok"
    if answer.status in ("truncated", "error"):
        status = answer.status
    elif parsed is not Status.OK:
        status = "unparsable" if parsed is Status.UNPARSABLE else "empty"
    return Prediction(
        id=name,
        text=text,
        labels=labels,
        status=status,
        tokens=answer.tokens,
        passes=answer.passes,
        first_pass=None if first is None else clean_text(first),
        fallback=answer.fallback,
        scores=answer.scores,
        stages=tuple(_stage(s) for s in answer.stages),
    )


def _stage(stage: Stage) -> StageText:
    return StageText(
        name=stage.name, text=clean_text(stage.text), prompt=stage.prompt, tokens=stage.tokens
    )


def _checked(store: RunStore, preflight: Callable[[], Preflight] | None) -> Preflight | None:
    """The preflight of this process; where nothing is left to generate, that of an earlier one."""
    path = store.folder / PREFLIGHT
    if preflight is not None:
        found = preflight()
        write_text(path, found.to_json())
        return found
    return read_record(path, Preflight) if path.exists() else None


def run_folder(
    out: str | Path, system: str, task: str, split: str = "test", limit: float | None = None
) -> Path:
    """``<out>/<system>/<task>``; another split and a limit are named too: ``<task>-dev-limit-20``.

    Raises
    ------
    InputError
        If a name cannot be a folder's.
    """
    for name in (system, task):
        if not _NAME.fullmatch(name):
            raise InputError(
                f"the name {name!r} cannot be a folder's",
                expected="letters, digits and . _ + -, beginning with a letter or digit",
            )
    parts = [task, *([] if split == "test" else [split])]
    parts += [] if limit is None else [f"limit-{limit:g}"]
    return Path(out) / system / "-".join(parts)


def _record(task: Task, items: int, about: SystemRecord, options: EvalOptions) -> RunRecord:
    settings = RunSettings(
        system=about,
        task=task.id,
        split=task.split,
        task_digest=task.digest(),
        items=items,
        limit=options.limit,
        batch_size=options.batch_size,
        seed=options.seed,
        versions=versions(),
    )
    return RunRecord(
        settings=settings,
        created=_now().isoformat(timespec="seconds"),
        command=shlex.join(sys.argv) if options.command is None else options.command,
        platform=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )


def versions() -> dict[str, str]:
    """Versions of the installed packages that a prediction goes through."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _now() -> datetime:
    return datetime.now(UTC)
