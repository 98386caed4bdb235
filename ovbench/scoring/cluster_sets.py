"""Label lists as cluster sets on a protocol's rings, and the sizes of what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.labels import LabelLists, Status
from ovbench.io.records import Records
from ovbench.metrics import emotion_wheel, hit_rate
from ovbench.metrics.bits import SetCounts, popcount, ring_bits, set_counts
from ovbench.metrics.rings import RingMetric
from ovbench.metrics.statistics import Statistics
from ovbench.normalize.normalizer import UNKNOWN, Normalizer, Ring
from ovbench.normalize.opening import official_normalizer, open_normalizer
from ovbench.protocols.schema import EmotionWheelProtocol, HitRateProtocol
from ovbench.results import RingCounts, Unknown
from ovbench.scoring.options import Options

WheelProtocol = EmotionWheelProtocol | HitRateProtocol
_TOP_UNKNOWN = 10


def load_normalizer(name: str, options: Options) -> Normalizer:
    """The normalizer a protocol names: ``official:TABLES`` or ``open``."""
    family, _, tables = name.partition(":")
    if family == "official":
        return official_normalizer(tables)
    if family == "open":
        return open_normalizer(options.lemmatizer, options.synonyms)
    raise InputError(f"unknown normalizer {name!r}", expected="official:TABLES or open")


def ring_metric(protocol: WheelProtocol) -> RingMetric:
    """The protocol's metric on its rings, from |G∩P|, |G| and |P|.

    For the official hit rate |P| stands for |P∩C|, the predicted clusters that occur in gold.
    """
    if protocol.metric == "emotion-wheel":
        headline = protocol.averaged_rings
        return emotion_wheel.metric(protocol.rings, zero=protocol.undefined, headline=headline)
    precision: Literal["precision", "mscore"] = "mscore" if protocol.hit == "count" else "precision"
    return hit_rate.metric(protocol.rings, hit=protocol.hit, precision=precision)


def wheel_statistics(
    protocol: WheelProtocol,
    counts: SetCounts,
    weight: NDArray[np.int64],
    in_candidates: NDArray[np.integer] | None,
) -> Statistics:
    """A protocol's sufficient statistics from set sizes on its rings.

    ``in_candidates``, shape (rows, rings), is |P∩C| for the official hit rate.
    """
    return ring_metric(protocol).statistics(_judged(counts, in_candidates), weight)


def _judged(counts: SetCounts, in_candidates: NDArray[np.integer] | None) -> SetCounts:
    return counts if in_candidates is None else replace(counts, pred=in_candidates)


@dataclass(frozen=True, eq=False)
class Placed:
    """Label lists on the scored rings.

    ``codes`` has shape (vocabulary, rings); ``bits`` holds per ring an array (lists, words).
    """

    lists: LabelLists
    codes: NDArray[np.int32]
    bits: list[NDArray[np.uint64]]


@dataclass(frozen=True, eq=False)
class WheelScorer:
    """A wheel protocol with its normalizer: places label lists and counts what they share."""

    protocol: WheelProtocol
    normalizer: Normalizer
    rings: tuple[Ring, ...]
    columns: list[int]

    @classmethod
    def load(cls, protocol: WheelProtocol, options: Options) -> WheelScorer:
        """The scorer of a protocol, with only the rings it asks for."""
        normalizer = load_normalizer(protocol.normalizer, options)
        known = {ring.key: index for index, ring in enumerate(normalizer.rings)}
        absent = [ring for ring in protocol.rings if ring not in known]
        if absent:
            raise InputError(
                f"protocol {protocol.id!r} asks for ring {absent[0]!r}",
                expected="one of " + ", ".join(known),
            )
        columns = [known[ring] for ring in protocol.rings]
        return cls(protocol, normalizer, tuple(normalizer.rings[c] for c in columns), columns)

    def codes(self, labels: Sequence[str]) -> NDArray[np.int32]:
        """Shape (labels, rings): clusters of labels on the scored rings."""
        return self.normalizer.map(labels).codes[:, self.columns]

    def place(self, lists: LabelLists) -> Placed:
        """Every list's clusters as bits, ring by ring."""
        codes = self.codes(lists.vocabulary)
        bits = [
            ring_bits(
                np.ascontiguousarray(codes[:, r]), lists.labels, lists.offsets, len(ring.clusters)
            )
            for r, ring in enumerate(self.rings)
        ]
        return Placed(lists, codes, bits)

    def statistics(
        self,
        counts: SetCounts,
        weight: NDArray[np.int64],
        in_candidates: NDArray[np.integer] | None,
    ) -> Statistics:
        """The protocol's sufficient statistics from set sizes."""
        return wheel_statistics(self.protocol, counts, weight, in_candidates)

    def scores(
        self,
        counts: SetCounts,
        weight: NDArray[np.int64],
        in_candidates: NDArray[np.integer] | None,
    ) -> dict[str, float]:
        """The protocol's scores from set sizes."""
        metric = ring_metric(self.protocol)
        totals = metric.totals(_judged(counts, in_candidates), weight)
        return metric.scores(totals.astype(np.float64))

    def count(
        self,
        gold: Placed,
        predicted: Placed,
        gold_index: NDArray[np.int64],
        pred_index: NDArray[np.int64],
        candidates: NDArray[np.int32] | None = None,
    ) -> tuple[SetCounts, NDArray[np.integer] | None]:
        """Set sizes of each pair, and |P∩C| where the official hit rate needs it."""
        counts = set_counts(gold.bits, predicted.bits, gold_index, pred_index)
        if candidates is None:
            return counts, None
        in_candidates = np.zeros_like(counts.pred)
        for r, ring in enumerate(self.rings):
            every = one_list(candidates[:, r], len(ring.clusters))
            size = popcount(predicted.bits[r] & every)
            in_candidates[:, r] = np.where(pred_index >= 0, size[np.maximum(pred_index, 0)], 0)
        return counts, in_candidates


def gold_candidates(scorer: WheelScorer, gold: Records) -> NDArray[np.int32] | None:
    """Clusters of the gold's labels for the official mscore, shape (labels, rings), else None.

    The official scorer takes the distinct gold cells as they are written: neither split nor
    lower-cased. A cell that is a list, on which it stops, gives its items.
    """
    protocol = scorer.protocol
    if protocol.metric != "hit-rate" or protocol.hit != "count":
        return None
    words: list[str] = []
    for cell in gold.cells:
        words.extend(map(str, cell) if isinstance(cell, tuple) else [str(cell)])
    return scorer.codes(words)


def one_list(codes: NDArray[np.int32], n_clusters: int) -> NDArray[np.uint64]:
    """Bits of one list that holds every one of these labels; shape (1, words)."""
    labels = np.arange(len(codes), dtype=np.int64)
    offsets = np.array([0, len(codes)], dtype=np.int64)
    return ring_bits(np.ascontiguousarray(codes), labels, offsets, n_clusters)


def labels_of(lists: LabelLists, index: int) -> tuple[str, ...]:
    """The labels of one list; none for index -1."""
    if index < 0:
        return ()
    start, stop = lists.offsets[index], lists.offsets[index + 1]
    vocabulary = lists.vocabulary
    return tuple([vocabulary[code] for code in lists.labels[start:stop].tolist()])


def item_f1(counts: SetCounts) -> NDArray[np.float64]:
    """Mean over the rings of 2|G∩P| / (|G|+|P|), per row; nan where gold has no cluster at all."""
    size = counts.gold.astype(np.int64) + counts.pred
    f1 = np.divide(2 * counts.both.astype(np.int64), size, out=np.zeros(size.shape), where=size > 0)
    counted = counts.gold > 0
    n = counted.sum(axis=1)
    total = np.where(counted, f1, 0.0).sum(axis=1)
    mean: NDArray[np.float64] = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    return mean


def items_per_list(
    index: NDArray[np.int64], weight: NDArray[np.int64], lists: int
) -> NDArray[np.int64]:
    """Shape (lists,): how many items have each list, from rows' list indices (-1: none)."""
    counts = np.zeros(lists + 1, dtype=np.int64)
    np.add.at(counts, index, weight)
    return counts[:lists]


def status_counts(status: NDArray[np.uint8], weight: NDArray[np.int64]) -> Counter[Status]:
    """How many items have lists of each status."""
    return Counter({one: int(weight[status == one].sum()) for one in Status})


def mean_length(lists: LabelLists, weight: NDArray[np.int64]) -> float | None:
    """Mean number of labels per item, lists weighted by how many items have them."""
    items = int(weight.sum())
    return int(np.diff(lists.offsets) @ weight) / items if items else None


def label_counts(lists: LabelLists, weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shape (vocabulary,): how often each label occurs, lists weighted by their items."""
    each: NDArray[np.float64] | None = None
    if (weight != 1).any():
        each = np.repeat(weight.astype(np.float64), np.diff(lists.offsets))
    counts = np.bincount(lists.labels, weights=each, minlength=len(lists.vocabulary))
    return counts.astype(np.int64)


def unknown_labels(placed: Placed, weight: NDArray[np.int64]) -> Unknown:
    """Which label occurrences have no cluster on any scored ring."""
    lists = placed.lists
    per_label = label_counts(lists, weight)
    unknown = (placed.codes == UNKNOWN).all(axis=1)
    total, missed = int(per_label.sum()), int(per_label[unknown].sum())
    ranked = sorted(
        ((lists.vocabulary[i], int(per_label[i])) for i in np.flatnonzero(unknown)),
        key=lambda entry: (-entry[1], entry[0]),
    )
    return Unknown(
        occurrences=total,
        unknown=missed,
        share=missed / total if total else None,
        top={label: n for label, n in ranked[:_TOP_UNKNOWN] if n},
    )


def ring_counts(
    rings: Sequence[str],
    counts: SetCounts,
    weight: NDArray[np.int64],
    has_labels: NDArray[np.bool_],
) -> dict[str, dict[str, RingCounts]]:
    """Per ring: items scored, left out, and scored with a prediction it knows nothing of.

    ``has_labels``, shape (rows,), says which predictions name labels at all.
    """
    wheels: dict[str, dict[str, RingCounts]] = {}
    for r, ring in enumerate(rings):
        counted = counts.gold[:, r] > 0
        blank = counted & has_labels & (counts.pred[:, r] == 0)
        wheel, _, level = ring.partition("/")
        wheels.setdefault(wheel, {})[level] = RingCounts(
            scored=int(weight[counted].sum()),
            gold_unknown=int(weight[~counted].sum()),
            prediction_unknown=int(weight[blank].sum()),
        )
    return wheels
