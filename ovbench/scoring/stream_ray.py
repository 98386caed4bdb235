"""Scoring batch by batch on a Ray cluster (the extra ``ray``).

The driver plans and merges; tasks read the tables themselves, so every node must see the files
under the same names. Rows that are dealt by id go from task to task through Ray's object store,
which spills to disk by itself. A task whose worker or node dies is run again; as sums do not depend
on who made them, the result has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from ovbench.errors import InputError, OvbenchError
from ovbench.ray_cluster import import_ray, start_ray
from ovbench.scoring.stream import Job, Summed

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")
_ASKED = "--engine ray"
_RETRIES = 10
"""How often a task is run again whose worker died."""

_job: tuple[str, Job] | None = None
"""In a worker: the job of the last task, with what it has loaded, and its key."""


@contextmanager
def cluster() -> Iterator[RayTasks]:
    """The engine of the Ray cluster that :func:`ovbench.ray_cluster.start_ray` finds or starts.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    OvbenchError
        If the cluster cannot be reached.
    """
    ray = import_ray(_ASKED)
    ours = start_ray()
    try:
        yield RayTasks()
    except ray.exceptions.RayError as error:
        raise OvbenchError(f"the Ray cluster failed: {error}") from None
    finally:
        if ours:
            ray.shutdown()


class RayTasks:
    """The engine of a Ray cluster; see :class:`ovbench.scoring.stream.Engine`."""

    def each(self, job: Job, work: Callable[[Job, int], T], n: int) -> Iterator[T]:
        """See :class:`ovbench.scoring.stream.Engine`."""
        ray = import_ray(_ASKED)
        task = ray.remote(max_retries=_RETRIES)(_work)
        sent = _sent(job)
        yield from _results(lambda number: task.remote(*sent, work, number), n)

    def by_id(self, job: Job) -> Iterator[Summed]:
        """See :class:`ovbench.scoring.stream.Engine`."""
        ray = import_ray(_ASKED)
        parts, deals = job.parts, len(job.deals())
        sent = _sent(job)
        deal = ray.remote(max_retries=_RETRIES, num_returns=parts)(_deal)
        score = ray.remote(max_retries=_RETRIES)(_score)
        pieces = [deal.remote(*sent, number) for number in range(deals)]
        by_part = [pieces] if parts == 1 else list(zip(*pieces, strict=True))
        yield from _results(lambda part: score.remote(*sent, *by_part[part]), parts)


def _sent(job: Job) -> tuple[str, list[Any]]:
    """A job for tasks: a key, and where the job is (in a list, so that tasks fetch it once)."""
    return uuid4().hex, [import_ray(_ASKED).put(job)]


def _received(key: str, where: list[Any]) -> Job:
    global _job
    if _job is None or _job[0] != key:
        _job = key, import_ray(_ASKED).get(where[0])
    return _job[1]


def _work(key: str, where: list[Any], work: Callable[[Job, int], T], number: int) -> T | InputError:
    try:
        return work(_received(key, where), number)
    except InputError as error:  # handed over as it is: Ray would wrap it
        return error


def _deal(key: str, where: list[Any], number: int) -> object:
    """A piece for every part; a task of one return value gives that value alone."""
    job = _received(key, where)
    pieces: list[pl.DataFrame] | list[InputError]
    try:
        pieces = job.deal(number)
    except InputError as error:
        pieces = [error] * job.parts
    return pieces if len(pieces) > 1 else pieces[0]


def _score(key: str, where: list[Any], *pieces: pl.DataFrame | InputError) -> Summed | InputError:
    frames = []
    for piece in pieces:
        if isinstance(piece, InputError):
            return piece
        frames.append(piece)
    try:
        return _received(key, where).by_id(frames)
    except InputError as error:
        return error


def _results(submit: Callable[[int], Any], n: int) -> Iterator[Any]:
    """Results as they come, with twice as many tasks under way as the cluster has processors."""
    ray = import_ray(_ASKED)
    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    under_way: list[Any] = []
    sent = 0
    while sent < n or under_way:
        while sent < n and len(under_way) < most:
            under_way.append(submit(sent))
            sent += 1
        done, under_way = ray.wait(under_way)
        found = ray.get(done[0])
        if isinstance(found, InputError):
            raise found
        yield found
