"""How each kind of protocol is summed up batch by batch; see :mod:`ovbench.scoring.stream_sums`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.labels import parse_cells
from ovbench.io.records import Cell, Records
from ovbench.metrics import group, sentiment
from ovbench.metrics.bits import SetCounts
from ovbench.normalize.synonym_groups import load_groups
from ovbench.protocols import Protocol
from ovbench.protocols.schema import (
    ClosedSetProtocol,
    HitRateProtocol,
    SentimentProtocol,
    SynonymGroupsProtocol,
)
from ovbench.results import Labels, RingCounts
from ovbench.scoring import classes, synonym_sets, wheels
from ovbench.scoring.cluster_sets import (
    WheelProtocol,
    WheelScorer,
    gold_candidates,
    items_per_list,
    ring_counts,
    ring_metric,
    unknown_labels,
)
from ovbench.scoring.evaluation import Evaluation, distinct_pairs, item_status
from ovbench.scoring.floors import Floors, wheel_floors
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared, parsers
from ovbench.scoring.stream_sides import Side
from ovbench.scoring.stream_sums import BLOCK, Family, Sums, Unnamed, anonymous, count_status

_NOT_GIVEN = sentiment.OTHER + 1
"""Stands for a missing answer among codes of answers."""


@dataclass
class GoldFacts:
    """What must be known of the whole gold before any item is scored.

    Attributes
    ----------
    classes:
        For a closed set whose classes are those that occur: each with a gold cell that names it.
    candidates:
        For the official hit rate: the different clusters of gold labels, shape (rows, rings).
    """

    classes: dict[str, Cell] = field(default_factory=dict)
    candidates: NDArray[np.int32] | None = None

    @classmethod
    def needed(cls, protocol: Protocol, options: Options) -> bool:
        """Whether anything must be known."""
        if isinstance(protocol, ClosedSetProtocol):
            return options.classes is None
        return isinstance(protocol, HitRateProtocol) and protocol.hit == "count"

    @classmethod
    def of(cls, gold: Records, protocol: Protocol, options: Options) -> GoldFacts:
        """The facts of some rows of the gold.

        Raises
        ------
        InputError
            If a gold cell of a closed set is not one class.
        """
        if isinstance(protocol, ClosedSetProtocol):
            codes, names = classes.closed_set_gold(gold, protocol, options)
            used, at = np.unique(codes, return_index=True)
            pairs = zip(used.tolist(), at.tolist(), strict=True)
            return cls(classes={names[code]: gold.cells[cell] for code, cell in pairs})
        assert isinstance(protocol, HitRateProtocol)
        found = gold_candidates(WheelScorer.load(protocol, options), gold)
        assert found is not None
        return cls(candidates=np.unique(found, axis=0))

    def merge(self, other: GoldFacts) -> None:
        """Add the facts of other rows."""
        self.classes = {**other.classes, **self.classes}
        both = [one for one in (self.candidates, other.candidates) if one is not None]
        if both:
            self.candidates = np.unique(np.concatenate(both), axis=0)


def family_of(protocol: Protocol, options: Options, facts: GoldFacts) -> Family:
    """The way to sum up a protocol."""
    if isinstance(protocol, SentimentProtocol):
        return SentimentFamily(protocol)
    if isinstance(protocol, ClosedSetProtocol):
        return ClosedSetFamily(protocol, options, tuple(facts.classes.values()))
    if isinstance(protocol, SynonymGroupsProtocol):
        return GroupFamily(protocol, options)
    return WheelFamily(protocol, options, facts.candidates)


class WheelFamily:
    """Cluster sets on wheels."""

    def __init__(
        self,
        protocol: WheelProtocol,
        options: Options,
        candidates: NDArray[np.int32] | None,
    ) -> None:
        self.protocol, self.options = protocol, options
        self.scorer = WheelScorer.load(protocol, options)
        self.parser, self.gold_parser = parsers(protocol.parser, options)
        self.candidates = candidates

    def sums(self, items: Prepared) -> Sums:
        """The sums of a batch."""
        scorer = self.scorer
        gold = scorer.place(parse_cells(items.gold.cells, self.gold_parser))
        predicted = scorer.place(parse_cells(items.predictions.cells, self.parser))
        g, p, weight, _ = distinct_pairs(items.gold_cell, items.pred_cell)
        gold_weight = items_per_list(g, weight, len(gold.lists.status))
        pred_weight = items_per_list(p, weight, len(predicted.lists.status))
        counts, in_candidates = scorer.count(gold, predicted, g, p, self.candidates)
        lengths = np.append(np.diff(predicted.lists.offsets), 0)
        found = Sums(
            items=len(items.ids),
            enters=int(weight[np.any(counts.gold > 0, axis=1)].sum()),
            status=count_status(item_status(items.pred_cell, predicted.lists.status)),
            gold=Side.of(gold, gold_weight, sets=self.options.floors),
            predicted=Side.of(predicted, pred_weight, sets=self.options.floors),
        )
        for wheel, levels in ring_counts(
            self.protocol.rings, counts, weight, lengths[p] > 0
        ).items():
            for level, one in levels.items():
                for name, n in one:
                    found.rings[f"{wheel}/{level}", name] = n
        for start in range(0, len(weight), BLOCK):
            rows = slice(start, start + BLOCK)
            block = SetCounts(counts.both[rows], counts.gold[rows], counts.pred[rows])
            within = None if in_candidates is None else in_candidates[rows]
            found.add_rows(
                scorer.statistics(block, weight[rows], within), keep=self.options.draws > 0
            )
        return found

    def evaluation(self, sums: Sums) -> Evaluation:
        """The evaluation of all items."""
        finish = ring_metric(self.protocol).finish
        rings: dict[str, dict[str, RingCounts]] = {}
        for ring in self.protocol.rings:
            wheel, _, level = ring.partition("/")
            numbers = {name: sums.rings[ring, name] for name in RingCounts.model_fields}
            rings.setdefault(wheel, {})[level] = RingCounts(**numbers)
        scored = np.array([[sums.rings[ring, "scored"] for ring in self.protocol.rings]])
        mean_labels = sums.predicted.mean_length

        def floors() -> Floors:  # these stand-ins are large: made when they are needed
            gold, gold_weight = sums.gold.stand_in(self.scorer)
            predicted, pred_weight = sums.predicted.stand_in(self.scorer)
            k = max(1, round(mean_labels or 0))
            return wheel_floors(
                self.scorer, gold, gold_weight, predicted, pred_weight, k, self.candidates
            )

        return replace(
            anonymous(
                sums,
                sums.scores(finish),
                lambda: sums.tally.finished(finish),
                wheels.signature_choices(self.scorer, self.parser.id),
            ),
            gold_status=sums.gold.status,
            notes=wheels.silent_rings(self.protocol, SetCounts(scored, scored, scored)),
            labels=Labels(
                gold_mean=sums.gold.mean_length,
                prediction_mean=mean_labels,
                gold=unknown_labels(*sums.gold.stand_in(self.scorer, sets=False)),
                prediction=unknown_labels(*sums.predicted.stand_in(self.scorer, sets=False)),
            ),
            wheels=rings,
            floors=floors,
        )


class ClosedSetFamily:
    """One class per item. ``known`` holds a gold cell of every class, unless they are declared."""

    def __init__(
        self, protocol: ClosedSetProtocol, options: Options, known: tuple[Cell, ...]
    ) -> None:
        self.protocol, self.options, self.known = protocol, options, known
        none = np.zeros(0, dtype=np.int64)
        gold = Records("gold", [], none, list(known), {}, "", "", None)
        _, self.classes = classes.closed_set_gold(gold, protocol, options)

    def sums(self, items: Prepared) -> Sums:
        """The sums of a batch."""
        gold = replace(items.gold, cells=[*items.gold.cells, *self.known])
        found = classes.evaluate_closed_set(replace(items, gold=gold), self.protocol, self.options)
        assert found.confusion is not None
        pairs = {
            (gold, answer if answer < len(self.classes) else classes.OTHER): n
            for gold, row in enumerate(found.confusion.counts)
            for answer, n in enumerate(row)
            if n
        }
        return Sums(
            items=len(items.ids),
            enters=len(items.ids),
            status=count_status(found.status),
            pairs=Counter(pairs),
            choices=found.choices,
        )

    def evaluation(self, sums: Sums) -> Evaluation:
        """The evaluation of all items."""
        gold, answers, weight = _columns(sums)
        return _of_classes(sums, gold, answers, weight, self.classes)


class SentimentFamily:
    """Sentiment words. Answers are kept as codes of :mod:`ovbench.metrics.sentiment`."""

    def __init__(self, protocol: SentimentProtocol) -> None:
        self.protocol = protocol

    def sums(self, items: Prepared) -> Sums:
        """The sums of a batch."""
        exact = self.protocol.answers == "exact"
        read = [classes.sentiment_answer(cell, exact) for cell in items.predictions.cells]
        words = np.array([*(word for word, _ in read), _NOT_GIVEN], dtype=np.int64)
        known = np.array([status for _, status in read], dtype=np.uint8)
        gold = classes.sentiment_gold(items.gold, self.protocol)[items.gold_cell]
        kept = gold != classes.OTHER
        table = np.stack([gold[kept], words[items.pred_cell[kept]]])
        pairs, n = np.unique(table, axis=1, return_counts=True)
        return Sums(
            items=int(kept.sum()),
            enters=int(kept.sum()),
            status=count_status(item_status(items.pred_cell, known)[kept]),
            pairs=Counter(dict(zip(map(tuple, pairs.T.tolist()), n.tolist(), strict=True))),
        )

    def evaluation(self, sums: Sums) -> Evaluation:
        """The evaluation of all items.

        Raises
        ------
        InputError
            If no item has a gold value that the rule scores.
        """
        if not sums.items:
            raise InputError(
                "every gold value is zero",
                expected="values above and below 0",
                mend="use --protocol sentiment-has0, which scores zeros",
            )
        gold, words, weight = _columns(sums)
        rule = self.protocol.rule
        answers = sentiment.answer_codes(np.minimum(words, sentiment.OTHER), rule)
        found = _of_classes(sums, gold, answers, weight, sentiment.classes(rule))
        given: NDArray[np.int64] = np.repeat(words, weight * (words != _NOT_GIVEN))
        return replace(found, notes=classes.sentiment_notes(given, self.protocol))


class GroupFamily:
    """MER2024's synonym groups, which are there for single items."""

    def __init__(self, protocol: SynonymGroupsProtocol, options: Options) -> None:
        if options.groups is None:
            raise InputError(
                f"protocol {protocol.id!r} needs the synonym groups of every item",
                mend="give MER2024's openset-synonym zip or folder with --groups",
            )
        self.protocol, self.options, self.groups = protocol, options, load_groups(options.groups)

    def sums(self, items: Prepared) -> Sums:
        """The sums of a batch."""
        grouped = np.array([name in self.groups for name in items.ids])
        if not grouped.any():
            return Sums()
        found = synonym_sets.evaluate_groups(items, self.protocol, self.options)
        sums = Sums(
            items=len(found.ids),
            enters=int(found.enters.sum()),
            status=count_status(found.status),
            choices=found.choices,
        )
        sums.add_rows(found.statistics, keep=self.options.draws > 0)
        return sums

    def evaluation(self, sums: Sums) -> Evaluation:
        """The evaluation of all items.

        Raises
        ------
        InputError
            If no item has groups.
        """
        if not sums.items:
            raise InputError(
                "no item has synonym groups",
                where=self.options.groups,
                expected="<item>.npy for the ids of the gold",
            )
        none = np.zeros((0, 1), dtype=np.int64)
        finish = group.statistics(SetCounts(none, none, none), none[:, 0]).finish
        return anonymous(
            sums, sums.scores(finish), lambda: sums.tally.finished(finish), sums.choices
        )


def _columns(sums: Sums) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Gold class, answer and number of items of each pair."""
    rows = np.array([[*pair, n] for pair, n in sums.pairs.items()], dtype=np.int64)
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _of_classes(
    sums: Sums,
    gold: NDArray[np.int64],
    answers: NDArray[np.int64],
    weight: NDArray[np.int64],
    names: Sequence[str],
) -> Evaluation:
    """The evaluation of all items from their pairs of gold class and answer."""
    every = np.arange(len(weight), dtype=np.int64)
    found = classes.class_evaluation(Unnamed(sums.items), gold, answers, weight, every, names)
    counted = anonymous(sums, found.scores, found.make_statistics, sums.choices)
    return replace(
        found,
        row_of_item=counted.row_of_item,
        status=counted.status,
        enters=counted.enters,
        choices=counted.choices,
    )
