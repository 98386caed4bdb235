"""A context never comes from gold: no type, no reference and no value leads there."""

from __future__ import annotations

import gc
import inspect
from dataclasses import fields, replace
from types import FunctionType, ModuleType
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.context import ContextBuilder, ContextSettings, builder, open_context
from ovbench.context.settings import Source
from ovbench.tasks import Gold, Item, Task, load_task

WITHOUT_GOLD = [name for name in get_args(Source) if name not in ("none", "oracle")]
SENTINEL = "a label that must not be reached"


def task(split: str, n: int) -> Task:
    return replace(load_task("tinyov", split).limited(n), id="t", notes=())


TRAIN, DEV = task("train", 40), task("dev", 20)


def reachable(*start: object) -> list[object]:
    """Every object that can be reached from these, but modules, classes and functions."""
    seen: dict[int, object] = {}
    todo: list[object] = list(start)
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (ModuleType, type, FunctionType)):
            continue
        seen[id(one)] = one
        todo += gc.get_referents(one)
    return list(seen.values())


def open_over(split: Task, source: str, *, shuffled: bool = False) -> ContextBuilder:
    chosen = ContextSettings(source=source, shuffled=shuffled)  # type: ignore[arg-type]
    gold = split.gold if source == "oracle" else None
    return open_context(chosen, TRAIN, over=split.items, oracle_gold=gold)


def marked(split: Task) -> Task:
    gold = Gold((SENTINEL,), SENTINEL, 1.25)
    return replace(split, gold=dict.fromkeys(split.gold, gold))


def test_an_item_has_no_label_field() -> None:
    assert [field.name for field in fields(Item)] == [
        "id",
        "description",
        "transcript",
        "audio",
        "speaker",
    ]
    assert not hasattr(DEV.items[0], "__dict__")
    assert not {"labels", "category", "valence"} & set(dir(DEV.items[0]))


def test_building_takes_items_and_predicted_labels_alone() -> None:
    signature = inspect.signature(ContextBuilder.build)
    assert list(signature.parameters) == ["self", "items", "answers"]
    assert "Gold" not in str(signature)
    handed_gold = [
        name
        for name, value in inspect.getmembers(builder, inspect.isfunction)
        if "Gold]" in str(inspect.signature(value))
    ]
    assert handed_gold == ["_assembled", "_open_source", "open_context", "oracle_context"]


@pytest.mark.parametrize(
    ("source", "shuffled"),
    [(source, False) for source in WITHOUT_GOLD] + [("description", True), ("prototypes", True)],
)
def test_no_reference_leads_from_a_builder_to_evaluation_gold(source: str, shuffled: bool) -> None:
    dev = marked(DEV)
    opened = open_over(dev, source, shuffled=shuffled)
    opened.build(dev.items)
    found = reachable(opened, dev.items)
    assert not any(isinstance(one, Gold) or one == SENTINEL for one in _plain(found))


def test_the_search_finds_the_oracles_gold() -> None:
    """The positive control of the test above."""
    opened = open_over(marked(DEV), "oracle")
    assert SENTINEL in _plain(reachable(opened))


def _plain(found: list[object]) -> list[object]:
    """Without arrays, whose comparison is not one truth value."""
    return [one for one in found if not isinstance(one, np.ndarray)]


labels = st.lists(st.sampled_from(["happy", "sad", "angry", "xyz"]), min_size=1, max_size=3)
golds = st.lists(
    st.builds(
        Gold,
        labels.map(tuple),
        st.sampled_from(["happy", "sad"]),
        st.floats(-3, 3),
    ),
    min_size=20,
    max_size=20,
)


@pytest.mark.parametrize("source", WITHOUT_GOLD)
@settings(max_examples=10)
@given(golds=golds)
def test_other_evaluation_labels_give_the_same_bits(source: str, golds: list[Gold]) -> None:
    other = replace(DEV, gold=dict(zip(DEV.gold, golds, strict=True)))
    contexts = [open_over(split, source).build(split.items) for split in (DEV, other)]
    assert contexts[0] is not None
    assert contexts[1] is not None
    assert contexts[0].tobytes() == contexts[1].tobytes()


def test_other_labels_change_the_oracles_context() -> None:
    """The positive control of the test above."""
    other = replace(DEV, gold=dict.fromkeys(DEV.gold, Gold(("sleepy",), "sad", 0.0)))
    a, b = (open_over(split, "oracle").build(split.items) for split in (DEV, other))
    assert a is not None
    assert b is not None
    assert a.tobytes() != b.tobytes()
