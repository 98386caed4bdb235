"""Scoring tables larger than memory: batch by batch, with the result of scoring in memory.

A :class:`Job` cuts two Parquet tables into batches of items and sums each of them up; an
:class:`Engine` says where that is done: in threads here, or on a Ray cluster
(:mod:`ovbench.scoring.stream_ray`). Sums are of integers, and what is drawn at random is drawn over
distinct rows in an order of their own, so neither batches nor engine can change a bit of a result.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from typing import Protocol as Interface

from ovbench.errors import OvbenchError
from ovbench.io.batches import ParquetTable
from ovbench.progress import track
from ovbench.protocols import Protocol
from ovbench.results import Result
from ovbench.scoring.assemble import Origin, assemble
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared
from ovbench.scoring.stream_families import GoldFacts, family_of
from ovbench.scoring.stream_match import Matches, by_id, dealt, in_order, same_order
from ovbench.scoring.stream_sums import Family, Sums

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")
Side = Literal["predictions", "gold"]
BATCH = 500_000
"""Items that are scored at once."""
_MOST_THREADS = 4


@dataclass
class Summed:
    """Sums over items, and what became of the ids."""

    sums: Sums = field(default_factory=Sums)
    matches: Matches = field(default_factory=Matches)

    def merge(self, other: Summed) -> None:
        """Add another batch."""
        self.sums.merge(other.sums)
        self.matches.merge(other.matches)


@dataclass(frozen=True)
class Job:
    """Two tables, how to score them, and in batches of how many rows.

    A job can be sent to other processes; each makes its own ``family`` when it first needs it.
    """

    predictions: ParquetTable
    gold: ParquetTable
    protocol: Protocol
    options: Options
    batch: int
    facts: GoldFacts = field(default_factory=GoldFacts)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "family"}

    @cached_property
    def family(self) -> Family:
        """How the protocol is summed up."""
        return family_of(self.protocol, self.options, self.facts)

    @property
    def batches(self) -> int:
        """How many batches the gold is cut into."""
        return -(-self.gold.rows // self.batch)

    @property
    def parts(self) -> int:
        """How many parts ids are dealt into, where they are not in the same order."""
        return -(-max(self.gold.rows, self.predictions.rows) // self.batch)

    def deals(self) -> list[tuple[Side, int]]:
        """The pieces of both tables that are dealt into parts: side and first row."""
        tables: dict[Side, ParquetTable] = {"predictions": self.predictions, "gold": self.gold}
        step = 2 * self.batch
        return [(side, at) for side, table in tables.items() for at in range(0, table.rows, step)]

    def gold_facts(self, number: int) -> GoldFacts:
        """The facts of one batch of the gold."""
        start = number * self.batch
        rows = self.gold.cells(start, min(start + self.batch, self.gold.rows))
        return GoldFacts.of(self.gold.records(rows), self.protocol, self.options)

    def in_order(self, number: int) -> Summed:
        """Sums of one batch, where both tables have the same ids in the same order."""
        start = number * self.batch
        stop = min(start + self.batch, self.gold.rows)
        return self._summed(in_order(self.predictions, self.gold, start, stop))

    def deal(self, number: int) -> list[pl.DataFrame]:
        """The rows of one of :meth:`deals`, by part."""
        side, start = self.deals()[number]
        table = self.predictions if side == "predictions" else self.gold
        return dealt(table, start, min(start + 2 * self.batch, table.rows), self.parts)

    def by_id(self, pieces: Iterable[pl.DataFrame]) -> Summed:
        """Sums of one part, from its piece of each of :meth:`deals`."""
        import polars as pl

        sides: dict[Side, list[pl.DataFrame]] = {"predictions": [], "gold": []}
        for (side, _), piece in zip(self.deals(), pieces, strict=True):
            sides[side].append(piece)
        pred, gold = (pl.concat(sides[side], rechunk=True) for side in ("predictions", "gold"))
        return self._summed(by_id(self.predictions, self.gold, pred, gold, self.options))

    def _summed(self, pairs: tuple[Prepared, Matches]) -> Summed:
        items, matches = pairs
        return Summed(self.family.sums(items) if len(items.ids) else Sums(), matches)


class Engine(Interface):
    """Where a job's batches are worked on. Results come in any order."""

    def each(self, job: Job, work: Callable[[Job, int], T], n: int) -> Iterator[T]:
        """``work(job, number)`` for the numbers from 0 to ``n``."""
        ...

    def by_id(self, job: Job) -> Iterator[Summed]:
        """The sums of every part of ids."""
        ...


def score_tables(
    predictions: ParquetTable,
    gold: ParquetTable,
    protocol: Protocol,
    options: Options,
    engine: Engine,
    batch: int = BATCH,
) -> Result:
    """The result of scoring both tables in memory, to the last bit.

    Parameters
    ----------
    options:
        Without those that are about single items (``--by``, ``--errors``, …).
    batch:
        Items per batch. It changes memory and speed only.

    Raises
    ------
    ovbench.errors.InputError
        As when scoring in memory.
    """
    job = Job(predictions, gold, protocol, options, batch)
    if GoldFacts.needed(protocol, options):
        found = engine.each(job, Job.gold_facts, job.batches)
        for facts in track(found, "reading the gold", job.batches):
            job.facts.merge(facts)
        job = replace(job, facts=job.facts)
    family = job.family  # made once, before several threads ask for it
    if same_order(predictions, gold, batch):
        results, n = engine.each(job, Job.in_order, job.batches), job.batches
    else:
        results, n = engine.by_id(job), job.parts
    total = Summed()
    for one in track(results, f"scoring, batches of {batch:,}", n):
        total.merge(one)
    total.matches.check(predictions, gold, options)
    evaluation = family.evaluation(total.sums).with_handling(options)
    origin = Origin(predictions.source, gold.source, total.matches.counts())
    return assemble(evaluation, protocol, options, origin)


class Threads:
    """The engine of one machine. What does not fit into memory is kept in a temporary folder."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or min(os.cpu_count() or 1, _MOST_THREADS)

    def each(self, job: Job, work: Callable[[Job, int], T], n: int) -> Iterator[T]:
        """See :class:`Engine`; results come in order."""
        return self._each(lambda number: work(job, number), n)

    def by_id(self, job: Job) -> Iterator[Summed]:
        """See :class:`Engine`."""
        deals = len(job.deals())
        with _spill_folder() as folder:

            def write(number: int) -> None:
                for part, piece in enumerate(job.deal(number)):
                    piece.write_ipc(_piece(folder, part, number), compression="lz4")

            def score(part: int) -> Summed:
                paths = [_piece(folder, part, number) for number in range(deals)]
                summed = job.by_id(_read(path) for path in paths)
                for path in paths:
                    path.unlink()
                return summed

            for part in range(job.parts):
                (folder / str(part)).mkdir()
            for _ in track(self._each(write, deals), "sorting by id", deals):
                pass
            yield from self._each(score, job.parts)

    def _each(self, work: Callable[[int], T], n: int) -> Iterator[T]:
        """Results in order, with no more under way than there are workers, and one."""
        under_way: deque[Future[T]] = deque()
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for number in range(n):
                    under_way.append(pool.submit(work, number))
                    if len(under_way) > self.workers:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)


def _piece(folder: Path, part: int, number: int) -> Path:
    return folder / str(part) / f"{number}.arrow"


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    return pl.read_ipc(path)


@contextmanager
def _spill_folder() -> Iterator[Path]:
    """A temporary folder for rows sorted by id.

    Raises
    ------
    OvbenchError
        If it cannot be written, as on a full disk.
    """
    import polars as pl

    with tempfile.TemporaryDirectory(prefix="ovbench-") as name:
        try:
            yield Path(name)
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise OvbenchError(
                f"the rows could not be sorted by id in {name} ({reason}). It needs as much space "
                "as predictions and gold; name another place with the variable TMPDIR."
            ) from None
