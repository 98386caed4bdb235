"""From texts to batches: what is learned, what is padding, what stays out, and in which order."""

from __future__ import annotations

import numpy as np
import pytest
import training_kit as kit
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError
from ovbench.training.buckets import epoch_batches, shares, steps_per_epoch
from ovbench.training.collate import IGNORED, collate
from ovbench.training.encode import Pair, encode

PAIRS = [Pair("a", "w1 w2 :", " w3"), Pair("b", "w4 :", " w5 , w6"), Pair("c", "w7 w8 w9 :", " w0")]


def test_the_loss_is_taken_on_the_completion_and_its_end_alone() -> None:
    tokenizer = kit.tokenizer()
    batch = collate(encode(PAIRS, tokenizer, 64), [0, 1, 2])
    for row, pair in enumerate(PAIRS):
        learned = [int(t) for t in batch.labels[row] if t != IGNORED]
        assert tokenizer.decode(learned[:-1]).split() == pair.completion.split()
        assert learned[-1] == tokenizer.eos_token_id
    assert batch.targets == sum(len(pair.completion.split()) + 1 for pair in PAIRS)


def test_rows_are_padded_on_the_right_and_the_end_token_is_attended_to() -> None:
    batch = collate(encode(PAIRS, kit.tokenizer(), 64), [2, 1])
    lengths = batch.attention_mask.sum(1).tolist()
    assert lengths == [6, 6]  # three words, colon, answer, end; one word, colon, three, end
    batch = collate(encode(PAIRS, kit.tokenizer(), 64), [0, 2])
    assert batch.attention_mask.tolist() == [[1] * 5 + [0], [1] * 6]
    assert batch.labels[0, -1] == IGNORED
    assert batch.tokens == 11
    assert int(batch.input_ids[0, 4]) == kit.tokenizer().eos_token_id


def test_items_that_do_not_fit_are_counted_and_never_cut() -> None:
    long = Pair("long", " ".join(["w1"] * 30), " w2 , w3")
    found = encode([PAIRS[0], long, Pair("none", "w1 :", ""), PAIRS[1]], kit.tokenizer(), 20)
    assert found.ids == ("a", "b")
    assert found.statuses == {"ok": 2, "too_long": 1, "no_target": 1}
    exact = encode([long], kit.tokenizer(), 34)  # 30 + 3 + the end token
    assert len(exact.tokens[0]) == 34


def test_contexts_follow_their_items_through_exclusion_and_batching() -> None:
    context = np.arange(8, dtype=np.float32).reshape(4, 2)
    long = Pair("long", " ".join(["w1"] * 30), " w2")
    data = encode([PAIRS[0], long, *PAIRS[1:]], kit.tokenizer(), 20, context)
    assert data.context is not None
    assert data.context.tolist() == [[0, 1], [4, 5], [6, 7]]
    batch = collate(data, [2, 0])
    assert batch.label_context is not None
    assert batch.label_context.tolist() == [[6, 7], [0, 1]]
    with pytest.raises(InputError, match="4 label contexts were given for 3 items"):
        encode(PAIRS, kit.tokenizer(), 20, context)


def test_a_seam_inside_a_token_is_noticed() -> None:
    assert encode(PAIRS, kit.tokenizer(), 64).seams == 0
    glued = [Pair("glued", "w1 w", "2 , w3")]  # as a whole: w1, w2, …
    assert encode(glued, kit.tokenizer(), 64).seams == 1


def test_what_cannot_be_trained_on_is_said() -> None:
    with pytest.raises(InputError, match="no end-of-sequence token"):
        encode(PAIRS, kit.tokenizer(eos_token=None), 64)
    with pytest.raises(InputError, match=r"3 longer than max_length 2\)\. Raise max_length"):
        encode(PAIRS, kit.tokenizer(), 2)
    with pytest.raises(InputError, match="items: none"):
        encode([], kit.tokenizer(), 64)


LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=300)


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(1, 40), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_holds_every_item_once(
    lengths: list[int], size: int, seed: int, epoch: int
) -> None:
    batches = epoch_batches(lengths, size, seed, epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert len(batches) == steps_per_epoch(len(lengths), size)
    assert sum(len(batch) < size for batch in batches) <= 1
    assert batches == epoch_batches(lengths, size, seed, epoch)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 5))
def test_processes_share_a_batch_without_loss(n: int, size: int, processes: int) -> None:
    parts = [shares(range(n), size, rank, processes) for rank in range(processes)]
    assert sorted(i for own in parts for part in own for i in part) == list(range(n))
    assert all(len(part) <= size for own in parts for part in own)
    loads = [sum(map(len, own)) for own in parts]
    assert max(loads) - min(loads) <= 1


def test_the_order_changes_with_seed_and_epoch() -> None:
    lengths = [5 + i % 40 for i in range(1000)]
    orders = {str(epoch_batches(lengths, 8, s, e)) for s in (0, 1) for e in (0, 1)}
    assert len(orders) == 4


def test_bucketing_leaves_little_padding_and_random_batches() -> None:
    draw = np.random.default_rng(0)
    lengths = draw.integers(20, 90, 4000).tolist()

    def padding(batches: list[list[int]]) -> float:
        positions = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
        return 1 - sum(lengths) / positions

    bucketed = epoch_batches(lengths, 32, 0, 0)
    in_order = [list(range(at, min(at + 32, 4000))) for at in range(0, 4000, 32)]
    assert padding(bucketed) < 0.03 < 0.3 < padding(in_order)
    means = [np.mean([lengths[i] for i in batch]) for batch in bucketed]
    neighbours = np.corrcoef(means[:-1], means[1:])[0, 1]
    assert abs(neighbours) < 0.3  # short and long batches are mixed over the epoch
