"""Score sets of MER2024's cached synonym groups."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from ovbench.errors import InputError
from ovbench.metrics import group
from ovbench.metrics.bits import SetCounts
from ovbench.normalize.synonym_groups import group_sets, load_groups
from ovbench.protocols.schema import SynonymGroupsProtocol
from ovbench.scoring.cluster_sets import item_f1, labels_of
from ovbench.scoring.evaluation import Evaluation, item_status
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared, label_lists, parsers


def evaluate_groups(
    prepared: Prepared, protocol: SynonymGroupsProtocol, options: Options
) -> Evaluation:
    """Score label lists over the synonym groups of each item.

    Raises
    ------
    InputError
        If no groups were given, or no item has any.
    """
    if options.groups is None:
        raise InputError(
            f"protocol {protocol.id!r} needs the synonym groups of every item",
            mend="give MER2024's openset-synonym zip or folder with --groups",
        )
    groups = load_groups(options.groups)
    grouped = np.array([name in groups for name in prepared.ids])
    items = prepared.keep(grouped)
    if not items.ids:
        raise InputError(
            "no item has synonym groups",
            where=options.groups,
            expected=f"<item>.npy for ids such as {prepared.ids[0]!r}",
        )
    parser, gold_parser = parsers(protocol.parser, options)
    gold_lists, pred_lists = label_lists(items, parser, gold_parser)
    gold = [labels_of(gold_lists, int(cell)) for cell in items.gold_cell]
    predicted = [labels_of(pred_lists, int(cell)) for cell in items.pred_cell]
    sizes = group_sets(gold, predicted, [groups[name] for name in items.ids])
    counts = SetCounts(sizes[:, 0:1], sizes[:, 1:2], sizes[:, 2:3])
    every = np.arange(len(items.ids), dtype=np.int64)
    status = item_status(items.pred_cell, pred_lists.status)
    statistics = group.statistics(counts, np.ones(len(every), dtype=np.int64))
    nothing = (counts.gold[:, 0] == 0) & (counts.pred[:, 0] > 0)
    return Evaluation(
        ids=items.ids,
        scores=statistics.scores(),
        make_statistics=lambda: statistics,
        row_of_item=every,
        status=status,
        enters=~nothing,
        item_scores=lambda: item_f1(counts),
        choices={"parser": parser.id, "groups": _hash(groups)},
        describe=lambda item: (gold[item], predicted[item]),
        columns=items.columns,
        sample=lambda: {
            "both": counts.both.tolist(),
            "gold": counts.gold.tolist(),
            "pred": counts.pred.tolist(),
        },
    )


def _hash(groups: dict[str, dict[str, str]]) -> str:
    """First digits of a hash over all groups, so that signatures tell which were used."""
    text = json.dumps(groups, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
