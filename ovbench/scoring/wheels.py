"""Score cluster sets: the emotion-wheel metric and the hit rate, official and open alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels import LabelLists, LabelParser, parse_cells
from ovbench.io.records import Cell
from ovbench.metrics.bits import SetCounts
from ovbench.results import Labels
from ovbench.scoring.cluster_sets import (
    Placed,
    WheelProtocol,
    WheelScorer,
    gold_candidates,
    item_f1,
    items_per_list,
    labels_of,
    mean_length,
    ring_counts,
    status_counts,
    unknown_labels,
)
from ovbench.scoring.evaluation import Evaluation, distinct_pairs, item_status
from ovbench.scoring.floors import Floors, wheel_floors
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared, parsers
from ovbench.threads import in_threads

_MANY_CELLS = 10_000


def evaluate_wheels(prepared: Prepared, protocol: WheelProtocol, options: Options) -> Evaluation:
    """Score label lists on the wheels of a protocol."""
    scorer = WheelScorer.load(protocol, options)
    parser, gold_parser = parsers(protocol.parser, options)
    gold, predicted = _place_both(scorer, prepared, gold_parser, parser)
    g, p, weight, row_of_item = distinct_pairs(prepared.gold_cell, prepared.pred_cell)
    candidates = gold_candidates(scorer, prepared.gold)
    counts, in_candidates = scorer.count(gold, predicted, g, p, candidates)
    gold_weight = items_per_list(g, weight, len(gold.lists.status))
    pred_weight = items_per_list(p, weight, len(predicted.lists.status))
    labels = _labels(gold, gold_weight, predicted, pred_weight)
    lengths = _lengths(predicted.lists, p)

    def describe(item: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        row = row_of_item[item]
        return labels_of(gold.lists, int(g[row])), labels_of(predicted.lists, int(p[row]))

    def floors() -> Floors:
        k = max(1, round(labels.prediction_mean or 0))
        return wheel_floors(scorer, gold, gold_weight, predicted, pred_weight, k, candidates)

    return Evaluation(
        ids=prepared.ids,
        scores=scorer.scores(counts, weight, in_candidates),
        make_statistics=lambda: scorer.statistics(counts, weight, in_candidates),
        row_of_item=row_of_item,
        status=item_status(prepared.pred_cell, predicted.lists.status),
        enters=np.any(counts.gold > 0, axis=1)[row_of_item],
        gold_status=status_counts(gold.lists.status, gold_weight),
        notes=silent_rings(protocol, counts),
        item_scores=lambda: item_f1(counts)[row_of_item],
        choices=signature_choices(scorer, parser.id),
        labels=labels,
        wheels=ring_counts(protocol.rings, counts, weight, lengths > 0),
        floors=floors,
        describe=describe,
        trace=lambda label: _trace(scorer, label),
        columns=prepared.columns,
        sample=lambda: _sample(counts, in_candidates, lengths, row_of_item),
    )


def _place_both(
    scorer: WheelScorer, prepared: Prepared, gold_parser: LabelParser, parser: LabelParser
) -> tuple[Placed, Placed]:
    """Gold's and predictions' label lists on the rings."""
    cells = (prepared.gold.cells, prepared.predictions.cells)
    # Polars and NumPy let go of the interpreter while they work on many cells.
    threads = 2 if max(map(len, cells)) >= _MANY_CELLS else 1

    def place(cells: Sequence[Cell], parser: LabelParser) -> Placed:
        return scorer.place(parse_cells(cells, parser))

    gold, predicted = in_threads(place, cells, (gold_parser, parser), threads=threads)
    return gold, predicted


def _lengths(lists: LabelLists, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shape (rows,): how many labels the list of each row has; none for index -1."""
    lengths: NDArray[np.int64] = np.append(np.diff(lists.offsets), 0)[index]
    return lengths


def _labels(
    gold: Placed,
    gold_weight: NDArray[np.int64],
    predicted: Placed,
    pred_weight: NDArray[np.int64],
) -> Labels:
    """How many labels there are per item, and which of them no ring knows."""
    return Labels(
        gold_mean=mean_length(gold.lists, gold_weight),
        prediction_mean=mean_length(predicted.lists, pred_weight),
        gold=unknown_labels(gold, gold_weight),
        prediction=unknown_labels(predicted, pred_weight),
    )


def _trace(scorer: WheelScorer, label: str) -> dict[str, str | None]:
    """A label's cluster on each scored ring."""
    path = scorer.normalizer.trace(label)
    return {ring.key: path.cluster(c) for ring, c in zip(scorer.rings, scorer.columns, strict=True)}


def _sample(
    counts: SetCounts,
    in_candidates: NDArray[np.integer] | None,
    lengths: NDArray[np.int64],
    row_of_item: NDArray[np.int64],
) -> dict[str, list[object]]:
    """Set sizes and numbers of predicted labels, item by item."""
    sides = {"both": counts.both, "gold": counts.gold, "pred": counts.pred}
    if in_candidates is not None:
        sides["in_candidates"] = in_candidates
    sides["labels"] = lengths
    return {name: side[row_of_item].tolist() for name, side in sides.items()}


def silent_rings(protocol: WheelProtocol, counts: SetCounts) -> tuple[str, ...]:
    """A note on the rings where no gold item has a cluster."""
    silent = np.flatnonzero(counts.gold.max(axis=0, initial=0) == 0)
    if not silent.size:
        return ()
    names = ", ".join(protocol.rings[ring] for ring in silent)
    ours = protocol.metric == "hit-rate" and protocol.hit == "any"
    omitted = ours or (protocol.metric == "emotion-wheel" and protocol.undefined == "omit")
    fate = "left out of the means" if omitted else "part of the means as this protocol has it"
    return (f"no gold item has a cluster on {names}: {fate}",)


def signature_choices(scorer: WheelScorer, parser: str) -> dict[str, object]:
    """What the signature tells of a parser and a normalizer."""
    stages = scorer.normalizer.signature
    same = len(set(stages.values())) == 1
    return {"parser": parser, "normalizer": next(iter(stages.values())) if same else stages}
