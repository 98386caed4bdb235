"""From an evaluation to a result: scores, intervals, counts, floors, groups, errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench import __version__
from ovbench.errors import InputError
from ovbench.io.labels import Status
from ovbench.metrics.intervals import Bootstrap, bootstrap
from ovbench.metrics.power import detectable_difference
from ovbench.metrics.statistics import Statistics
from ovbench.protocols import Protocol, signature
from ovbench.results import (
    Comparison,
    Counts,
    ErrorItem,
    Group,
    Interval,
    IntervalMethod,
    PerClass,
    Result,
)
from ovbench.scoring.evaluation import Evaluation, number, split_scores
from ovbench.scoring.folds import fold_scores
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared
from ovbench.scoring.wald import wald_intervals

FEW_ITEMS = 20
"""Groups, folds and classes with fewer items are marked: chance moves their scores too much."""
_SHOWN_IDS = 10


@dataclass(frozen=True)
class Origin:
    """Where the items of a result came from: names of the files, and what became of the ids."""

    predictions: str
    gold: str
    counts: Counts
    """Of the ids only; what became of the predictions is counted by :func:`assemble`."""

    @classmethod
    def of(cls, prepared: Prepared) -> Origin:
        """The origin of aligned files."""
        found = prepared.alignment
        counts = Counts(
            gold=len(found.gold_rows),
            missing=len(found.missing),
            extra=len(found.extra),
            duplicates=len(found.duplicates),
            gold_duplicates=len(found.gold_duplicates),
            missing_ids=tuple(found.missing[:_SHOWN_IDS]),
            extra_ids=tuple(found.extra[:_SHOWN_IDS]),
            duplicate_ids=tuple(found.duplicates[:_SHOWN_IDS]),
        )
        return cls(prepared.predictions.source, prepared.gold.source, counts)


def assemble(
    evaluation: Evaluation,
    protocol: Protocol,
    options: Options,
    origin: Origin,
    comparisons: tuple[Comparison, ...] = (),
) -> Result:
    """The whole result of one system."""
    flat = evaluation.scores
    scores, by_wheel = split_scores(flat)
    units = cluster_codes(evaluation, options)
    draws = None
    if options.draws:
        draws = run_bootstrap(evaluation, options, units)
    intervals, intervals_by_wheel = split_intervals(draws, flat)
    floors = evaluation.floors() if options.floors and evaluation.floors else {}
    by_class = evaluation.by_class(flat) if evaluation.by_class else {}
    folds, of_folds = fold_scores(evaluation, options.folds) if options.folds else (None, ())
    counts = _counts(evaluation, origin)
    asked = options.ci == "wald" and counts.scored > 0
    return Result(
        ovbench_version=__version__,
        protocol=protocol.id,
        signature=signature(protocol, signature_choices(evaluation)),
        predictions=origin.predictions,
        gold=origin.gold,
        headline=protocol.headline,
        scores=scores,
        by_wheel=by_wheel,
        intervals=intervals,
        intervals_by_wheel=intervals_by_wheel,
        interval_method=_method(options, evaluation, units) if draws else None,
        counts=counts,
        wheels=evaluation.wheels,
        labels=evaluation.labels,
        by_class=by_class,
        confusion=evaluation.confusion,
        floors={name: split_scores(values)[0] for name, (_, values) in floors.items()},
        floor_notes={name: note for name, (note, _) in floors.items()},
        detectable_difference=_detectable(draws, protocol.headline),
        comparisons=comparisons,
        groups=_groups(evaluation, options) if options.by else {},
        folds=folds,
        wald=wald_intervals(scores, intervals, counts.scored, options.confidence)
        if asked
        else None,
        errors=_errors(evaluation, options.errors),
        warnings=(*_warnings(evaluation, origin, options), *_rare(by_class), *of_folds),
    )


def signature_choices(evaluation: Evaluation) -> dict[str, object]:
    """What changes a score beside the protocol's own fields."""
    return {
        **evaluation.choices,
        "n": len(evaluation.ids),
    }


def cluster_codes(evaluation: Evaluation, options: Options) -> NDArray[np.int64] | None:
    """Shape (items,): the cluster of each item under ``--cluster-by``, or None for items.

    Raises
    ------
    InputError
        If an item's cluster is blank: all such items would be drawn together, as one.
    """
    if options.cluster_by is None:
        return None
    column = evaluation.columns[options.cluster_by]
    blank = np.flatnonzero(np.char.strip(column) == "")
    if blank.size:
        raise InputError(
            f"{blank.size} items have no value, the first is {evaluation.ids[int(blank[0])]!r}",
            where=f"column {options.cluster_by!r}",
            expected="one for every item",
            mend="fill the column, or leave --cluster-by out",
        )
    return np.unique(column, return_inverse=True)[1].astype(np.int64)


def run_bootstrap(
    evaluation: Evaluation,
    options: Options,
    units: NDArray[np.int64] | None,
    members: NDArray[np.bool_] | None = None,
) -> Bootstrap:
    """The bootstrap over items (identical ones drawn together) or over clusters of items.

    ``members``, shape (items,), takes only some of the items.
    """
    statistics = evaluation.statistics
    if units is not None:
        statistics = evaluation.item_statistics()
        if members is not None:
            values, weight = statistics.values[members], statistics.weight[members]
            statistics, units = Statistics(values, weight, statistics.finish), units[members]
    elif members is not None:
        statistics = evaluation.subset(members)
    return bootstrap(
        statistics,
        draws=options.draws,
        seed=options.seed,
        confidence=options.confidence,
        clusters=units,
    )


def split_intervals(
    draws: Bootstrap | None, flat: dict[str, float]
) -> tuple[dict[str, Interval], dict[str, dict[str, dict[str, Interval]]]]:
    """Intervals by score name, and by wheel, level and score name."""
    if draws is None:
        return {}, {}

    def one(key: str) -> Interval:
        found = draws.intervals[key]
        return Interval(low=number(found.low), high=number(found.high), undefined=found.undefined)

    scores, by_wheel = split_scores(flat)
    wheels = {
        wheel: {
            level: {name: one(f"{name}@{wheel}/{level}") for name in names}
            for level, names in levels.items()
        }
        for wheel, levels in by_wheel.items()
    }
    return {name: one(name) for name in scores}, wheels


def _method(
    options: Options, evaluation: Evaluation, units: NDArray[np.int64] | None
) -> IntervalMethod:
    return IntervalMethod(
        confidence=options.confidence,
        draws=options.draws,
        seed=options.seed,
        unit=options.cluster_by or "item",
        units=len(evaluation.ids) if units is None else int(units.max(initial=-1)) + 1,
    )


def _detectable(draws: Bootstrap | None, headline: str) -> float | None:
    """To an unrelated system of the same spread: the two errors add up."""
    if draws is None:
        return None
    error = draws.interval(headline).standard_error
    return None if np.isnan(error) else detectable_difference(float(np.sqrt(2)) * error)


def _counts(evaluation: Evaluation, origin: Origin) -> Counts:
    found = np.bincount(evaluation.status, minlength=len(Status))
    return origin.counts.model_copy(
        update={
            "scored": int(evaluation.enters.sum()),
            "empty": int(found[Status.EMPTY]),
            "unparsable": int(found[Status.UNPARSABLE]),
            "out_of_set": int(found[Status.OUT_OF_SET]),
            "left_out": origin.counts.gold - int(evaluation.enters.sum()),
            "gold_empty": evaluation.gold_status[Status.EMPTY] or origin.counts.gold_empty,
            "gold_unparsable": evaluation.gold_status[Status.UNPARSABLE]
            or origin.counts.gold_unparsable,
        }
    )


def _groups(evaluation: Evaluation, options: Options) -> dict[str, Group]:
    assert options.by is not None
    units = cluster_codes(evaluation, options)
    column = evaluation.columns[options.by]
    groups: dict[str, Group] = {}
    for name in sorted(set(column.tolist())):
        members = column == name
        flat = evaluation.subset(members).scores()
        overall, by_wheel = split_scores(flat)
        items = int((members & evaluation.enters).sum())
        few = items < FEW_ITEMS
        draws = None
        if options.draws and not few:
            draws = run_bootstrap(evaluation, options, units, members)
        groups[name] = Group(
            items=items,
            scores=overall,
            by_wheel=by_wheel,
            intervals=split_intervals(draws, flat)[0],
            warning=f"fewer than {FEW_ITEMS} items: no interval" if few else None,
        )
    return groups


def _rare(by_class: dict[str, PerClass]) -> tuple[str, ...]:
    """A warning where a class has so few gold items that one of them moves a macro score."""
    few = [f"{name} ({c.support})" for name, c in by_class.items() if c.support < FEW_ITEMS]
    if not few:
        return ()
    return (
        f"classes with fewer than {FEW_ITEMS} gold items: {', '.join(few)}; in averages over "
        "classes (UA, macro F1) a few items then count as much as all items of a large class",
    )


def _errors(evaluation: Evaluation, wanted: int) -> tuple[ErrorItem, ...]:
    """The items of lowest agreement; ties in the order of their ids."""
    if not wanted or evaluation.describe is None:
        return ()
    own = evaluation.item_scores()
    agreement = np.where(np.isnan(own), np.inf, own)
    least = np.partition(agreement, min(wanted, len(own)) - 1)[min(wanted, len(own)) - 1]
    near = np.flatnonzero(agreement <= least)
    ranked = sorted(near.tolist(), key=lambda item: (agreement[item], evaluation.ids[item]))[
        :wanted
    ]
    found = []
    for item in ranked:
        gold, prediction = evaluation.describe(item)
        trace = evaluation.trace
        labels = dict.fromkeys([*gold, *prediction])
        found.append(
            ErrorItem(
                id=evaluation.ids[item],
                score=number(own[item]),
                gold=gold,
                prediction=prediction,
                status=Status(int(evaluation.status[item])).label,
                traces={label: trace(label) for label in labels} if trace else {},
            )
        )
    return tuple(found)


def _warnings(evaluation: Evaluation, origin: Origin, options: Options) -> tuple[str, ...]:
    found = list(evaluation.notes)
    units = cluster_codes(evaluation, options)
    scored = evaluation.enters
    n = int(scored.sum()) if units is None else len(np.unique(units[scored]))
    if n < FEW_ITEMS and options.draws:
        what = "items" if units is None else f"values of {options.cluster_by}"
        found.append(f"fewer than {FEW_ITEMS} {what} ({n}): the intervals cannot be trusted")
    gold = evaluation.gold_status
    found += [
        f"{gold[status]} gold items are {status.label} and not scored"
        for status in (Status.EMPTY, Status.UNPARSABLE)
        if gold[status]
    ]
    unread = int((evaluation.status == Status.UNPARSABLE).sum())
    if unread:
        open_parser = str(evaluation.choices.get("parser", "")).startswith("open")
        asked = options.extract or not open_parser
        hint = "" if asked else "; --extract looks for emotion words in sentences"
        found.append(f"{unread} predictions are no label list and score as empty{hint}")
    if origin.counts.missing and evaluation.choices.get("missing") == "skip":
        found.append(
            f"{origin.counts.missing} items without a prediction are left out of the score"
        )
    return tuple(found)
