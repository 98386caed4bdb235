"""Whether a submission says what its predictions say.

Every figure of a record that carries predictions is computed again on the task's own gold and held
against the claimed one. What cannot be known from the file stays a claim: that the run took place
as told, how the checkpoint was chosen, that no gold reached the context.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench import __version__
from ovbench.board.make import id_problems
from ovbench.board.record import Record, ScoreEntry
from ovbench.board.rescore import Figures, labels_in, parser_of, rescore, split_batch
from ovbench.board.submission import SubmissionError, printable, read_submission, record_id
from ovbench.errors import OvbenchError, UnknownNameError
from ovbench.scoring import Options
from ovbench.tasks import load_task
from ovbench.tasks.card import card_of

if TYPE_CHECKING:
    from ovbench.tasks import Task

TOLERANCE = 1e-12
"""Difference up to which two scores are equal: the last bits depend on the processor."""
METHOD = "percentile-bootstrap"
_SHOWN = 5

Outcome = Literal["recomputed", "not recomputed", "published"]


@dataclass(frozen=True)
class CheckedRecord:
    """One record, looked at.

    Attributes
    ----------
    id:
        Its id (:func:`ovbench.board.submission.record_id`).
    record:
        Untrusted text.
    outcome:
        ``recomputed``: its figures were computed again and are right, unless ``problems`` says
        otherwise. ``published``: copied figures, of which only form and range can be checked.
    why:
        Why it could not be recomputed, and what to do; None where it was.
    marks:
        What a reader must know: an oracle's context, a checkpoint chosen on test, another version.
    problems:
        Reasons to refuse it, a sentence each.
    """

    id: str
    record: Record
    outcome: Outcome
    why: str | None = None
    marks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """A submission, looked at.

    Attributes
    ----------
    file:
        As it was named.
    records:
        In the file's order; empty where the file could not be read.
    problems:
        All reasons to refuse it; each names its record where there are several.
    """

    file: str
    records: tuple[CheckedRecord, ...]
    problems: tuple[str, ...]

    def demand(self) -> None:
        """Raise :class:`SubmissionError` if there is any problem."""
        if self.problems:
            raise SubmissionError(self.file, self.problems)


def check_submission(path: str | Path, data: str | Path | None = None) -> Checked:
    """Look at everything that can be checked in a submission.

    Nothing is raised for a bad submission: all of its problems are in the answer. ``data`` is the
    data folder, for tasks that do not ship; where the gold is not here, a record is ``not
    recomputed``, which is no problem of the submission's.
    """
    file = str(path)
    try:
        records = read_submission(path)
    except SubmissionError as error:
        return Checked(file, (), error.problems)
    tasks = Tasks(data)
    checked = tuple(check_record(record, tasks) for record in records)
    problems = []
    for number, one in enumerate(checked):
        lead = f"{_nth(number)} ({title(one.record)}): " if len(checked) > 1 else ""
        problems += [lead + problem for problem in one.problems]
    seen: dict[str, int] = {}
    for number, one in enumerate(checked):
        if one.id in seen:
            first = _nth(seen[one.id])
            problems.append(f"{_nth(number)} is the same as {first}")
        seen.setdefault(one.id, number)
    if len({one.outcome == "published" for one in checked}) > 1:
        problems.append("published records and others are in one file; give each kind its own")
    return Checked(file, checked, tuple(problems))


def check_record(record: Record, tasks: Tasks) -> CheckedRecord:
    """One record, held against what its predictions give."""
    found = _Findings()
    outcome: Outcome = "published"
    for name, score in record.scores.items():
        found.problems += _impossible(f"scores[{name!r:.60}]", score)
    if record.origin.kind != "published":
        _check_claims(record, found)
        task = _task(record, tasks, found)
        if task is not None:
            _check_items(record, task, found)
        outcome = "not recomputed"
        if not record.predictions:
            found.why = found.why or "no predictions ride along"
        elif found.problems:
            found.why = "what is wrong with it comes first"
        elif task is not None:
            _check_figures(record, task, found)
            outcome = "recomputed"
    if record.system.oracle:
        found.marks.append("its context is made from gold: an upper bound, unranked")
    if record.checkpoint.selection == "test-best":
        found.marks.append("its checkpoint was chosen on test: unranked")
    return CheckedRecord(
        record_id(record), record, outcome, found.why, tuple(found.marks), tuple(found.problems)
    )


def _nth(number: int) -> str:
    return f"record {number + 1}"


def title(record: Record) -> str:
    """``lora-las-r4 on tinyov, ew-open-1``, fit for a terminal."""
    system, task = printable(record.system.name), printable(record.task.id)
    return f"{system} on {task}, {printable(record.protocol)}"


class Tasks:
    """Tasks with their gold, each read once."""

    def __init__(self, data: str | Path | None) -> None:
        self._data = data
        self._loaded: dict[tuple[str, str], Task] = {}

    def load(self, name: str, split: str) -> Task:
        """As :func:`ovbench.tasks.load_task`."""
        if (name, split) not in self._loaded:
            self._loaded[name, split] = load_task(name, split, self._data, clips=False)
        return self._loaded[name, split]


class _Findings:
    """What comes up while a record is looked at."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.marks: list[str] = []
        self.why: str | None = None


def _check_claims(record: Record, found: _Findings) -> None:
    """What can be said without the task."""
    assert record.signature is not None
    add = found.problems.append
    if record.signature.partition("|")[0] != record.protocol:
        add(f"signature: it is one of another protocol than {record.protocol!r:.60}")
    source = record.system.context_source or ""
    if source.strip().casefold() == "oracle" and not record.system.oracle:
        add("system.oracle: it is false, but the context's source is 'oracle'")
    if record.origin.kind == "recomputed" and not record.origin.source:
        add("origin.source: it is missing; it says where the predictions can be had")
    if record.interval is not None and record.interval.method != METHOD:
        add(f"interval.method: {record.interval.method!r:.60}; expected {METHOD!r}")
    if record.interval is not None and None in (record.interval.draws, record.interval.seed):
        add("interval: draws and seed are needed, so that it can be made again")
    version = record.signature.rpartition("|v:")[2]
    if _release(version) is None or (_release(version) or ()) > (_release(__version__) or ()):
        add(f"signature: made by ovbench {version!r:.40}, which this one ({__version__}) is not")
    elif version != __version__:
        found.marks.append(f"made by ovbench {version!r:.40}; this is {__version__}")
    if (batch := split_batch(record.signature)[1]) is not None:
        found.marks.append(f"its answers depend on the batch size, as it claims: {batch}")


def _release(version: str) -> tuple[int, ...] | None:
    """``0.1.0`` as numbers, which older releases have smaller ones of; None: no release."""
    match = re.match(r"[0-9]{1,6}(\.[0-9]{1,6}){0,3}", version, re.ASCII)
    return tuple(map(int, match[0].split("."))) if match else None


def _impossible(where: str, score: ScoreEntry) -> Iterator[str]:
    """What no score can be: a fraction outside 0..1, an interval upside down."""
    for name, value in (("value", score.value), ("low", score.low), ("high", score.high)):
        # The last bits of a mean may lie outside.
        if value is not None and not -TOLERANCE <= value <= 1 + TOLERANCE:
            mend = f"; for {value} % write {value / 100:g}" if 1 < value <= 100 else ""
            yield f"{where}.{name}: {value}; scores are fractions, from 0 to 1{mend}"
    if score.low is not None and score.high is not None and score.low > score.high:
        yield f"{where}: its interval ends ({score.high}) below its start ({score.low})"


def _task(record: Record, tasks: Tasks, found: _Findings) -> Task | None:
    """The record's task with its gold; None: there is none such, or not on this machine."""
    told = record.task
    try:
        card = card_of(told.id)
        splits = card.splits_of(told.id)
        if told.split not in splits:
            raise UnknownNameError(f"split of {told.id}", told.split, splits)
        protocols = card.views[told.id].protocols
        if record.protocol not in protocols:
            raise UnknownNameError(f"protocol of {told.id}", record.protocol, protocols)
    except UnknownNameError as error:
        found.problems.append(str(error).rstrip("."))
        return None
    role = splits[told.split].role
    if role == "train":
        found.problems.append(f"task.split: {told.split!r} is there to be trained on")
        return None
    if role == "dev":
        found.marks.append("its split is one that checkpoints are chosen on")
    try:
        return tasks.load(told.id, told.split)
    except OvbenchError as error:
        found.why = str(error)
        return None


def _check_items(record: Record, task: Task, found: _Findings) -> None:
    """Items and gold the same as here, every item answered once, labels as the texts read."""
    add = found.problems.append
    if record.task.items not in (None, len(task.items)):
        add(f"task.items: {record.task.items}; {task.id}, {task.split} has {len(task.items)}")
    if record.task.digest != task.digest():
        add(
            f"task.digest: the items or the gold are not those of {task.id}, {task.split} here "
            f"({task.digest()[:12]}…; descriptions beside the data count too)"
        )
    if not record.predictions:
        return
    ids = [entry.id for entry in record.predictions]
    found.problems += [f"predictions: {text}" for text in id_problems(ids, task.gold)]
    parser = parser_of(task)
    for number, entry in enumerate(record.predictions):
        if entry.text is not None and entry.labels != labels_in(parser, entry.text):
            add(
                f"predictions[{number}]: the labels are not those that {parser.id} reads in the "
                "text; score again with: ovbench leaderboard record"
            )
            break


def _check_figures(record: Record, task: Task, found: _Findings) -> None:
    """Score the predictions again, and hold every figure against the claimed one."""
    told = record.interval
    options = Options(draws=0)
    if told is not None:
        assert told.draws is not None
        assert told.seed is not None
        options = Options(draws=told.draws, seed=told.seed, confidence=told.confidence)
    try:
        here = rescore(task, record.protocol, record.predictions, options)
    except OvbenchError as error:
        found.problems.append(f"the predictions cannot be scored: {str(error).rstrip('.')}")
        return
    found.problems += _signature_problems(record.signature or "", here.signature)
    found.problems += _figure_problems(record, here)


def _signature_problems(claimed: str, here: str) -> Iterator[str]:
    """The parts in which a signature differs from the one that scoring gives."""
    plain, _ = split_batch(claimed)
    there, ours = _parts(plain), _parts(here)
    old = there.pop("v", None)
    new = ours.pop("v")
    if there == ours and len(plain.split("|")) == len(here.split("|")):
        return
    differing = [name for name in {**ours, **there} if there.get(name) != ours.get(name)]
    clauses = [
        f"{name!r:.40} is {there.get(name, 'absent')!r:.80}, here {ours.get(name, 'absent')!r:.80}"
        for name in differing[:_SHOWN]
    ] or ["its parts come twice, or there is one without a name"]
    hint = "" if old == new else f" (made by ovbench {old!r:.40}, this is {new})"
    yield f"signature: {'; '.join(clauses)}{hint}"


def _parts(signature: str) -> dict[str, str]:
    protocol, *rest = signature.split("|")
    named = (part.partition(":") for part in rest)
    return {"protocol": protocol, **{name: value for name, _, value in named}}


def _figure_problems(record: Record, here: Figures) -> Iterator[str]:
    if record.headline != here.headline:
        yield f"headline: {record.headline!r:.60}; the protocol's is {here.headline!r}"
    yield from _unequal("scores", _values(record.scores), _values(here.scores))
    known = {name: score for name, score in here.scores.items() if name in record.scores}
    for end in ("low", "high"):
        yield from _unequal("scores", _ends(record.scores, end), _ends(known, end), f".{end}")
    yield from _unequal("counts", record.counts, here.counts)
    for name in {**record.floors, **here.floors}:
        claimed_floor, floor = record.floors.get(name), here.floors.get(name)
        if claimed_floor is None and record.floors:
            yield f"floors: {name!r} is missing"
        elif claimed_floor is not None and floor is None:
            yield f"floors: {name!r:.60} is none of the protocol's trivial answers"
        elif claimed_floor is not None and floor is not None:
            yield from _unequal(f"floors[{name!r}]", claimed_floor, floor)


def _values(scores: Mapping[str, ScoreEntry]) -> dict[str, float]:
    return {name: entry.value for name, entry in scores.items()}


def _ends(scores: Mapping[str, ScoreEntry], end: str) -> dict[str, float]:
    found = {name: getattr(entry, end) for name, entry in scores.items()}
    return {name: value for name, value in found.items() if value is not None}


def _unequal(
    where: str, claimed: Mapping[str, float], here: Mapping[str, float], end: str = ""
) -> Iterator[str]:
    """A sentence for each figure that is missing, too many or wrong; the first few."""
    problems = []
    for name in {**here, **claimed}:
        if name not in claimed:
            problems.append(f"{where}.{name}{end}: it is missing; recomputed: {here[name]}")
        elif name not in here:
            problems.append(f"{where}[{name!r:.60}]{end}: scoring gives no such figure")
        elif not math.isclose(claimed[name], here[name], rel_tol=0, abs_tol=TOLERANCE):
            problems.append(
                f"{where}.{name}{end}: {claimed[name]} is claimed, but the predictions give "
                f"{here[name]}"
            )
    yield from problems[:_SHOWN]
    if len(problems) > _SHOWN:
        yield f"{where}: {len(problems) - _SHOWN} more are wrong"
