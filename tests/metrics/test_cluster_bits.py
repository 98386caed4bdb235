"""Bits and counts against Python sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_reference import World, flat, worlds

from ovbench.errors import InputError
from ovbench.metrics.bits import cluster_sums, popcount, ring_bits, set_counts, words_for


def members(row: np.ndarray) -> set[int]:
    return {64 * w + b for w, word in enumerate(row) for b in range(64) if int(word) >> b & 1}


@given(worlds())
def test_bits_are_the_sets(world: World) -> None:
    for ring, bits in enumerate(world.bits(world.gold)):
        assert bits.shape == (len(world.gold), math.ceil(world.n_clusters[ring] / 64))
        expected = world.sets(world.gold, ring)
        assert [members(row) for row in bits] == expected
        assert popcount(bits).tolist() == [len(s) for s in expected]


@given(worlds())
def test_counts_are_the_sets_sizes(world: World) -> None:
    counts = world.counts()
    for ring in range(len(world.n_clusters)):
        gold, pred = world.sets(world.gold, ring), world.sets(world.pred, ring)
        assert counts.gold[:, ring].tolist() == [len(g) for g in gold]
        assert counts.pred[:, ring].tolist() == [len(p) for p in pred]
        both = [len(g & p) for g, p in zip(gold, pred, strict=True)]
        assert counts.both[:, ring].tolist() == both


@given(worlds(min_items=1), st.lists(st.tuples(st.integers(0, 11), st.integers(-1, 11))))
def test_any_list_may_be_paired_with_any_other(world: World, pairs: list[tuple[int, int]]) -> None:
    n = len(world.gold)
    gold_at, pred_at = ([side % n if side >= 0 else -1 for side in sides]
                        for sides in ([g for g, _ in pairs], [p for _, p in pairs]))  # fmt: skip
    lists = [labels or [] for labels in world.pred]
    index = [np.array(at, dtype=np.int64) for at in (gold_at, pred_at)]
    counts = set_counts(world.bits(world.gold), world.bits(lists), *index)
    assert counts.both.shape == (len(pairs), len(world.n_clusters))
    for ring in range(len(world.n_clusters)):
        gold, pred = world.sets(world.gold, ring), world.sets(lists, ring)
        sets = [(gold[g], pred[p] if p >= 0 else set()) for g, p in zip(*index, strict=True)]
        assert counts.gold[:, ring].tolist() == [len(g) for g, _ in sets]
        assert counts.pred[:, ring].tolist() == [len(p) for _, p in sets]
        assert counts.both[:, ring].tolist() == [len(g & p) for g, p in sets]


def test_empty_lists_hold_nothing_wherever_they_stand() -> None:
    labels, offsets = flat([[], [0], [], [], [1, 0], []])
    bits = ring_bits(np.array([5, 70], dtype=np.int32), labels, offsets, 100)
    assert [members(row) for row in bits] == [set(), {5}, set(), set(), {5, 70}, set()]


def test_more_lists_than_are_laid_out_at_once() -> None:
    n = 100_000
    labels, offsets = np.arange(n) % 7, np.arange(n + 1)
    bits = ring_bits(np.arange(7, dtype=np.int32), labels, offsets, 7)
    assert np.array_equal(bits[:, 0], np.uint64(1) << (np.arange(n) % 7).astype(np.uint64))


def test_lists_that_start_later() -> None:
    offsets = np.array([2, 3, 5])
    bits = ring_bits(np.arange(4, dtype=np.int32), np.array([0, 0, 1, 2, 3]), offsets, 4)
    assert [members(row) for row in bits] == [{1}, {2, 3}]


def test_the_last_cluster_of_a_word() -> None:
    codes = np.array([63, 64, 127], dtype=np.int32)
    bits = ring_bits(codes, np.arange(3), np.array([0, 3]), 128)
    assert bits.tolist() == [[1 << 63, 1 | 1 << 63]]


@pytest.mark.parametrize("n", [192, 255, 256, 1000])
def test_sizes_above_255_do_not_wrap(n: int) -> None:
    codes, each = np.arange(n, dtype=np.int32), np.array([0, n])
    every = [ring_bits(codes, np.arange(n), each, n)]
    assert popcount(every[0]).tolist() == [n]
    counts = set_counts(every, every, np.array([0]), np.array([0]))
    assert (counts.both.item(), counts.gold.item(), counts.pred.item()) == (n, n, n)


def test_words_of_64_clusters() -> None:
    assert [words_for(n) for n in (0, 1, 63, 64, 65, 128, 129)] == [1, 1, 1, 1, 2, 2, 3]


def test_no_lists_and_no_vocabulary() -> None:
    nothing = np.array([], dtype=np.int32)
    assert ring_bits(nothing, nothing, np.array([0]), 3).shape == (0, 1)
    assert ring_bits(nothing, nothing, np.array([], dtype=np.int64), 3).shape == (0, 1)
    assert ring_bits(nothing, nothing, np.array([0, 0]), 0).tolist() == [[0]]


@given(worlds())
def test_cluster_sums_count_the_lists_with_each_cluster(world: World) -> None:
    weight = np.arange(1, len(world.gold) + 1) * 10**6
    for ring, bits in enumerate(world.bits(world.gold)):
        sets = world.sets(world.gold, ring)
        expected = [
            sum(int(w) for w, s in zip(weight, sets, strict=True) if cluster in s)
            for cluster in range(64 * math.ceil(world.n_clusters[ring] / 64))
        ]
        assert cluster_sums(bits, weight) == expected


@pytest.mark.parametrize(
    ("codes", "labels"), [([0, 3], [0]), ([0, -2], [0]), ([0, 1], [2]), ([0, 1], [-1])]
)
def test_what_is_out_of_range_is_refused(codes: list[int], labels: list[int]) -> None:
    with pytest.raises(InputError, match="expected"):
        ring_bits(np.array(codes, dtype=np.int32), np.array(labels), np.array([0, 1]), 3)
