"""One run in the processes of ``accelerate launch``: each answers its share of the batches.

A batch goes to one process as a whole, so its padding, and with it every bit of the answers, is
what it is in a single process. The answers meet in the cache, which all processes must see: each
keeps there what it generates, and the first, the only one that writes a run, takes the others' from
it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import InputError, InterruptedRunError
from ovbench.runs.answering import Answerer
from ovbench.runs.evaluate import EvalOptions, Work, evaluate, plan
from ovbench.runs.generation_cache import Kept
from ovbench.runs.preflight import Preflight
from ovbench.runs.records import RunResult, SystemRecord

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer
    from ovbench.tasks import Item, Task

PATIENCE = timedelta(days=7)
"""How long a process waits for the slowest; the libraries' own limit is minutes."""


def process_count() -> int:
    """How many processes a launcher started for this run; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "MASTER_ADDR" in os.environ else 1


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return process_count() == 1 or os.environ.get("RANK", "0") == "0"


def evaluate_together(
    source: Answerer,
    task: Task,
    about: SystemRecord,
    out: str | Path,
    options: EvalOptions,
    *,
    preflight: Callable[[], Preflight] | None = None,
) -> list[RunResult]:
    """As :func:`ovbench.runs.evaluate.evaluate`; in all processes but the first, no result.

    Raises
    ------
    InputError
        Also where several processes have no cache to meet in, or are told to use one GPU.
    """
    if process_count() == 1:
        return [evaluate(source, task, about, out, options, preflight=preflight)]
    if (about.device or "").startswith("cuda:"):
        raise InputError(
            f"{process_count()} processes were told to use one device, "
            f"{(about.device or '').partition(' ')[0]}",
            mend="leave --device out: each process takes a GPU of its own",
        )
    work = plan(task, about, options, source.fingerprint)
    if work.answers is None:
        raise InputError(
            "several processes were started without a cache, through which answers are exchanged",
            mend="leave --no-cache out, or start one process",
        )
    group = _Group(about)
    if group.rank:
        _help(source, work, group)
        return []
    shared = _Shared(source, work, group)
    result = evaluate(shared, task, about, out, options, preflight=preflight)
    shared.meet()
    return [result]


class _Group:
    """The processes, and where they wait for each other."""

    def __init__(self, about: SystemRecord) -> None:
        from accelerate import PartialState

        on_gpu = (about.device or "").startswith("cuda")
        state = PartialState(cpu=not on_gpu, timeout=PATIENCE)
        self.rank, self.size = int(state.process_index), int(state.num_processes)
        self._state = state

    def wait(self) -> None:
        self._state.wait_for_everyone()

    def share(self, work: Work) -> list[int]:
        """Indices of the batches that are this process's, whether they are known or not."""
        return list(range(self.rank, len(work.batches), self.size))


def _help(source: Answerer, work: Work, group: _Group) -> None:
    """Answer this process's share of what the cache does not hold."""
    assert work.answers is not None
    group.wait()
    try:
        left = [work.batches[index] for index in group.share(work)]
        left = [batch for batch in left if work.answers.known(batch) is None]
        for index, answers in source.answers(left):
            work.answers.keep(left[index], Kept(tuple(answers), source.largest_batch))
    except KeyboardInterrupt:
        raise InterruptedRunError("Stopped: what was generated is kept in the cache.") from None
    group.wait()


class _Shared(Answerer):
    """Of the first process: its own share, and then what the others have kept."""

    def __init__(self, own: Answerer, work: Work, group: _Group) -> None:
        super().__init__(own.name, own.fingerprint, group.size)
        self._own, self._work, self._group = own, work, group
        self._meetings, self._theirs = 0, [own.largest_batch]

    @property
    def largest_batch(self) -> int | None:
        """The smallest that any process's batches were halved to."""
        sizes = [self._own.largest_batch, *self._theirs]
        return min((size for size in sizes if size is not None), default=None)

    def ready(self) -> None:
        """Load this process's own."""
        self._own.ready()

    def check(self, items: Sequence[Item], batch_size: int, dtype: str) -> Preflight:
        """By this process's own."""
        return self._own.check(items, batch_size, dtype)

    def answers(self, batches: Sequence[list[Item]]) -> Iterator[tuple[int, list[Answer]]]:
        """Its share at once, the others' when all are done."""
        mine = {self._work.batches[index][0].id for index in self._group.share(self._work)}
        own = [index for index, batch in enumerate(batches) if batch[0].id in mine]
        self._wait(1)
        for index, found in self._own.answers([batches[i] for i in own]):
            yield own[index], found
        self._wait(2)
        yield from self._of_others(batches, [i for i in range(len(batches)) if i not in own])

    def _of_others(
        self, batches: Sequence[list[Item]], theirs: Sequence[int]
    ) -> Iterator[tuple[int, list[Answer]]]:
        assert self._work.answers is not None
        lost = []
        for index in theirs:
            kept = self._work.answers.known(batches[index])
            if kept is None:  # its disk was full, say
                lost.append(index)
                continue
            self._theirs.append(kept.largest_batch)
            yield index, list(kept.answers)
        for index, found in self._own.answers([batches[i] for i in lost]):
            yield lost[index], found

    def meet(self) -> None:
        """Wait for the others as often as they wait, also where nothing was left to answer."""
        self._wait(2)

    def _wait(self, times: int) -> None:
        while self._meetings < times:
            self._meetings += 1
            self._group.wait()
