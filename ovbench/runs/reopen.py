"""A finished run, opened again with the very weights that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import InputError, ValidationError
from ovbench.runs.opened import OpenedRecipe, open_recipe
from ovbench.runs.place import Place
from ovbench.runs.records import Prediction, RunRecord
from ovbench.runs.store import read_run
from ovbench.systems import CausalLmRecipe, load_recipe
from ovbench.tasks import Gold, Item, Task, load_task

if TYPE_CHECKING:
    from ovbench.runs.las_report import LasReport
    from ovbench.runs.leak import LeakReport
    from ovbench.systems.generation import CausalLmSystem

_HASHES = ("recipe", "base", "adapter", "prompt", "context", "describer")


@dataclass(frozen=True)
class Reopened:
    """A run of a language model and what made it."""

    record: RunRecord
    task: Task
    """As limited in the run."""
    whole: Task
    """All items of the split, among which a control exchanges contexts."""
    predictions: dict[str, Prediction]
    opened: OpenedRecipe

    def system(self, gold: Mapping[str, Gold] | None = None) -> CausalLmSystem:
        """The system as an evaluation opens it, over the whole split.

        ``gold`` takes the place of the items' own.
        """
        task = replace(self.whole, gold={**self.whole.gold, **(gold or {})})
        builder = self.opened.contexts(task)
        return self.opened.system(task, builder, seed=self.record.settings.seed)


def reopen(folder: str | Path, place: Place | None = None, recipe: str | None = None) -> Reopened:
    """Open what made a run, and check by hash that it is the same.

    Parameters
    ----------
    place:
        Where adapter and base are, if not where the run found them; the scale is the run's.
    recipe:
        The recipe's TOML file, where it is not a registered one.

    Raises
    ------
    InputError
        If the folder is no run, the run is of another kind of system, or what made it is gone.
    ValidationError
        If recipe, base, adapter, prompt, contexts or task are not what they were.
    """
    home = Path(folder)
    record, predictions = read_run(home)
    about = record.settings.system
    found = load_recipe(recipe or about.name)
    if not isinstance(found, CausalLmRecipe):
        raise InputError(
            f"{about.name} is of kind {about.kind}",
            where=str(home),
            expected="a run of a fine-tuned language model",
        )
    whole = load_task(record.settings.task, record.settings.split)
    _check(home, "task", record.settings.task_digest, whole.digest())
    where = replace(place or Place(), scale=about.scale or "tiny")
    if where.dtype == "auto" and about.dtype:
        where = replace(where, dtype=about.dtype)
    opened = open_recipe(found, where, home.parent.parent)
    whole = opened.described(whole, record.settings.limit)
    now = opened.record(opened.contexts(whole))
    for name in _HASHES:
        _check(home, name, getattr(about, name), getattr(now, name))
    return Reopened(record, whole.limited(record.settings.limit), whole, predictions, opened)


def _check(folder: Path, what: str, then: str | None, now: str | None) -> None:
    if then != now:
        raise ValidationError(
            f"{folder}: the {what} is not the one that made this run ({str(now)[:12]} now, "
            f"{str(then)[:12]} then). Name the right one, or evaluate again."
        )


def las_report_of(
    folder: str | Path,
    place: Place | None = None,
    *,
    recipe: str | None = None,
    batch_size: int = 16,
) -> LasReport:
    """What LoRA-LAS's term does to the answers of a run.

    Raises as :func:`reopen` and :func:`ovbench.runs.las_report.las_report`; InputError also where
    every answer is empty.
    """
    from ovbench.runs.las_report import las_report
    from ovbench.training.encode import Pair, encode

    run = reopen(folder, place, recipe)
    system = run.system()
    lead = system.prompt.completion(())
    pairs = [
        Pair(item.id, system.prompt.render(item), lead + run.predictions[item.id].text)
        for item in run.task.items
        if item.id in run.predictions
    ]
    answered = {pair.id for pair in pairs}
    items = [item for item in run.task.items if item.id in answered]
    rows = system.context_rows(items, _first_pass(Path(folder), run, items))
    data = encode(pairs, run.opened.base.tokenizer, _NO_LIMIT, rows)
    return las_report(
        run.opened.adapter.model,
        data,
        system=system.name,
        task=run.task.id,
        batch_size=batch_size,
    )


def _first_pass(folder: Path, run: Reopened, items: Sequence[Item]) -> dict[str, str] | None:
    """The first answers' texts of a run with two-pass contexts; None for any other run."""
    if run.record.settings.system.context_source != "two_pass":
        return None
    found = {item.id: run.predictions[item.id] for item in items}
    if any(one.passes == 2 and one.first_pass is None for one in found.values()):
        raise InputError(
            "the run does not hold the answers of the first pass, which make its contexts",
            where=str(folder),
            mend="evaluate again with --fresh",
        )
    return {name: one.first_pass or "" for name, one in found.items()}


def leak_test_of(
    folder: str | Path,
    place: Place | None = None,
    *,
    recipe: str | None = None,
    rounds: int = 1,
    seed: int = 0,
) -> LeakReport:
    """Whether gold labels reach the answers of a run (:mod:`ovbench.runs.leak`).

    Raises as :func:`reopen` and :func:`ovbench.runs.leak.leak_test`.
    """
    from ovbench.runs.leak import leak_test

    run = reopen(folder, place, recipe)
    return leak_test(
        lambda task: run.system(task.gold),
        run.task,
        batch_size=run.record.settings.batch_size,
        rounds=rounds,
        seed=seed,
        recorded={name: prediction.text for name, prediction in run.predictions.items()},
    )


_NO_LIMIT = 1_000_000
"""Tokens; what the model could generate, it can read."""
