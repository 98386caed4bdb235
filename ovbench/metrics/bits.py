"""Labels' clusters as bits, items as their OR, counts as popcounts.

On one ring (one level of one wheel) every cluster is a bit. A list of labels is the OR of its
labels' bits, so duplicates, order and unknown labels cannot matter, and |G∩P|, |G| and |P| are
popcounts. Rings with more than 64 clusters are split over several words.

Example: clusters happy = 0, sad = 1, mad = 2; gold [joyful, happy, sad] = 0b011, prediction
[sad, angry, blorp] = 0b110; |G∩P| = popcount(0b010) = 1, |G| = 2, |P| = 2.

Edge cases: a list without labels, or with unknown labels only, has no bits; a missing prediction
(index -1) counts as such a list. A label counts once however often it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError

WORD = 64
BLOCK = 1 << 15
"""Lists whose masks are laid out at once: few enough to stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class SetCounts:
    """Sizes of gold and predicted cluster sets, each of shape (rows, rings), of an integer dtype.

    ``both`` is |G∩P|, ``gold`` is |G| and ``pred`` is |P|.
    """

    both: NDArray[np.integer]
    gold: NDArray[np.integer]
    pred: NDArray[np.integer]


def words_for(n_clusters: int) -> int:
    """How many 64-bit words a ring with ``n_clusters`` clusters takes (at least 1)."""
    return max(1, -(-n_clusters // WORD))


def ring_bits(
    codes: NDArray[np.int32],
    labels: NDArray[np.integer],
    offsets: NDArray[np.int64],
    n_clusters: int,
) -> NDArray[np.uint64]:
    """Clusters of many label lists on one ring.

    Parameters
    ----------
    codes:
        Shape (vocabulary,): the cluster of each vocabulary label, -1 where it is unknown.
    labels:
        Shape (occurrences,): indices into the vocabulary, list after list (int64 is fastest).
    offsets:
        Shape (lists + 1,): list ``i`` is ``labels[offsets[i]:offsets[i + 1]]``.
    n_clusters:
        Clusters of the ring; gold and predictions must be given the same number.

    Returns
    -------
    Shape (lists, words), dtype uint64; a list without known labels is 0.

    Raises
    ------
    InputError
        Where a code is not below ``n_clusters``, or a label is outside the vocabulary.
    """
    if codes.size and (codes.max() >= n_clusters or codes.min() < -1):
        raise InputError(
            f"cluster code {codes.max() if codes.max() >= n_clusters else codes.min()}",
            expected=f"-1 (unknown) to {n_clusters - 1}",
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < len(codes):
        raise InputError(
            "a label index outside the vocabulary", expected=f"indices from 0 to {len(codes) - 1}"
        )
    n_lists = max(len(offsets) - 1, 0)
    bits = np.zeros((n_lists, words_for(n_clusters)), dtype=np.uint64)
    for word in range(bits.shape[1]):
        here = (codes >= 0) & (codes // WORD == word)
        if here.any():
            shifts = np.where(here, codes % WORD, 0).astype(np.uint64)
            masks = here.astype(np.uint64) << shifts
            for start in range(0, n_lists, BLOCK):
                stop = min(start + BLOCK, n_lists)
                bits[start:stop, word] = _or_lists(masks, labels, offsets[start : stop + 1])
    return bits


def _or_lists(
    masks: NDArray[np.uint64], labels: NDArray[np.integer], offsets: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """The OR of each list's masks, shape (lists,)."""
    start, stop = int(offsets[0]), int(offsets[-1])
    found = np.zeros(len(offsets) - 1, dtype=np.uint64)
    # reduceat returns an element, not the neutral one, for an empty segment; as empty lists hold
    # no labels, leaving them out changes no other segment.
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    if filled.size:
        of_labels = masks.take(labels[start:stop])
        found[filled] = np.bitwise_or.reduceat(of_labels, offsets[filled] - start)
    return found


def popcount(bits: NDArray[np.uint64]) -> NDArray[np.unsignedinteger]:
    """Clusters per list: the ones of (..., words), summed over words; shape (...,)."""
    counts = np.bitwise_count(bits)
    if bits.shape[-1] == 1:
        return counts[..., 0]
    total: NDArray[np.uint16] = counts.sum(axis=-1, dtype=np.uint16)
    return total


def cluster_sums(bits: NDArray[np.uint64], weight: NDArray[np.int64]) -> list[int]:
    """For each possible cluster, the summed weight of the lists that have it: words * 64 integers.

    A byte of a word at a time: 256 sums by value, then the values that have each bit. The sums are
    of integers below 2**53, so float64 adds them exactly.
    """
    sums: list[int] = []
    for number, word in enumerate(bits.T, 1):
        every = np.ascontiguousarray(word).astype("<u8").view(np.uint8).reshape(-1, 8)
        used = int(word.max(initial=0)).bit_length()
        for byte in every.T[: -(-used // 8)]:
            by_value = np.bincount(byte, weights=weight, minlength=256)
            sums += [int(total) for total in by_value @ _bits_of_bytes()]
        sums += [0] * (number * WORD - len(sums))
    return sums


@cache
def _bits_of_bytes() -> NDArray[np.float64]:
    """Shape (256, 8): the bits of every value of a byte, the lowest first."""
    values = np.arange(256, dtype=np.uint8)[:, None]
    return np.unpackbits(values, axis=1, bitorder="little").astype(np.float64)


def set_counts(
    gold_bits: Sequence[NDArray[np.uint64]],
    pred_bits: Sequence[NDArray[np.uint64]],
    gold_index: NDArray[np.int64],
    pred_index: NDArray[np.int64],
) -> SetCounts:
    """Set sizes of pairs of lists.

    Parameters
    ----------
    gold_bits, pred_bits:
        One array (lists, words) per ring, from :func:`ring_bits`.
    gold_index, pred_index:
        Shape (rows,): row ``i`` pairs gold list ``gold_index[i]`` with predicted list
        ``pred_index[i]``; -1 in ``pred_index`` is a missing prediction, which has no clusters.
    """
    shape = (len(gold_bits), len(gold_index))
    # Small integers: a million items on ten rings are 10 MB a side, where int32 would be 40.
    wide = any(ring.shape[-1] > 3 for ring in gold_bits)
    both, gold, pred = (np.zeros(shape, np.uint16 if wide else np.uint8) for _ in range(3))
    given = np.flatnonzero(pred_index >= 0)
    everywhere = given.size == pred_index.size
    gold_given = gold_index if everywhere else gold_index[given]
    pred_given = pred_index if everywhere else pred_index[given]
    at: slice | NDArray[np.intp] = slice(None) if everywhere else given
    for ring, (gold_ring, pred_ring) in enumerate(zip(gold_bits, pred_bits, strict=True)):
        gold[ring] = popcount(gold_ring)[gold_index]
        pred[ring, at] = popcount(pred_ring)[pred_given]
        both[ring, at] = popcount(gold_ring[gold_given] & pred_ring[pred_given])
    return SetCounts(both.T, gold.T, pred.T)
