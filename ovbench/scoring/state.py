"""A metric that is fed batch by batch, with torchmetrics' three methods and without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ovbench.errors import InputError
from ovbench.io.labels import get_parser, parse_cells
from ovbench.io.records import to_cell
from ovbench.metrics.statistics import Statistics
from ovbench.protocols import load_protocol
from ovbench.protocols.schema import EmotionWheelProtocol
from ovbench.scoring.cluster_sets import WheelScorer
from ovbench.scoring.options import Options


class EmotionWheelF1:
    """WF over batches: ``update``, ``compute``, ``reset``.

    Only integer sums are kept (``totals``, shape (columns,), int64), so the value does not depend
    on how the items were batched, and states of several processes add up (``a.totals + b.totals``).
    ``items`` counts what was seen.

    Parameters
    ----------
    protocol:
        Id of an emotion-wheel protocol.
    lemmatizer, synonyms:
        Stages 1 and 2 of the open normalizer.

    Example
    -------
    >>> metric = EmotionWheelF1("ew-open-1")
    >>> metric.update(["happy, sad"], [["joyful"]])
    >>> metric.compute()["precision"]
    0.5

    Raises
    ------
    ovbench.InputError
        If the protocol is not an emotion-wheel one, or its tables are not stored here.
    """

    def __init__(
        self,
        protocol: str = "ew-open-1",
        *,
        lemmatizer: str = "table",
        synonyms: str = "lexicon",
    ) -> None:
        chosen = load_protocol(protocol)
        if not isinstance(chosen, EmotionWheelProtocol):
            raise InputError(
                f"protocol {protocol!r} is of the metric {chosen.metric!r}",
                expected="an emotion-wheel protocol, such as ew-open-1",
            )
        self._parser = get_parser(chosen.parser)
        self._scorer = WheelScorer.load(chosen, Options(lemmatizer=lemmatizer, synonyms=synonyms))
        self.reset()

    def reset(self) -> None:
        """Forget every item."""
        empty = self._batch([], [])
        self._finish = empty.finish
        self.totals = empty.totals()
        self.items = 0

    def update(self, predictions: Sequence[object], gold: Sequence[object]) -> None:
        """Add a batch.

        Parameters
        ----------
        predictions, gold:
            One entry per item: text as a model wrote it, or a list of labels.

        Raises
        ------
        ovbench.InputError
            If the two differ in length or hold something that is no label list.
        """
        if len(predictions) != len(gold):
            raise InputError(f"{len(predictions)} predictions for {len(gold)} gold items")
        self.totals = self.totals + self._batch(predictions, gold).totals()
        self.items += len(gold)

    def compute(self) -> dict[str, float]:
        """Scores over every item so far, as fractions: ``f1``, ``precision``, ``recall``, …"""
        finished = self._finish(self.totals.astype(np.float64))
        return {name: float(value) for name, value in finished.items() if "@" not in name}

    def _batch(self, predictions: Sequence[object], gold: Sequence[object]) -> Statistics:
        placed = []
        for side, cells in (("gold", gold), ("predictions", predictions)):
            raw = [to_cell(cell, f"{side}, item {i}") for i, cell in enumerate(cells)]
            placed.append(self._scorer.place(parse_cells(raw, self._parser)))
        rows = np.arange(len(gold), dtype=np.int64)
        counts, _ = self._scorer.count(placed[0], placed[1], rows, rows)
        return self._scorer.statistics(counts, np.ones(len(gold), dtype=np.int64), None)
