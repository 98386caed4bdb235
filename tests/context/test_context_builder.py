from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_encoder import GOLD, ITEMS, TRAIN

from ovbench.context import ContextSettings, open_context
from ovbench.context.shuffle import donors
from ovbench.errors import InputError, UnknownNameError
from ovbench.tasks import Gold, Item, load_task

TINY = list(load_task("tinyov", "dev").items[:60])


def test_gold_is_for_the_oracle_alone() -> None:
    for source in ("description", "prototypes", "candidates", "two_pass", "none"):
        with pytest.raises(InputError, match="was given gold labels"):
            open_context(ContextSettings(source=source), TRAIN, oracle_gold=GOLD)
    with pytest.raises(InputError, match="was given no gold labels"):
        open_context(ContextSettings(source="oracle"))


@pytest.mark.parametrize("source", ["prototypes", "candidates"])
def test_a_vocabulary_comes_from_train_alone(source: str) -> None:
    chosen = ContextSettings(source=source)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="was given no task"):
        open_context(chosen)
    for split in ("dev", "test"):
        with pytest.raises(InputError, match=f"was given the {split} split"):
            open_context(chosen, replace(TRAIN, split=split, role=split))  # type: ignore[arg-type]


def test_unknown_encoders_are_named() -> None:
    with pytest.raises(UnknownNameError, match="'clusters'"):
        open_context(ContextSettings(encoder="cluster"))
    with pytest.raises(UnknownNameError, match="sentence:PATH"):
        open_context(ContextSettings(encoder="sentence:"))


def test_shuffling_needs_the_whole_split() -> None:
    chosen = ContextSettings(shuffled=True)
    with pytest.raises(InputError, match="without the split's items"):
        open_context(chosen)
    with pytest.raises(InputError, match="at least two items"):
        open_context(chosen, over=TINY[:1])
    with pytest.raises(InputError, match="not of the split"):
        open_context(chosen, over=TINY[1:]).build(TINY[:1])


@settings(max_examples=60)
@given(n=st.integers(2, 40), seed=st.integers(0, 5), data=st.data())
def test_shuffling_is_a_derangement_whatever_the_order(
    n: int, seed: int, data: st.DataObject
) -> None:
    items = [Item(f"i{number}", "d", "w") for number in range(n)]
    found = donors(items, seed)
    assert set(found) == {item.id for item in items} == {item.id for item in found.values()}
    assert all(name != item.id for name, item in found.items())
    assert donors(data.draw(st.permutations(items)), seed) == found


def test_shuffling_depends_on_the_seed() -> None:
    assert donors(TINY, 0) != donors(TINY, 1)
    assert donors(TINY, 0) == donors(TINY, 0)


def test_shuffled_contexts_are_other_items_contexts() -> None:
    plain = open_context(ContextSettings()).build(TINY)
    shuffled = open_context(ContextSettings(shuffled=True), over=TINY).build(TINY)
    assert plain is not None
    assert shuffled is not None
    place = {item.id: row for row, item in enumerate(TINY)}
    given_by = [place[donors(TINY, 0)[item.id].id] for item in TINY]
    np.testing.assert_array_equal(shuffled, plain[given_by])


def test_shuffled_gold_is_another_items() -> None:
    gold = {item.id: Gold(("sad" if row % 2 else "happy",)) for row, item in enumerate(TINY)}
    chosen = ContextSettings(source="oracle", shuffled=True)
    found = open_context(chosen, over=TINY, oracle_gold=gold).build(TINY)
    plain = open_context(ContextSettings(source="oracle"), oracle_gold=gold).build(TINY)
    assert plain is not None
    rows = [TINY.index(donors(TINY, 0)[item.id]) for item in TINY]
    np.testing.assert_array_equal(found, plain[rows])


@settings(max_examples=20, deadline=None)
@given(data=st.data(), source=st.sampled_from(["description", "prototypes", "oracle"]))
def test_a_context_does_not_depend_on_the_batch(data: st.DataObject, source: str) -> None:
    few = load_task("tinyov", "dev").limited(30)
    rows = [(item, few.gold[item.id]) for item in few.items]
    gold = {item.id: one for item, one in rows} if source == "oracle" else None
    train = replace(TRAIN, items=tuple(i for i, _ in rows), gold={i.id: g for i, g in rows})
    shuffled = data.draw(st.booleans())
    chosen = ContextSettings(source=source, shuffled=shuffled)  # type: ignore[arg-type]
    builder = open_context(chosen, train, over=[i for i, _ in rows], oracle_gold=gold)
    batch = data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=6))
    whole = builder.build([item for item, _ in batch])
    assert whole is not None
    for row, (item, _) in zip(whole, batch, strict=True):
        alone = builder.build([item])
        assert alone is not None
        assert alone[0].tobytes() == row.tobytes()


def test_every_choice_changes_the_digest() -> None:
    other_words = replace(TRAIN, gold={**GOLD, "a": replace(GOLD["a"], labels=("glad",))})
    sources = ContextSettings
    built = [
        open_context(sources()),
        open_context(sources(source="none")),
        open_context(sources(source="two_pass")),
        open_context(sources(source="oracle"), oracle_gold=GOLD),
        open_context(sources(source="candidates"), TRAIN),
        open_context(sources(source="prototypes"), TRAIN),
        open_context(sources(source="prototypes"), other_words),
        open_context(sources(source="prototypes", temperature=3), TRAIN),
        open_context(sources(shuffled=True), over=TINY),
        open_context(sources(shuffled=True, seed=1), over=TINY),
        open_context(sources(shuffled=True), over=TINY[1:]),
    ]
    assert len({one.digest for one in built}) == len(built)
    assert [one.oracle for one in built].count(True) == 1


def test_choices_that_do_nothing_leave_the_digest() -> None:
    plain = open_context(ContextSettings())
    for same in (ContextSettings(temperature=3), ContextSettings(seed=5)):
        assert open_context(same, TRAIN, over=TINY).digest == plain.digest
    renamed = replace(TRAIN, items=ITEMS[::-1], title="Another")
    chosen = ContextSettings(source="prototypes")
    assert open_context(chosen, renamed).digest == open_context(chosen, TRAIN).digest


def test_the_same_digest_and_bits_in_every_process() -> None:
    program = (
        "import hashlib\n"
        "from ovbench.context import ContextSettings, open_context\n"
        "from ovbench.tasks import load_task\n"
        "train, dev = load_task('tinyov', 'train').limited(200), load_task('tinyov', 'dev')\n"
        "b = open_context(ContextSettings(source='prototypes', shuffled=True), train,"
        " over=dev.items)\n"
        "print(b.digest, hashlib.sha256(b.build(dev.items[:20]).tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, threads in (("1", "1"), ("2", "2"))
    }
    assert len(found) == 1
