"""Evaluate one system on one task: generate what is missing, score, write it all down."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import InputError, InterruptedRunError, OvbenchError
from ovbench.io.atomic import write_text
from ovbench.progress import track
from ovbench.runs.answering import Answerer, answerer
from ovbench.runs.cost import Meter
from ovbench.runs.generation_cache import AnswerCache, Kept, RunAnswers
from ovbench.runs.predictions import by_id, prediction_of
from ovbench.runs.preflight import Preflight
from ovbench.runs.records import (
    STATUSES,
    Cost,
    Prediction,
    RunRecord,
    RunResult,
    RunSettings,
    SystemRecord,
)
from ovbench.runs.scores import score_predictions, task_parser, write_scores
from ovbench.runs.store import RunStore, open_run, read_record
from ovbench.scoring import Options

if TYPE_CHECKING:
    from ovbench.systems.answers import System
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
    cache:
        Where answers by the same weights to the same prompts are taken from, and kept; None:
        everything is generated.
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
    cache: AnswerCache | None = None
    scoring: Options = field(default_factory=Options)
    command: str | None = None


@dataclass(frozen=True)
class Work:
    """What a run has to do, before anything of it is done.

    Attributes
    ----------
    task, about, options:
        Whose items are asked for (:attr:`limited`), what answers them, and how.
    limited:
        The task with no more items than are asked for.
    record:
        For ``run.json``.
    batches:
        All items (:func:`batches`).
    answers:
        The cache's part for this run; None without a cache, or for what is not cached.
    """

    task: Task
    limited: Task
    about: SystemRecord
    options: EvalOptions
    record: RunRecord
    batches: list[list[Item]]
    answers: RunAnswers | None

    @property
    def whole(self) -> bool:
        """Whether all of the task's items are asked for."""
        return len(self.limited.items) == len(self.task.items)


def plan(
    task: Task, about: SystemRecord, options: EvalOptions, fingerprint: str | None = None
) -> Work:
    """The work of a run; ``fingerprint`` as :class:`~ovbench.runs.answering.Answerer` has it.

    Raises
    ------
    InputError
        If the batch size or the limit is none.
    """
    if options.batch_size < 1:
        raise InputError(f"a batch size of {options.batch_size}", expected="1 or more")
    limited = task.limited(options.limit)
    record = _record(task, len(limited.items), about, options)
    cache = options.cache
    return Work(
        task=task,
        limited=limited,
        about=about,
        options=options,
        record=record,
        batches=batches(limited.items, options.batch_size),
        answers=None if cache is None else cache.of(record.settings, task, fingerprint),
    )


def evaluate(
    system: System | Answerer,
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
    source = answerer(system)
    work = plan(task, about, options or EvalOptions(), source.fingerprint)
    chosen, limited = work.options, work.limited
    cut = None if work.whole else chosen.limit
    folder = run_folder(out, about.name, task.id, task.split, cut)
    ids = [item.id for item in limited.items]
    known = _known(work)
    if len(known) < len(work.batches):
        source.ready()  # whatever is wrong with it is told before there is a folder
    with open_run(folder, work.record, ids, fresh=chosen.fresh) as store:
        resumed = len(store.done)
        left = [i for i, batch in enumerate(work.batches) if not _done(store, batch)]
        checked = _checked(store, work, preflight, left, known) if left else _earlier(store)
        cached = _take(store, work, left, known)
        cost = _generate(store, source, work, [i for i in left if i not in known], cached)
        store.finish(ids)
        done = [store.done[name] for name in ids]
        notes = _of_memory(source, known)
        results = score_predictions(limited, done, about, chosen.scoring, checked, notes)
        samples = done if chosen.log_samples else ()
        write_scores(folder, limited, results, samples, chosen.scoring, _now())
    statuses = Counter(prediction.status for prediction in done)
    return RunResult(
        folder=str(folder),
        record=store.record,
        statuses={status: statuses[status] for status in STATUSES},
        results=results,
        comparable=work.whole and not about.oracle,
        preflight=checked,
        cost=cost,
        resumed=resumed,
        cached=cached,
    )


def _known(work: Work) -> dict[int, Kept]:
    """What the cache holds of the run's batches, by their index."""
    if work.answers is None:
        return {}
    looked_up = ((i, work.answers.known(batch)) for i, batch in enumerate(work.batches))
    return {i: kept for i, kept in looked_up if kept is not None}


def _done(store: RunStore, batch: list[Item]) -> bool:
    return all(item.id in store.done for item in batch)


def _of_memory(source: Answerer, known: Mapping[int, Kept]) -> tuple[str, ...]:
    """A warning where memory ran out and batches were made smaller than the record says."""
    sizes = [source.largest_batch, *(kept.largest_batch for kept in known.values())]
    most = min((size for size in sizes if size is not None), default=None)
    return () if most is None else (f"memory ran out: from then on at most {most} items at a time",)


def batches(items: Sequence[Item], size: int) -> list[list[Item]]:
    """All items in batches of ``size``, long ones first.

    Items of like length share a batch, and a batch that does not fit into memory comes at once. The
    order follows from the items alone; a run that goes on makes the batches of an unbroken one, so
    that every item is generated beside the same others.
    """
    ranked = sorted(items, key=lambda item: -(len(item.description) + len(item.transcript)))
    return [ranked[start : start + size] for start in range(0, len(ranked), size)]


def _take(store: RunStore, work: Work, left: Sequence[int], known: Mapping[int, Kept]) -> int:
    """Put answers from the cache into the run; returns how many."""
    parser = task_parser(work.limited)
    found = [
        prediction_of(answer.id, answer, parser)
        for index in left
        if index in known
        for answer in known[index].answers
        if answer.id not in store.done
    ]
    if found:
        store.append(found)
    return len(found)


def _generate(
    store: RunStore, source: Answerer, work: Work, left: Sequence[int], cached: int
) -> Cost:
    """Answer what is not answered yet, batch by batch; the cost has the ``cached`` items too."""
    parser = task_parser(work.limited)
    asked = [work.batches[index] for index in left]
    meter = Meter(work.about.device if asked and source.processes == 1 else None)
    meter.add_cached(cached)

    def answered() -> Iterator[Prediction]:
        stream = source.answers(asked)
        for _ in asked:
            with meter.measuring():
                index, found = next(stream, (None, ()))
                if index is None:
                    raise OvbenchError(f"{source.name} answered fewer batches than it was given.")
            batch, answers = asked[index], by_id(source.name, asked[index], found)
            predictions = [prediction_of(item.id, answers.get(item.id), parser) for item in batch]
            meter.add(predictions)
            meter.add_stages(answers.values())
            if work.answers is not None:
                work.answers.keep(batch, Kept(tuple(found), source.largest_batch))
            store.append([p for p in predictions if p.id not in store.done])
            yield from predictions

    total = sum(map(len, asked))
    try:
        for _ in track(answered(), f"{source.name} on {work.task.id}", total):
            pass
    except KeyboardInterrupt:
        store.add_cost(meter.cost(source.processes))
        raise InterruptedRunError(
            f"Stopped: {len(store.done)} of {len(work.limited.items)} predictions are kept in "
            f"{store.folder}. The same command goes on from there."
        ) from None
    return store.add_cost(meter.cost(source.processes))


def _checked(
    store: RunStore,
    work: Work,
    preflight: Callable[[], Preflight] | None,
    left: Sequence[int],
    known: Mapping[int, Kept],
) -> Preflight | None:
    """The checks before anything is generated; where all comes from the cache, those kept there."""
    if preflight is None:
        return _earlier(store)
    items, found = work.task.items, None
    if work.answers is not None and all(index in known for index in left):
        found = work.answers.preflight(items)
    if found is None:
        found = preflight()
        if work.answers is not None:
            work.answers.keep_preflight(items, found)
    write_text(store.folder / PREFLIGHT, found.to_json())
    return found


def _earlier(store: RunStore) -> Preflight | None:
    """The preflight of an earlier process."""
    path = store.folder / PREFLIGHT
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
        versions=versions(*filter(None, [about.backend])),
    )
    return RunRecord(
        settings=settings,
        created=_now().isoformat(timespec="seconds"),
        command=shlex.join(sys.argv) if options.command is None else options.command,
        platform=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )


def versions(*more: str) -> dict[str, str]:
    """Versions of the installed packages that a prediction goes through; of ``more`` ones too."""
    found = {}
    for name in (*_PACKAGES, *more):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _now() -> datetime:
    return datetime.now(UTC)
