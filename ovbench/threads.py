"""The same work on many inputs, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def in_threads(work: Callable[..., T], *inputs: Iterable[Any], threads: int) -> Iterator[T]:
    """What ``work`` makes of the inputs (as for ``map``), in their order, in so many threads.

    One thread is this one, and costs nothing: neither a start nor the modules that threads need.
    """
    if threads == 1:
        yield from map(work, *inputs)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, *inputs)
