"""A grid of settings, cross-validated on a training split; no test split is ever touched.

Under the output folder lie::

    settings.json                 what is swept: model, split, folds, seed
    CELL/foldI/train/             the training of one cell (lora_r=16,lora_alpha=32) and fold
    CELL/foldI/NAME/TASK-.../     the answers to the fold held out
    sweep.json                    the result, written last

What is there is not done again; what was interrupted goes on; more values of the same keys may be
asked for later. The items are dealt to the folds by :mod:`ovbench.tasks.stratified`. Every cell
sees the same folds, every item is answered once per cell, by a model that has not seen it, and a
cell's answers are scored together (pooled) and fold by fold.

The best cell's score is too high an estimate of what its settings score on new data: it was chosen
for being the highest. What it scores on the test split is another number, to be taken once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ovbench import __version__
from ovbench.errors import InputError, OvbenchError
from ovbench.frozen import Frozen
from ovbench.io.atomic import remove_unfinished, write_text
from ovbench.io.folders import make_folder
from ovbench.io.lock import locked
from ovbench.progress import track
from ovbench.protocols import Protocol, load_protocol
from ovbench.results import Comparison, Result
from ovbench.runs.apart import run_apart
from ovbench.runs.generation_cache import AnswerCache
from ovbench.runs.grid import Axis, Cell, Value, cell_name, cells, read_grid, variant
from ovbench.runs.place import Place, require_models
from ovbench.runs.records import Prediction
from ovbench.runs.scores import prediction_source
from ovbench.runs.store import read_record
from ovbench.runs.sweep_fold import FoldJob, answers_of, look_at_fold, run_fold
from ovbench.scoring import Options, score_files
from ovbench.scoring.prepare import Source, read_gold
from ovbench.systems import Trainable
from ovbench.systems.registry import load_trainable
from ovbench.tasks import Task, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.stratified import FoldSplit, fold_of_items, fold_splits, strata

SETTINGS, RESULT = "settings.json", "sweep.json"


class SweepSettings(Frozen):
    """What a folder's cells have in common."""

    model: str
    recipe: str
    """sha256 of the recipe as it is before the grid's settings are put in."""
    scale: str
    base: str | None = None
    """In place of the recipe's backbone."""
    dtype: str
    task: str
    split: str
    limit: int | float | None = None
    """Number or share of the split's items that are taken; null: all."""
    task_digest: str
    folds: int
    seed: int
    """Of the folds, and of every training."""


class SweepCell(Frozen):
    """One cell."""

    settings: dict[str, Value]
    result: Result
    """Of all held-out answers; ``folds`` has the scores fold by fold."""


class Sweep(Frozen):
    """A finished sweep."""

    schema_version: Literal["ovbench.sweep/1"] = "ovbench.sweep/1"
    ovbench_version: str = __version__
    settings: SweepSettings
    items: int
    dealt_by: str
    """What items were dealt to the folds by, so that every fold has its share of each."""
    protocol: str
    score: str
    """Key of the score that cells are ranked by, as a mean over folds."""
    grid: dict[str, tuple[Value, ...]]
    cells: tuple[SweepCell, ...]
    """Every combination, the last key's values running fastest."""
    best: int
    """Index of the highest cell."""
    against: tuple[Comparison | None, ...]
    """The best cell's pooled score against that of each cell, paired by item; null for itself."""
    notes: tuple[str, ...] = ()


def sweep(
    model: str,
    grid: Sequence[str],
    *,
    out: str | Path,
    task: str | None = None,
    split: str = "train",
    folds: int = 5,
    seed: int = 0,
    limit: int | float | None = None,
    place: Place | None = None,
    protocol: str | None = None,
    batch_size: int | Literal["auto"] = "auto",
    draws: int = 10_000,
    cache: AnswerCache | None = None,
) -> Sweep:
    """Train and score every cell of a grid on every fold, whatever is missing.

    Parameters
    ----------
    model:
        A recipe's name or TOML file.
    grid:
        ``KEY=V1,V2,…`` each (:func:`ovbench.runs.grid.read_grid`).
    out:
        See the module's docstring.
    task, split:
        Whose items are dealt to folds; by default the train split of the recipe's training task.
        The split must be one to train on.
    folds, seed:
        How many folds; the seed of the dealing and of every training.
    limit:
        Take only that many of the split's items, or that share: quicker, and not comparable.
    protocol:
        That the cells are scored by; by default the task's first, or, where a task asks for one
        class, the first of its protocols that scores classes.
    cache:
        As :class:`ovbench.runs.evaluate.EvalOptions` has it; its ``fault`` tells what the
        processes of the folds could not keep.

    Raises
    ------
    InputError
        For a split that is not one to train on, a grid that does not fit the recipe, a folder that
        holds another sweep, or anything that training cannot use.
    InterruptedRunError
        On Ctrl-C; the same call goes on from there.
    """
    recipe, where, home = load_trainable(model), place or Place(), Path(out)
    axes = read_grid(grid, recipe, where.scale)
    whole = _to_learn_from(task or recipe.train_task(where.scale), split).limited(limit)
    chosen = load_protocol(protocol or _usual(whole))
    read_gold(whole, chosen, Options())  # whether it can be scored is known before it is trained
    plain = FoldJob(
        recipe=recipe,
        place=where,
        task=whole.id,
        split=split,
        limit=limit,
        folds=folds,
        fold=1,
        seed=seed,
        home=home,
        batch_size=batch_size,
        cache=cache,
    )
    made_of = _settings(plain, whole)
    parts = list(fold_splits(whole, folds, seed))
    require_models("ovbench sweep")
    make_folder(home)
    with locked(home):
        remove_unfinished(home, SETTINGS, RESULT)
        _check(home / SETTINGS, made_of)
        jobs = [_jobs(plain, variant(recipe, axes, cell), cell) for cell in cells(axes)]
        _do([job for of_cell in jobs for job in of_cell], parts, home)
        whole = replace(whole, folds=fold_of_items(whole, folds, seed))
        answers = [_answers(of_cell, parts) for of_cell in jobs]
        found = _scored(made_of, axes, whole, chosen, answers, draws)
        write_text(home / RESULT, found.to_json())
    return found


def _settings(plain: FoldJob, whole: Task) -> SweepSettings:
    """What all cells have in common; ``whole`` is what is dealt to folds."""
    return SweepSettings(
        model=plain.recipe.name,
        recipe=plain.recipe.digest(),
        scale=plain.place.scale,
        base=plain.place.base,
        dtype=plain.place.dtype,
        task=whole.id,
        split=plain.split,
        limit=plain.limit,
        task_digest=whole.digest(),
        folds=plain.folds,
        seed=plain.seed,
    )


def _jobs(plain: FoldJob, recipe: Trainable, cell: Cell) -> list[FoldJob]:
    """Every fold of one cell; ``plain`` has what all cells share."""
    return [
        replace(plain, recipe=recipe, fold=n, home=plain.home / cell_name(cell) / f"fold{n}")
        for n in range(1, plain.folds + 1)
    ]


def _to_learn_from(task: str, split: str) -> Task:
    """A split that settings may be chosen on.

    Raises
    ------
    InputError
        If it is one to test on, or kept for choosing checkpoints.
    """
    role = card_of(task).splits_of(task).get(split)
    if role is not None and role.role != "train":
        raise InputError(
            f"split {split!r} of {task} is a {role.role} split",
            expected="a split to train on: a sweep makes its own dev and test parts of it",
            mend=f"see the splits with: ovbench tasks show {task}",
        )
    return load_task(task, split)


def _usual(task: Task) -> str:
    """The protocol that cells are ranked by where none is named.

    A task of one class may have a hit rate first, so that open answers to it can be scored;
    settings are chosen on the classes themselves.
    """
    if task.answers == "class":
        for name in task.protocols:
            if load_protocol(name).metric == "closed-set":
                return name
    return task.protocols[0]


def _check(path: Path, now: SweepSettings) -> None:
    """Raise where the folder holds another sweep; else write down what this one is."""
    if not path.exists():
        write_text(path, now.to_json())
        return
    there, here = read_record(path, SweepSettings).model_dump(), now.model_dump()
    differs = [f"{key} was {there[key]}, is {here[key]}" for key in here if here[key] != there[key]]
    if differs:
        raise InputError(
            f"the folder holds another sweep: {'; '.join(differs)}",
            where=str(path.parent),
            mend="name another folder with --output-path",
        )


def _do(jobs: Sequence[FoldJob], parts: Sequence[FoldSplit], home: Path) -> None:
    """Train and answer what is missing, each cell and fold in a process of its own."""
    left = [job for job in jobs if answers_of(job, parts[job.fold - 1].held_out) is None]
    if left:
        look_at_fold(left[0], parts[left[0].fold - 1])
    for job in track(left, "training and answering folds", len(left)):
        what = f"training {job.home.parent.name}, fold {job.fold} of {job.folds}"
        fault = run_apart(run_fold, job, what, str(home))
        if job.cache is not None and fault is not None:
            job.cache.fault = fault


def _answers(jobs: Sequence[FoldJob], parts: Sequence[FoldSplit]) -> list[Prediction]:
    """A cell's answers to all items."""
    found: list[Prediction] = []
    for job, part in zip(jobs, parts, strict=True):
        answers = answers_of(job, part.held_out)
        if answers is None:
            raise OvbenchError(f"{job.home}: the fold was trained, but its answers are not there.")
        found += answers
    return found


def _scored(
    made_of: SweepSettings,
    axes: Sequence[Axis],
    whole: Task,
    protocol: Protocol,
    answers: Sequence[Sequence[Prediction]],
    draws: int,
) -> Sweep:
    """Every cell's result, the best cell, and the best against every other."""
    options = Options(draws=draws, seed=made_of.seed, on_missing="wrong", floors=False)
    sources = [prediction_source(whole, of_cell) for of_cell in answers]
    each = list(cells(axes))
    names = [cell_name(cell) for cell in each]
    results = [
        score_files(source, whole, protocol, options).model_copy(update={"predictions": name})
        for name, source in zip(names, sources, strict=True)
    ]
    ranked = [_rank(result) for result in results]
    best = ranked.index(max(ranked))
    return Sweep(
        settings=made_of,
        items=len(whole.items),
        dealt_by=strata(whole)[1],
        protocol=protocol.id,
        score=protocol.headline,
        grid={axis.key: axis.values for axis in axes},
        cells=tuple(
            SweepCell(settings=cell, result=result)
            for cell, result in zip(each, results, strict=True)
        ),
        best=best,
        against=_against(best, names, sources, whole, protocol, options),
        notes=_notes(whole),
    )


def _against(
    best: int,
    names: Sequence[str],
    sources: Sequence[Source],
    whole: Task,
    protocol: Protocol,
    options: Options,
) -> tuple[Comparison | None, ...]:
    """The best cell's pooled score against each other cell's; all None where nothing is drawn."""
    others = [at for at in range(len(names)) if at != best]
    found: dict[int, Comparison] = {}
    if options.draws and others:
        against = [sources[at] for at in others]
        compared = score_files(sources[best], whole, protocol, options, against=against)
        found = {
            at: one.model_copy(update={"other": names[at]})
            for at, one in zip(others, compared.comparisons, strict=True)
        }
    return tuple(found.get(at) for at in range(len(names)))


def _rank(result: Result) -> float:
    """Mean over folds of the headline; where a fold's is undefined, the pooled one."""
    folds = result.folds
    mean = None if folds is None else folds.mean[result.headline]
    pooled = result.scores[result.headline]
    found = pooled if mean is None else mean
    return float("-inf") if found is None else found


def _notes(whole: Task) -> tuple[str, ...]:
    assert whole.folds is not None
    speakers: dict[str, set[str]] = {}
    for item in whole.items:
        if item.speaker is not None:
            speakers.setdefault(item.speaker, set()).add(whole.folds[item.id])
    shared = sum(len(found) > 1 for found in speakers.values())
    if not shared:
        return ()
    return (
        f"{shared} of {len(speakers)} speakers are in more than one fold: the scores are those of "
        "voices that the models know",
    )
