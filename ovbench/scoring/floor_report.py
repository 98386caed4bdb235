"""Floors of a gold file by itself."""

from __future__ import annotations

import numpy as np

from ovbench.errors import InputError
from ovbench.io.labels import parse_cells
from ovbench.io.records import Records
from ovbench.protocols import Protocol
from ovbench.protocols.schema import ClosedSetProtocol, SentimentProtocol, SynonymGroupsProtocol
from ovbench.scoring.classes import class_floors
from ovbench.scoring.cluster_sets import WheelScorer, gold_candidates, mean_length
from ovbench.scoring.evaluate import evaluate
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
    if isinstance(protocol, SentimentProtocol | ClosedSetProtocol):
        prepared = prepare(gold, gold, options)
        evaluation = evaluate(prepared, protocol, options)
        statistics, confusion = evaluation.statistics, evaluation.confusion
        assert confusion is not None
        found: Floors = class_floors(statistics, confusion.rows)
    else:
        scorer = WheelScorer.load(protocol, options)
        _, parser = parsers(protocol.parser, options)
        lists = parse_cells(gold.cells, parser)
        placed = scorer.place(lists)
        weight = np.bincount(gold.codes, minlength=len(lists.status)).astype(np.int64)
        k = labels or max(1, round(mean_length(lists, weight) or 0))
        candidates = gold_candidates(scorer, gold)
        found = wheel_floors(scorer, placed, weight, None, weight, k, candidates)
    return FloorReport(
        gold=gold.source,
        protocol=protocol.id,
        items=len(gold.ids),
        floors={name: split_scores(scores)[0] for name, (_, scores) in found.items()},
        notes={name: note for name, (note, _) in found.items()},
    )
