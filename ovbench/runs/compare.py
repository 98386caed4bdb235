"""Methods side by side: rows of runs over seeds, differences to the first row, and the noise floor.

The statistics are those of :mod:`ovbench.runs.seeds`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovbench.errors import InputError, ValidationError
from ovbench.progress import track
from ovbench.protocols import load_protocol
from ovbench.runs.comparison import Comparison, Metric, Row
from ovbench.runs.records import Prediction, RunRecord
from ovbench.runs.scores import evaluation_of
from ovbench.runs.seeds import (
    NoiseFloor,
    SeedDifference,
    Stack,
    corrected,
    noise_floor,
    seed_difference,
    seed_score,
)
from ovbench.runs.store import read_run
from ovbench.scoring import Options
from ovbench.tasks import Task, load_task

TITLES = {
    "emotion-wheel": "WF",
    "hit-rate": "HiT",
    "balanced_accuracy": "UA",
    "accuracy": "WA",
    "macro_f1": "macro F1",
}
"""Metric of a protocol, or its headline's key, → what the headline is called in tables."""


@dataclass(frozen=True)
class _Run:
    folder: Path
    record: RunRecord
    predictions: list[Prediction]

    @property
    def name(self) -> str:
        return self.record.settings.system.name

    @property
    def seed(self) -> int:
        trained = self.record.settings.system.training_seed
        return self.record.settings.seed if trained is None else trained


def compare_runs(
    folders: Sequence[str | Path],
    *,
    noise: Sequence[str | Path] = (),
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare finished runs; those of one method under several seeds make one row.

    Parameters
    ----------
    folders:
        Run folders. The method of the first is the first row, which the others are held against.
    noise:
        Run folders of one of the methods, with the same seeds and another batch order.
    draws, seed:
        Of the bootstraps and the permutation tests.

    Raises
    ------
    InputError
        If a folder is no finished run, the runs are of different tasks, a method has one seed
        twice, two runs of one name are of different methods, or a row shares no seed with the
        first.
    ValidationError
        If a run is damaged, or the task is no longer what it was.
    """
    if not folders:
        raise InputError("there are no runs to compare", expected="two or more")
    runs = [_read(Path(folder)) for folder in folders]
    whole = _task_of(runs)
    settings = runs[0].record.settings
    task = whole.limited(settings.limit)
    rows = _by_method(runs)
    metrics = _metrics(task)
    stacks = {
        name: _stacks(task, of_seed, metrics)
        for name, of_seed in track(rows.items(), "scoring", len(rows))
    }
    floors, noise_of = _noise(task, [_read(Path(f)) for f in noise], rows, stacks, metrics)
    differences = _differences(rows, stacks, metrics, draws, seed)
    made = [
        Row(
            **_about(rows[name]),
            scores={
                m.title: seed_score(stacks[name][m.title], m.score, draws=draws, seed=seed)
                for m in metrics
            },
            differences=own,
            above_noise={title: _above(one, floors.get(title)) for title, one in own.items()},
        )
        for name, own in differences.items()
    ]
    return Comparison(
        task=task.id,
        split=task.split,
        task_digest=settings.task_digest,
        items=len(task.items),
        comparable=len(task.items) == len(whole.items),
        metrics=metrics,
        rows=tuple(made),
        noise_of=noise_of,
        noise=floors,
        draws=draws,
        warnings=_warnings(rows, task, floors),
    )


def _about(of_seed: Mapping[int, _Run]) -> dict[str, Any]:
    """What a row is, whatever it scores."""
    about = next(iter(of_seed.values())).record.settings.system
    return {
        "name": about.name,
        "kind": about.kind,
        "context_source": about.context_source,
        "oracle": about.oracle,
        "seeds": tuple(of_seed),
        "runs": tuple(str(run.folder) for run in of_seed.values()),
    }


def _read(folder: Path) -> _Run:
    record, done = read_run(folder)
    if len(done) < record.settings.items:
        raise InputError(
            f"the run is not finished: {len(done)} of {record.settings.items} items",
            where=str(folder),
            mend=f"finish it with the command that began it: {record.command}",
        )
    return _Run(folder, record, list(done.values()))


def _task_of(runs: Sequence[_Run]) -> Task:
    """The whole task that all runs answer, or the same part of it."""
    first = runs[0].record.settings
    for run in runs[1:]:
        own = run.record.settings
        for field in ("task", "split", "task_digest", "items"):
            if getattr(own, field) != getattr(first, field):
                raise InputError(
                    f"{run.folder} and {runs[0].folder} have not answered the same items: {field} "
                    f"is {str(getattr(own, field))[:16]} and {str(getattr(first, field))[:16]}",
                    expected="runs of one task",
                )
    task = load_task(first.task, first.split)
    if task.digest() != first.task_digest:
        raise ValidationError(
            f"{runs[0].folder}: task {first.task} is not what it was when this run was made "
            f"({task.digest()[:12]} now, {first.task_digest[:12]} then). Evaluate again."
        )
    return task


def _by_method(runs: Sequence[_Run]) -> dict[str, dict[int, _Run]]:
    """Method → seed → run; methods in the order in which they first come, seeds sorted."""
    found: dict[str, dict[int, _Run]] = {}
    for run in runs:
        of_seed = found.setdefault(run.name, {})
        if run.seed in of_seed:
            raise InputError(
                f"{run.name} has two runs of seed {run.seed}: {of_seed[run.seed].folder} and "
                f"{run.folder}",
                expected="one run per method and seed",
            )
        if of_seed:
            _check_alike(next(iter(of_seed.values())), run)
        of_seed[run.seed] = run
    return {name: dict(sorted(of_seed.items())) for name, of_seed in found.items()}


def _check_alike(one: _Run, other: _Run) -> None:
    """Raise where two runs of one method differ in more than their seeds and weights."""
    same = ("kind", "recipe", "scale", "base", "prompt", "context", "decoding", "dtype")
    for field in (*same, "parts", "classes", "describer", "command", "backend"):
        a, b = (getattr(run.record.settings.system, field) for run in (one, other))
        if a != b:
            raise InputError(
                f"{one.folder} and {other.folder} are both called {one.name}, but differ in "
                f"{field}: {str(a)[:16]} and {str(b)[:16]}",
                expected="one method per name",
                mend="give one of the two recipes another name",
            )


def _metrics(task: Task) -> tuple[Metric, ...]:
    found = []
    for name in task.protocols:
        protocol = load_protocol(name)
        headline = TITLES.get(protocol.headline, protocol.headline)
        title = TITLES.get(protocol.metric, headline)
        found.append(Metric(title=title, protocol=name, score=protocol.headline))
    # Scores are kept by title: two protocols that call theirs alike are told apart by name.
    many = {title for title, count in Counter(one.title for one in found).items() if count > 1}
    return tuple(
        one.model_copy(update={"title": f"{one.title} by {one.protocol}"})
        if one.title in many
        else one
        for one in found
    )


def _stacks(task: Task, of_seed: Mapping[int, _Run], metrics: Sequence[Metric]) -> dict[str, Stack]:
    """By title of the metric: the statistics of all seeds."""
    found = {}
    for metric in metrics:
        evaluations = [
            evaluation_of(task, run.predictions, metric.protocol, Options(draws=0))
            for run in of_seed.values()
        ]
        statistics = [evaluation.item_statistics() for evaluation in evaluations]
        found[metric.title] = Stack(tuple(s.values for s in statistics), statistics[0].finish)
    return found


def _differences(
    rows: Mapping[str, Mapping[int, _Run]],
    stacks: Mapping[str, Mapping[str, Stack]],
    metrics: Sequence[Metric],
    draws: int,
    seed: int,
) -> dict[str, dict[str, SeedDifference]]:
    """Method → title → difference to the first row (which has none), p corrected per metric."""
    first, *others = rows
    found: dict[str, dict[str, SeedDifference]] = {name: {} for name in rows}
    pairs = {name: _shared(rows[first], rows[name], first, name) for name in others}
    for metric in track(metrics, "comparing", len(metrics)):
        plain = [
            seed_difference(
                stacks[name][metric.title].cut(pairs[name][1]),
                stacks[first][metric.title].cut(pairs[name][0]),
                metric.score,
                draws=draws,
                seed=seed,
            )
            for name in others
        ]
        for name, one in zip(others, corrected(plain), strict=True):
            found[name][metric.title] = one
    return found


def _shared(
    ours: Mapping[int, _Run], theirs: Mapping[int, _Run], first: str, name: str
) -> tuple[list[int], list[int]]:
    """Positions of the seeds that both have."""
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        raise InputError(
            f"{first} was trained with seeds {_listed(ours)} and {name} with {_listed(theirs)}",
            expected="a seed that both have",
        )
    return [list(ours).index(s) for s in seeds], [list(theirs).index(s) for s in seeds]


def _noise(
    task: Task,
    runs: Sequence[_Run],
    rows: Mapping[str, Mapping[int, _Run]],
    stacks: Mapping[str, Mapping[str, Stack]],
    metrics: Sequence[Metric],
) -> tuple[dict[str, NoiseFloor], str | None]:
    if not runs:
        return {}, None
    _task_of([next(iter(next(iter(rows.values())).values())), *runs])
    again = _by_method(runs)
    if len(again) > 1 or not again.keys() <= rows.keys():
        raise InputError(
            f"the noise floor was given runs of {', '.join(again)}",
            expected=f"runs of one of {', '.join(rows)}",
        )
    ((name, of_seed),) = again.items()
    _check_alike(next(iter(rows[name].values())), next(iter(of_seed.values())))
    here, there = _shared(rows[name], of_seed, name, f"{name} in another batch order")
    _check_trained_apart(rows[name], of_seed)
    second = _stacks(task, of_seed, metrics)
    return {
        m.title: noise_floor(stacks[name][m.title].cut(here), second[m.title].cut(there), m.score)
        for m in metrics
    }, name


def _check_trained_apart(ours: Mapping[int, _Run], again: Mapping[int, _Run]) -> None:
    """Raise where a noise run has the very adapter that it is held against."""
    for seed in ours.keys() & again.keys():
        one, other = ours[seed], again[seed]
        adapter = one.record.settings.system.adapter
        if adapter is not None and adapter == other.record.settings.system.adapter:
            raise InputError(
                f"{one.folder} and {other.folder} were made by the same adapter, whose noise is 0",
                expected="a training with the same seed and another batch order",
                mend=f"train it with: ovbench train --model {one.name} --seed {seed} "
                f"--batch-order-seed {seed + 1}",
            )


def _above(difference: SeedDifference, floor: NoiseFloor | None) -> bool | None:
    if difference.p_seeds is None or difference.p_holm is None:
        return None
    large = floor is None or abs(difference.difference) > floor.floor
    return large and difference.p_holm < 0.05


def _warnings(
    rows: Mapping[str, Mapping[int, _Run]], task: Task, floors: Mapping[str, NoiseFloor]
) -> tuple[str, ...]:
    first = next(iter(rows))
    found = list(task.notes)
    if all(len(of_seed) == 1 for of_seed in rows.values()):
        found.append("one seed per method: nothing can be said of what training alone changes")
    uneven = [name for name, of_seed in rows.items() if set(of_seed) != set(rows[first])]
    if uneven:
        found.append(
            f"{', '.join(uneven)}: other seeds than {first}; differences are over the shared ones"
        )
    if not floors:
        found.append("no noise floor: no method was trained again with another batch order")
    oracles = [
        name
        for name, of_seed in rows.items()
        if next(iter(of_seed.values())).record.settings.system.oracle
    ]
    if oracles:
        found.append(f"{', '.join(oracles)}: context made from gold, an upper bound, never ranked")
    return tuple(found)


def _listed(seeds: Mapping[int, _Run]) -> str:
    return ", ".join(map(str, seeds))
