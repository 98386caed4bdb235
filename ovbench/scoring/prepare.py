"""Files to aligned label lists: what every metric starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.align import Alignment, align
from ovbench.io.columns import Want
from ovbench.io.labels import LabelLists, LabelParser, get_parser, parse_cells
from ovbench.io.read import read_records
from ovbench.io.records import Records
from ovbench.protocols import Protocol
from ovbench.scoring.of_task import as_view, task_gold
from ovbench.scoring.options import Options
from ovbench.tasks.task import Task

Source = str | Path | Mapping[str, object] | Iterable[tuple[str, object]]
"""A file or folder, ``-`` for standard input, or predictions in memory by id."""

MISSING = -1
"""The list index of an item without a prediction."""


def want_of(protocol: Protocol) -> Want:
    """What a protocol reads of a file's label column."""
    kinds: dict[str, Want] = {"sentiment": "sentiment", "closed-set": "class"}
    return kinds.get(protocol.metric, "labels")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Gold items that take part, each with the index of its gold and its predicted cell.

    Attributes
    ----------
    ids:
        Ids of the items, in gold order.
    gold_cell, pred_cell:
        Shape (items,), int64: index of the item's distinct raw cell; ``MISSING`` (-1) for an item
        without a prediction.
    gold, predictions:
        The files as they were read.
    columns:
        Columns of the gold asked for, aligned with ``ids``.
    alignment:
        Which ids were missing, extra or given twice.
    """

    ids: Sequence[str]
    gold_cell: NDArray[np.int64]
    pred_cell: NDArray[np.int64]
    gold: Records
    predictions: Records
    columns: dict[str, NDArray[np.str_]]
    alignment: Alignment

    def keep(self, items: NDArray[np.bool_]) -> Prepared:
        """The same with only the items where ``items`` is true."""
        return Prepared(
            [name for name, kept in zip(self.ids, items, strict=True) if kept],
            self.gold_cell[items],
            self.pred_cell[items],
            self.gold,
            self.predictions,
            {name: column[items] for name, column in self.columns.items()},
            self.alignment,
        )


def read_gold(source: Source | Task, protocol: Protocol, options: Options) -> Records:
    """The gold as the protocol wants it, with the columns for groups and clusters."""
    if isinstance(source, Task):
        return task_gold(source, protocol, options)
    wanted = (options.by, options.cluster_by, options.folds)
    extra = tuple(dict.fromkeys(column for column in wanted if column))
    return read_records(
        source,
        role="gold",
        want=want_of(protocol),
        id_column=options.gold_id_column,
        label_column=options.gold_label_column,
        extra=extra,
        split=options.split,
        classes=options.classes,
    )


def read_predictions(
    source: Source, protocol: Protocol, options: Options, task: Task | None = None
) -> Records:
    """The predictions as the protocol wants them; given a task, as its view reads them."""
    found = read_records(
        source,
        role="prediction",
        want=want_of(protocol),
        id_column=options.id_column,
        label_column=options.label_column,
    )
    return found if task is None else as_view(task, found)


def prepare(predictions: Records, gold: Records, options: Options) -> Prepared:
    """Pair every gold item with its prediction.

    Raises
    ------
    InputError
        If ids are missing or given twice and the options do not say what to do about it, or if
        nothing is left to score.
    """
    alignment = align(predictions, gold, on_missing=options.on_missing, keep=options.keep)
    rows, gold_rows = alignment.rows, alignment.gold_rows
    if options.on_missing == "skip":
        rows, gold_rows = rows[rows >= 0], gold_rows[rows >= 0]
    if len(rows) == 0:
        raise InputError(
            "no item is left to score",
            where=predictions.source,
            expected=f"ids as in {gold.source}",
        )
    everything = len(gold_rows) == len(gold.ids) and bool(
        np.array_equal(gold_rows, np.arange(len(gold_rows)))
    )
    ids = gold.ids if everything else [gold.ids[row] for row in gold_rows]
    pred_cell = np.where(rows >= 0, predictions.codes[np.maximum(rows, 0)], MISSING)
    columns = {name: np.asarray(gold.columns[name])[gold_rows] for name in gold.columns}
    return Prepared(ids, gold.codes[gold_rows], pred_cell, gold, predictions, columns, alignment)


def label_lists(
    prepared: Prepared, parser: LabelParser, gold_parser: LabelParser
) -> tuple[LabelLists, LabelLists]:
    """Label lists of the distinct gold cells and of the distinct predicted cells."""
    gold = parse_cells(prepared.gold.cells, gold_parser)
    predicted = parse_cells(prepared.predictions.cells, parser)
    return gold, predicted


def parsers(name: str, options: Options) -> tuple[LabelParser, LabelParser]:
    """The parser of predictions and that of gold (which never needs ``--extract``)."""
    if not options.extract:
        parser = get_parser(name)
        return parser, parser
    from ovbench.normalize.vocabulary import known_words

    return get_parser("open+extract", known_words=known_words()), get_parser("open")
