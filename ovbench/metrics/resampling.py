"""Random re-sums of statistics, exactly the same on every machine.

A draw gives every row a random integer weight, and the re-sum is weights @ values. All of it is
integers below 2**53, which float64 adds without rounding in any order, so neither the number of
threads nor the library that multiplies the matrices can change a digit. Where sums may pass 2**53
(ratios of more than 38 million items), values are split into a high and a low part that are summed
apart; their integer sum, below 2**63, is rounded to float64 once. Draws come in blocks of
fixed size with a seed each (``SeedSequence(seed, spawn_key=(stream, block))``), so neither can the
way the work is split.

Bootstrap weights are multinomial: n items drawn from n with replacement. They are made in one of
two ways that give the same distribution, chosen by cost alone:

* a draw per row (``Generator.multinomial``, some 100 ns per row) where few distinct rows stand for
  many items, that is where rows * ``ROW_COST`` < n;
* else a draw per item: independent Poisson counts, conditioned on their total N, are multinomial
  with N trials. With a rate a little under 1 the total stays below n but for 3 draws in 100,000,
  which are drawn again (that looks at nothing but N), and n - N items drawn one by one complete it.
  The counts come from a table over 16 random bits. What 2**16 cannot divide is left as an escape in
  the table and drawn to full precision, so that the table's coarseness costs no exactness.

Example: 3 items of which two are alike are 2 rows with weights [2, 1]; a bootstrap weight is
(3, 0), (2, 1), (1, 2) or (0, 3) with chances 8, 12, 6 and 1 in 27.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.progress import track
from ovbench.threads import in_threads

BLOCK = 64
"""Draws that share a seed."""
MOST_THREADS = 8
ROW_COST = 32
"""A multinomial draw for one row costs as much as this many items drawn one by one."""
EXACT = 2**53
LARGEST = 2**63
_HELD = 32  # draws of many items whose weights a thread holds at once, or fewer:
_BUFFER = 2**23  # numbers of weights, 64 MiB
_MOST_WEIGHTS = 2**26  # numbers of weights that all threads hold together, 512 MiB
_SMALL = 2**18  # multiply-adds up to which OpenBLAS starts no threads of its own
_AT_ONCE_BELOW = 1024  # items; from here on a draw takes longer than calling NumPy for it
_MARGIN = 4.0  # standard deviations between the mean of N and n
_TABLE = 2**16
_ESCAPE = -1.0

Draw = Callable[[np.random.Generator, NDArray[np.float64]], None]
"""Fills the weights of some draws, shape (draws, rows), one draw after another."""
_DrawOne = Callable[[np.random.Generator, NDArray[np.float64]], None]
"""Fills the weights of one draw, shape (rows,)."""


class Rows(Protocol):
    """Rows of statistics that are kept packed, and unpacked a block at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        ...

    def largest(self) -> int:
        """The largest magnitude of any value."""
        ...

    def block(self, start: int, stop: int) -> NDArray[np.float64]:
        """Columns of the rows ``start`` to ``stop``: shape (columns, rows of the block)."""
        ...


class _DenseRows:
    """An array of rows, laid out by columns."""

    def __init__(self, values: NDArray[np.int64]) -> None:
        self.shape = (values.shape[0], values.shape[1])
        self._largest = int(np.abs(values).max(initial=0))
        self._columns = np.ascontiguousarray(values.T, dtype=np.float64)

    def largest(self) -> int:
        return self._largest

    def block(self, start: int, stop: int) -> NDArray[np.float64]:
        return self._columns[:, start:stop]


def resum(
    values: NDArray[np.int64] | Rows,
    weight: NDArray[np.int64],
    draw: Draw,
    *,
    draws: int,
    seed: int,
    stream: int = 0,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """``draws`` re-sums of ``values`` (rows, columns): shape (draws, columns), exact integers.

    ``weight`` are the items behind each row; ``draw`` makes the random weights from a generator.
    Draws of another ``stream`` are independent under the same seed. ``threads`` (default: one per
    processor, at most 8; one for few items, where handing work over costs more than it saves)
    changes the speed only. Sums of 2**53 and more are the float64 nearest to
    the exact integer.

    Raises
    ------
    InputError
        If a sum could reach 2**63.
    """
    packed = _DenseRows(values) if isinstance(values, np.ndarray) else values
    rows, width = packed.shape
    items = int(weight.sum())
    shift = _low_bits(packed.largest(), items)
    sums = np.zeros((draws, width))
    at_once = BLOCK if items < _AT_ONCE_BELOW else _HELD
    held = max(1, min(at_once, _BUFFER // max(rows, 1)))

    def work(block: int) -> None:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, block)))
        weights = np.empty((held, rows))
        stop = min(draws, (block + 1) * BLOCK)
        for start in range(block * BLOCK, stop, held):
            batch = weights[: min(held, stop - start)]
            draw(rng, batch)
            sums[start : start + len(batch)] = _products(batch, packed, shift)

    if rows:
        blocks = range(-(-draws // BLOCK))
        usual = 1 if items < _AT_ONCE_BELOW else min(os.cpu_count() or 1, MOST_THREADS)
        count = min(max(1, _MOST_WEIGHTS // rows), threads or usual)
        for _ in track(in_threads(work, blocks, threads=count), "resampling", len(blocks)):
            pass
    return sums


def _low_bits(largest: int, items: int) -> int:
    """How many low bits of the values are summed apart: 0 where all sums stay below 2**53."""
    if largest * items < EXACT:
        return 0
    shift = (EXACT // items).bit_length() - 1
    wide = ((largest >> max(shift, 0)) + 1) * items >= EXACT
    if wide or largest >= EXACT or largest * items >= LARGEST:
        raise InputError(
            f"{items} items are too many for exact random re-sums",
            expected="sums below 2**63",
            mend="ask for no intervals",
        )
    return shift


def _products(weights: NDArray[np.float64], rows: Rows, shift: int) -> NDArray[np.float64]:
    """``weights @ values``, shape (draws, columns), in small pieces.

    Above a size the matrix library starts threads of its own, which wait in busy loops and so take
    the processors from ours; as the sums are exact, the pieces change nothing else.
    """
    width = rows.shape[1]
    high, low = (np.zeros((len(weights), width)) for _ in range(2))
    step = max(1, _SMALL // max(high.size, 1))
    for at in range(0, weights.shape[1], step):
        part = weights[:, at : at + step].T
        columns = rows.block(at, at + step)
        if shift:
            above = np.floor(columns / 2**shift)
            low += ((columns - above * 2**shift) @ part).T
            columns = above
        high += (columns @ part).T
    if not shift:
        return high
    exact = (high.astype(np.int64) << shift) + low.astype(np.int64)
    return exact.astype(np.float64)


def bootstrap_draw(weight: NDArray[np.int64]) -> Draw:
    """Draws of as many items as there are, with replacement: how often each row comes up."""
    rows, n = len(weight), int(weight.sum())
    if rows * ROW_COST < n:
        shares = weight / n
        return _one_by_one(lambda rng, out: np.copyto(out, rng.multinomial(n, shares)))
    if n < _AT_ONCE_BELOW:
        return _plain_counts(weight)
    fill = _poisson_counts(n)
    return _one_by_one(fill if rows == n else _grouped(fill, weight))


def swap_draw(weight: NDArray[np.int64]) -> Draw:
    """Of each row's items, how many a fair coin per item picks."""
    rows, n = len(weight), int(weight.sum())
    if rows * ROW_COST < n:
        return _one_by_one(lambda rng, out: np.copyto(out, rng.binomial(weight, 0.5)))
    words = -(-n // 64)
    if n < _AT_ONCE_BELOW:
        return _plain_coins(weight)

    def fill(rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        np.copyto(out, np.unpackbits(_random_words(rng, words).view(np.uint8), count=n))

    return _one_by_one(fill if rows == n else _grouped(fill, weight))


def _one_by_one(fill: _DrawOne) -> Draw:
    def draw(rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        for row in out:
            fill(rng, row)

    return draw


def _owners(weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row of every item, shape (items,): each row's first item, then all rows' further ones."""
    rows = np.arange(len(weight))
    return np.concatenate([rows, np.repeat(rows, weight - 1)])


def _grouped(fill: _DrawOne, weight: NDArray[np.int64]) -> _DrawOne:
    """A draw per item, summed over the items of each row."""
    n, rows = int(weight.sum()), len(weight)
    further = _owners(weight)[rows:]

    def grouped(rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        items = np.empty(n)
        fill(rng, items)
        np.copyto(out, items[:rows])
        np.add.at(out, further, items[rows:])

    return grouped


def _plain_counts(weight: NDArray[np.int64]) -> Draw:
    """Of few items: all draws at once, as a call of NumPy costs more than its work for one."""
    owner, rows = _owners(weight), len(weight)

    def draw(rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        drawn = rng.integers(owner.size, size=(len(out), owner.size))
        if rows < owner.size:
            drawn = owner[drawn]
        drawn += rows * np.arange(len(out))[:, None]
        np.copyto(out, np.bincount(drawn.ravel(), minlength=out.size).reshape(out.shape))

    return draw


def _plain_coins(weight: NDArray[np.int64]) -> Draw:
    owner, rows = _owners(weight), len(weight)

    def draw(rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        words = _random_words(rng, (len(out), -(-owner.size // 64)))
        coins = np.unpackbits(words.view(np.uint8), axis=1, count=owner.size)
        np.copyto(out, coins[:, :rows])
        for item in range(rows, owner.size):
            out[:, owner[item]] += coins[:, item]

    return draw


def _poisson_counts(n: int) -> Draw:
    table, escaped = _poisson_table(1.0 - _MARGIN / math.sqrt(n))
    words = -(-n // 4)

    def fill(rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        missing = -1
        while missing < 0:
            lots = _random_words(rng, words).view(np.uint16)[:n]
            np.take(table, lots, out=out, mode="clip")  # 'clip' lets numpy write without a copy
            at = np.flatnonzero(out == _ESCAPE)
            out[at] = np.searchsorted(escaped, rng.random(at.size), side="right")
            missing = n - int(out.sum())
        np.add.at(out, rng.integers(n, size=missing), 1.0)

    return fill


def _poisson_table(rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A table over 16 bits of Poisson counts with escapes, and the escapes' distribution function.

    Count k fills floor(p_k * 2**16) places; an escape is k with the chance left over.
    """
    chances = [math.exp(-rate)]
    while chances[-1] > 1e-30:
        chances.append(chances[-1] * rate / len(chances))
    shares = np.array(chances) * _TABLE
    places = np.floor(shares).astype(np.int64)
    table = np.full(_TABLE, _ESCAPE)
    table[: places.sum()] = np.repeat(np.arange(len(places)), places)
    left = np.cumsum(shares - places)
    return table, left[:-1] / left[-1]


def _random_words(rng: np.random.Generator, size: int | tuple[int, int]) -> NDArray[np.uint64]:
    return rng.integers(2**64 - 1, size=size, dtype=np.uint64, endpoint=True)
