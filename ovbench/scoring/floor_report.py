"""Floors of a gold file by itself."""

from __future__ import annotations

import numpy as np

from ovbench.errors import InputError
from ovbench.io.labels import parse_cells
from ovbench.io.records import Records
from ovbench.metrics import categorical, sentiment
from ovbench.protocols import Protocol
from ovbench.protocols.schema import ClosedSetProtocol, SentimentProtocol, SynonymGroupsProtocol
from ovbench.scoring.classes import class_floors, closed_set_gold, sentiment_gold
from ovbench.scoring.cluster_sets import WheelScorer, gold_candidates, mean_length
from ovbench.scoring.evaluation import split_scores
from ovbench.scoring.floors import Floors, wheel_floors
from ovbench.scoring.options import Options
from ovbench.scoring.planning import FloorReport
from ovbench.scoring.prepare import parsers, prepare


def floor_report(
    gold: Records, protocol: Protocol, options: Options, labels: int | None
) -> FloorReport:
    """What trivial answers score on this gold; the shuffled ones are the gold's own answers."""
    if isinstance(protocol, SynonymGroupsProtocol):
        raise InputError(
            f"protocol {protocol.id!r} has no floors: its groups exist for one system's labels only"
        )
    items = prepare(gold, gold, options)
    weight = np.bincount(items.gold_cell, minlength=len(gold.cells)).astype(np.int64)
    if isinstance(protocol, SentimentProtocol | ClosedSetProtocol):
        if labels is not None:
            raise InputError(f"protocol {protocol.id!r} has one class per item, so no --labels")
        if isinstance(protocol, SentimentProtocol):
            codes = sentiment_gold(gold, protocol)
            classes: tuple[str, ...] = sentiment.classes(protocol.rule)
        else:
            codes, classes = closed_set_gold(gold, protocol, options)
        weight[codes < 0] = 0
        statistics = categorical.statistics(codes, codes, weight, classes)
        found: Floors = class_floors(statistics, classes, "the gold's own classes")
    else:
        scorer = WheelScorer.load(protocol, options)
        _, parser = parsers(protocol.parser, options)
        lists = parse_cells(gold.cells, parser)
        k = labels or max(1, round(mean_length(lists, weight) or 0))
        candidates = gold_candidates(scorer, gold)
        found = wheel_floors(scorer, scorer.place(lists), weight, None, weight, k, candidates)
    return FloorReport(
        gold=gold.source,
        protocol=protocol.id,
        items=int(weight.sum()),
        floors={name: split_scores(scores)[0] for name, (_, scores) in found.items()},
        notes={name: note for name, (note, _) in found.items()},
    )
