"""Which prediction belongs to which gold item, without holding all ids.

Two ways, with the same outcome as :func:`ovbench.io.align.align`:

* both tables have the same ids in the same order, each once: batches of rows are pairs as they
  stand. Order is seen by comparing the ids themselves. That none comes twice is proved by 64-bit
  hashes, 8 bytes per item: different hashes are of different ids. Where two hashes agree, nothing
  is concluded, and the other way is taken;
* else ids are dealt into parts by their hash, equal ids into one part, and each part is paired in
  memory, by the ids themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ovbench.io.align import Alignment, given_twice, not_predicted, nothing_shared
from ovbench.io.batches import ParquetTable
from ovbench.io.parquet import SeriesIds
from ovbench.progress import track
from ovbench.results import Counts
from ovbench.scoring.options import Keep, Options
from ovbench.scoring.prepare import MISSING, Prepared

if TYPE_CHECKING:
    import polars as pl

_KEPT = 10
_SHOWN = 5
_SEED = 0


@dataclass
class SomeIds:
    """How many ids there are, and the first of them with their rows."""

    n: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: pl.Series, ids: pl.Series) -> SomeIds:
        """Ids and their rows, in ascending order of the rows."""
        few = zip(rows.head(_KEPT).to_list(), ids.head(_KEPT).to_list(), strict=True)
        return cls(len(rows), list(few))

    def merge(self, other: SomeIds) -> None:
        """Add others."""
        self.n += other.n
        self.first = sorted([*self.first, *other.first])[:_KEPT]

    @property
    def names(self) -> tuple[str, ...]:
        """The first ids."""
        return tuple(name for _, name in self.first)

    def shown(self) -> str:
        """The first ids for a message."""
        return ", ".join(map(repr, self.names[:_SHOWN])) + (" …" if self.n > _SHOWN else "")


@dataclass
class Matches:
    """What became of the ids of a batch.

    ``missing`` and ``extra`` are in the order in which the ids first occur, ``twice`` and
    ``gold_twice`` in that in which they are repeated.
    """

    gold: int = 0
    predicted: int = 0
    missing: SomeIds = field(default_factory=SomeIds)
    extra: SomeIds = field(default_factory=SomeIds)
    twice: SomeIds = field(default_factory=SomeIds)
    gold_twice: SomeIds = field(default_factory=SomeIds)

    def merge(self, other: Matches) -> None:
        """Add another batch."""
        self.gold += other.gold
        self.predicted += other.predicted
        for name in ("missing", "extra", "twice", "gold_twice"):
            getattr(self, name).merge(getattr(other, name))

    def counts(self) -> Counts:
        """As results tell it."""
        return Counts(
            gold=self.gold,
            missing=self.missing.n,
            extra=self.extra.n,
            duplicates=self.twice.n,
            gold_duplicates=self.gold_twice.n,
            missing_ids=self.missing.names,
            extra_ids=self.extra.names,
            duplicate_ids=self.twice.names,
        )

    def check(self, predictions: ParquetTable, gold: ParquetTable, options: Options) -> None:
        """Refuse what :func:`~ovbench.io.align.align` refuses.

        Raises
        ------
        InputError
            If an id comes twice, or a prediction is missing, and the options do not say what to
            do about it; if no id is in both tables.
        """
        for table, twice in ((gold, self.gold_twice), (predictions, self.twice)):
            if twice.n and options.keep is None:
                where = f"{table.source}, row {twice.first[0][0] + 1}"
                raise given_twice(where, twice.n, twice.shown())
        if self.extra.n == self.predicted:
            there, here = gold.ids(0, 1)[0], predictions.ids(0, 1)[0]
            raise nothing_shared(predictions.source, gold.source, here, there)
        if self.missing.n and options.on_missing == "error":
            raise not_predicted(
                predictions.source, gold.source, self.missing.n, self.gold, self.missing.shown()
            )


def same_order(predictions: ParquetTable, gold: ParquetTable, batch: int) -> bool:
    """Whether both have the same ids in the same order, and each is certain to come once."""
    if predictions.rows != gold.rows:
        return False
    hashes = np.empty(gold.rows, dtype=np.uint64)
    starts = range(0, gold.rows, batch)
    for start in track(starts, "comparing ids", len(starts)):
        stop = min(start + batch, gold.rows)
        ids = gold.ids(start, stop)
        if not ids.equals(predictions.ids(start, stop)):
            return False
        hashes[start:stop] = ids.hash(_SEED).to_numpy()
    hashes.sort()
    return not any(
        (hashes[at + 1 : at + batch + 1] == hashes[at : at + batch][: len(hashes) - at - 1]).any()
        for at in starts
    )


def dealt(table: ParquetTable, start: int, stop: int, parts: int) -> list[pl.DataFrame]:
    """The rows ``start`` to ``stop``, dealt into parts by their ids."""
    import polars as pl

    cells = table.cells(start, stop)
    part = (cells["id"].hash(_SEED) % parts).to_numpy()
    order = np.argsort(part, kind="stable")
    ends = np.cumsum(np.bincount(part.astype(np.int64), minlength=parts))
    ordered = cells[pl.Series(order)]
    return [
        ordered.slice(begin, end - begin)
        for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    ]


def in_order(
    predictions: ParquetTable, gold: ParquetTable, start: int, stop: int
) -> tuple[Prepared, Matches]:
    """The pairs of rows ``start`` to ``stop`` of two tables with the same ids in the same order."""
    rows = np.arange(stop - start, dtype=np.int64)
    sides = predictions.cells(start, stop), gold.cells(start, stop)
    found = _prepared(predictions, gold, *sides, rows, rows)
    return found, Matches(gold=len(rows), predicted=len(rows))


def by_id(
    predictions: ParquetTable,
    gold: ParquetTable,
    pred_rows: pl.DataFrame,
    gold_rows: pl.DataFrame,
    options: Options,
) -> tuple[Prepared, Matches]:
    """The pairs of one part: of all rows of both tables whose ids were dealt into it.

    ``pred_rows`` and ``gold_rows`` are as :func:`dealt` gave them, in the order of their rows.
    """
    import polars as pl

    gold_once, gold_twice = _each_once(gold_rows, options.keep)
    pred_once, twice = _each_once(pred_rows, options.keep)
    both = gold_once.join(pred_once, on="id", how="left", suffix="_pred").sort("row")
    missing = both.filter(pl.col("at_pred").is_null())
    extra = pred_once.join(gold_once, on="id", how="anti").sort("row")
    matches = Matches(
        gold=len(gold_once),
        predicted=len(pred_once),
        missing=SomeIds.of(missing["row"], missing["id"]),
        extra=SomeIds.of(extra["row"], extra["id"]),
        twice=twice,
        gold_twice=gold_twice,
    )
    if options.on_missing == "skip":
        both = both.drop_nulls("at_pred")
    at = both["at_pred"].fill_null(MISSING).to_numpy().astype(np.int64)
    gold_at = both["at"].to_numpy().astype(np.int64)
    return _prepared(predictions, gold, pred_rows, gold_rows, at, gold_at), matches


def _each_once(rows: pl.DataFrame, keep: Keep | None) -> tuple[pl.DataFrame, SomeIds]:
    """Each id with its first row and the place ``at`` of the row that counts; the repeated ids."""
    import polars as pl

    placed = rows.select("id", "row").with_row_index("at")
    again = placed.filter(~pl.col("id").is_first_distinct())
    if not len(again):
        return placed, SomeIds()
    chosen = pl.col("at").last() if keep == "last" else pl.col("at").first()
    once = placed.group_by("id", maintain_order=True).agg(chosen, pl.col("row").first())
    twice = again.unique("id", keep="first", maintain_order=True)
    return once, SomeIds.of(twice["row"], twice["id"])


def _prepared(
    predictions: ParquetTable,
    gold: ParquetTable,
    pred_rows: pl.DataFrame,
    gold_rows: pl.DataFrame,
    at: NDArray[np.int64],
    gold_at: NDArray[np.int64],
) -> Prepared:
    """Items with the gold in the rows ``gold_at`` and the prediction in the rows ``at`` (or -1)."""
    gold_records, pred_records = gold.records(gold_rows), predictions.records(pred_rows)
    codes = np.append(pred_records.codes, MISSING)
    return Prepared(
        ids=SeriesIds(gold_rows["id"].gather(gold_at)),
        gold_cell=gold_records.codes[gold_at],
        pred_cell=codes[at],
        gold=gold_records,
        predictions=pred_records,
        columns={},
        alignment=Alignment(at, gold_at, [], [], [], []),
    )
