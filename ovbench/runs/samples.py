"""What happened to every item, for people: the answer, the gold, the cluster sets, the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ovbench.frozen import Frozen
from ovbench.results import ErrorItem, Result
from ovbench.runs.records import Prediction, RunStatus


class Clusters(Frozen):
    """Cluster sets of one item on one ring, sorted by name."""

    gold: tuple[str, ...]
    prediction: tuple[str, ...]


class Sample(Frozen):
    """One line of ``samples_<utc>.jsonl``."""

    id: str
    protocol: str
    status: RunStatus
    """What became of the answer in the run."""
    text: str
    """The raw answer."""
    labels: tuple[str, ...]
    """What the protocol scored: the labels read in it, or the one class or sentiment."""
    gold: tuple[str, ...]
    score: float | None
    """The item's own agreement: mean F1 over the rings, or 1 and 0 for right and wrong; null where
    the item counts nowhere."""
    clusters: dict[str, Clusters]
    """Ring → cluster sets; empty for protocols without wheels."""
    unknown: tuple[str, ...]
    """Labels of either side that have no cluster on any ring."""


def samples(predictions: Sequence[Prediction], results: Mapping[str, Result]) -> Iterator[Sample]:
    """One sample per protocol and item, in the order of the items.

    Parameters
    ----------
    predictions:
        In item order.
    results:
        Protocol → a result whose ``errors`` list every item that it scored.
    """
    for protocol, result in results.items():
        scored = {item.id: item for item in result.errors}
        for prediction in predictions:
            item = scored.get(prediction.id)
            yield Sample(
                id=prediction.id,
                protocol=protocol,
                status=prediction.status,
                text=prediction.text,
                labels=prediction.labels if item is None else item.prediction,
                gold=() if item is None else item.gold,
                score=None if item is None else item.score,
                clusters={} if item is None else _clusters(item),
                unknown=() if item is None else _unknown(item),
            )


def _clusters(item: ErrorItem) -> dict[str, Clusters]:
    rings = dict.fromkeys(ring for trace in item.traces.values() for ring in trace)

    def side(labels: Sequence[str], ring: str) -> tuple[str, ...]:
        found = {item.traces[label][ring] for label in labels}
        return tuple(sorted(cluster for cluster in found if cluster is not None))

    return {
        ring: Clusters(gold=side(item.gold, ring), prediction=side(item.prediction, ring))
        for ring in rings
    }


def _unknown(item: ErrorItem) -> tuple[str, ...]:
    return tuple(
        label for label, trace in item.traces.items() if all(c is None for c in trace.values())
    )
