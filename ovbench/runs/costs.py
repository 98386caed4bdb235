"""What the methods of a comparison cost, from their runs, their trainings and their recipes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ovbench.errors import InputError, OvbenchError
from ovbench.runs.comparison import Comparison, RowCost
from ovbench.runs.opened import train_split
from ovbench.runs.place import Place, find_adapter, find_report, require_models
from ovbench.runs.records import Cost, RunRecord
from ovbench.runs.store import COST, read_record, read_run
from ovbench.systems import CausalLmRecipe, Trainable, load_recipe
from ovbench.systems.backbones import locate, weights_sha256
from ovbench.systems.saved_files import ADAPTER, SPEECH_MODEL
from ovbench.tasks import Task, load_task
from ovbench.training.report import TrainingReport, read_report
from ovbench.training.speech_report import read_speech_report

if TYPE_CHECKING:
    from ovbench.runs.footprint import Footprint

Found = TypeVar("Found")


def cost_of(
    recipe: Trainable,
    place: Place,
    train: Callable[[], Task],
    runs: Sequence[Path],
    adapters: Sequence[Path],
) -> RowCost:
    """What a trained method takes and takes up; parameters as :func:`row_cost`'s."""
    if isinstance(recipe, CausalLmRecipe):
        return row_cost(recipe, place, train, runs, adapters)
    return hearing_cost(adapters)


def hearing_cost(adapters: Sequence[Path]) -> RowCost:
    """What a system that hears takes and takes up, from its trainings' reports.

    It reads no tokens and writes none, so there is no speed in tokens.
    """
    why: list[str] = []
    files = [path for path in map(find_report, adapters) if path]
    found = [_tried(partial(read_speech_report, path), why) for path in files]
    reports = [report for report in found if report]
    first = reports[0] if reports else None
    return RowCost(
        trainable_parameters=first.trainable_parameters if first else None,
        total_parameters=first.total_parameters if first else None,
        adapter_bytes=(adapters[0] / SPEECH_MODEL[1]).stat().st_size if adapters else None,
        peak_memory_bytes=max((one.peak_memory_bytes for one in reports), default=None),
        unknown="; ".join(dict.fromkeys(why)) or None,
    )


def row_cost(
    recipe: CausalLmRecipe,
    place: Place,
    train: Callable[[], Task],
    runs: Sequence[Path],
    adapters: Sequence[Path],
) -> RowCost:
    """What a fine-tuned method takes and takes up.

    Parameters
    ----------
    place:
        Scale, base, dtype and device of its trainings.
    train:
        Loads the train split, on whose first items activations are counted.
    runs, adapters:
        Folders of its runs and of their adapters, seed by seed; without adapters, what training
        took stays unknown.

    Figures that cannot be had are null, and ``unknown`` says why; nothing is raised for them.
    """
    why: list[str] = []
    reports = _reports(adapters, why)
    taken = _tried(partial(_footprint, recipe, place, train), why)
    trainable = reports[0].trainable_parameters if reports else None
    return RowCost(
        trainable_parameters=taken.trainable_parameters if taken else trainable,
        total_parameters=taken.total_parameters if taken else None,
        adapter_bytes=(adapters[0] / ADAPTER[1]).stat().st_size if adapters else None,
        saved_activation_bytes=taken.saved_activation_bytes if taken else None,
        peak_memory_bytes=max((one.peak_memory_bytes for one in reports), default=None),
        train_tokens_per_second=_median([one.tokens_per_second for one in reports]),
        decode_tokens_per_second=_speed(runs, why),
        unknown="; ".join(dict.fromkeys(why)) or None,
    )


def costs_of_runs(comparison: Comparison, place: Place | None = None) -> dict[str, RowCost]:
    """By method: what the runs of a comparison cost, as far as what made them can be found again.

    ``place`` names a base and a device where they are not the recipe's and the best one. Raises as
    :func:`ovbench.runs.store.read_run`.
    """
    found = {}
    for row in comparison.rows:
        runs = [(folder, read_run(folder)[0]) for folder in map(Path, row.runs)]
        if row.kind == "causal_lm":
            found[row.name] = _cost_of_method(row.name, runs, place or Place())
    return found


def with_costs(comparison: Comparison, costs: Mapping[str, RowCost]) -> Comparison:
    """The comparison with the costs of its methods, and warnings where figures are missing."""
    rows = [
        row.model_copy(update={"cost": costs[row.name]}) if row.name in costs else row
        for row in comparison.rows
    ]
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.cost.unknown:
            reasons.setdefault(row.cost.unknown, []).append(row.name)
    told = [
        f"costs of {', '.join(names)} are not all known: {why}" for why, names in reasons.items()
    ]
    return comparison.model_copy(
        update={"rows": tuple(rows), "warnings": (*comparison.warnings, *told)}
    )


def _cost_of_method(name: str, runs: Sequence[tuple[Path, RunRecord]], place: Place) -> RowCost:
    """The runs are of one method; the first says what it was made of."""
    folders, settings = [folder for folder, _ in runs], runs[0][1].settings
    about = settings.system
    why: list[str] = []
    recipe = _tried(partial(_same_recipe, name, about.recipe), why)
    if recipe is None:
        return RowCost(decode_tokens_per_second=_speed(folders, why), unknown="; ".join(why))
    scale = about.scale or "tiny"
    where = replace(place, scale=scale, dtype=about.dtype or "auto")
    found = [_tried(partial(_same_adapter, recipe, where, *run), why) for run in runs]

    def train() -> Task:
        _check_base(recipe, where, about.base)
        return train_split(load_task(settings.task, settings.split), recipe.train_task(scale))

    made = row_cost(recipe, where, train, folders, [folder for folder in found if folder])
    parts = [*why, *([made.unknown] if made.unknown else [])]
    return made.model_copy(update={"unknown": "; ".join(dict.fromkeys(parts)) or None})


def _same_recipe(name: str, digest: str | None) -> CausalLmRecipe:
    recipe = load_recipe(name)
    if not isinstance(recipe, CausalLmRecipe) or recipe.digest() != digest:
        raise InputError(f"the recipe called {name} is not the one of the runs")
    return recipe


def _same_adapter(recipe: CausalLmRecipe, place: Place, run: Path, record: RunRecord) -> Path:
    """The folder of the adapter that made a run, where it lies where one is looked for."""
    require_models("looking at an adapter")
    from ovbench.systems.saved import adapter_sha256

    folder = find_adapter(recipe, place, run.parent.parent)
    if adapter_sha256(folder) != record.settings.system.adapter:
        raise InputError(f"the adapter that made {run} is not in {folder}")
    return folder


def _check_base(recipe: CausalLmRecipe, place: Place, sha256: str | None) -> None:
    name = place.base or recipe.scale(place.scale).backbone
    if weights_sha256(locate(name)) != sha256:
        raise InputError(
            f"{name} is not the base of the runs", mend="name theirs with --base FOLDER"
        )


def _footprint(recipe: CausalLmRecipe, place: Place, train: Callable[[], Task]) -> Footprint:
    require_models("counting what a method takes up")
    from ovbench.runs.footprint import footprint
    from ovbench.systems.devices import is_out_of_memory

    try:
        return footprint(recipe, place, train())
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OvbenchError("there is not enough memory to count activations") from None


def _tried(look: Callable[[], Found], why: list[str]) -> Found | None:
    """What ``look`` finds, or None and the reason in ``why``."""
    try:
        return look()
    except OvbenchError as error:
        why.append(str(error).rstrip("."))
        return None


def _speed(runs: Sequence[Path], why: list[str]) -> float | None:
    """Tokens per second of the median run."""
    files = [run / COST for run in runs if (run / COST).is_file()]
    costs = [_tried(partial(read_record, path, Cost), why) for path in files]
    found = [one.tokens_per_second for one in costs if one and one.tokens_per_second]
    if not found and any(one.cached for one in costs if one):
        why.append("all answers came from the cache, so generation was not timed (--no-cache does)")
    return _median(found)


def _reports(adapters: Sequence[Path], why: list[str]) -> list[TrainingReport]:
    found = [_tried(partial(read_report, path), why) for path in map(find_report, adapters) if path]
    return [report for report in found if report]


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
