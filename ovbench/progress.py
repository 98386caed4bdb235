"""Progress of long work, reported by whoever does it and shown by whoever was asked to.

Code below the command line wraps its loops in :func:`track` and knows nothing of terminals. The
command line installs a reporter where a person is watching; elsewhere nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Reporter = Callable[[Iterable[T], str, int | None], Iterable[T]]
"""Passes items through while it shows how many there were, of how many (None: unknown)."""

_reporter: ContextVar[Reporter[object] | None] = ContextVar("reporter", default=None)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """``items``, with progress reported under the name ``what``."""
    reporter = _reporter.get()
    return items if reporter is None else reporter(items, what, total)  # type: ignore[return-value]


@contextmanager
def reporting(reporter: Reporter[object]) -> Iterator[None]:
    """Have progress reported within the block."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)
