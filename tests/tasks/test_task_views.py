from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError
from ovbench.tasks import Gold, Item, Task, trainable
from ovbench.tasks.task import Answers

GOLD = {
    "a": Gold(("happy", "joyful"), "happy", 2.0),
    "b": Gold(("sad",), "sad", -1.0),
    "c": Gold(("angry",), "angry", -3.0),
}


def task(answers: Answers = "labels", **changes: object) -> Task:
    items = tuple(Item(name, f"voice {name}", f"words {name}") for name in GOLD)
    made = Task("toy", "Toy", "test", "test", items, GOLD, answers, ("ew-open-1",))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_gold_of_each_view_is_the_field_it_scores() -> None:
    assert task().gold_source()["a"] == ("happy", "joyful")
    assert task("class").gold_source() == {"a": "happy", "b": "sad", "c": "angry"}
    words = {**GOLD, "a": replace(GOLD["a"], word="joy")}
    official = task("class", gold=words).gold_source("hit-affectgpt-2025")
    assert official == {"a": "joy", "b": "sad", "c": "angry"}
    assert task("class", gold=words).gold_source("hit-open-1")["a"] == "happy"
    assert task("sentiment").gold_source() == {"a": 2.0, "b": -1.0, "c": -3.0}


def test_answers_are_words_or_their_polarity() -> None:
    assert task().answer(["joyful", "odd"]) == ("joyful", "odd")
    assert task("class").answer(["joyful"]) == ("joyful",)
    assert task("sentiment").answer(["joyful", "glad", "worried"]) == ("positive",)
    assert task("sentiment").answer([]) == ()


@pytest.mark.parametrize(
    ("limit", "left"), [(None, 3), (2, 2), (2.0, 2), (99, 3), (0.5, 2), (0.01, 1), (1, 1), (1.0, 1)]
)
def test_a_limit_is_a_number_or_a_share(limit: float | None, left: int) -> None:
    limited = task().limited(limit)
    assert limited.items == task().items[:left]
    assert set(limited.gold) == {item.id for item in limited.items}
    assert bool(limited.notes) == (left < 3)


@pytest.mark.parametrize("limit", [0, -1, 1.5, float("nan"), float("inf")])
def test_other_limits_are_refused(limit: float) -> None:
    with pytest.raises(InputError, match="limit"):
        task().limited(limit)


def test_the_test_split_cannot_be_trained_on() -> None:
    with pytest.raises(InputError, match="void every score"):
        trainable(task(split="train"))
    train = task(split="whole", role="train")
    assert trainable(train) is train
    assert trainable(task(split="test1", role="dev")).role == "dev"


def test_items_and_gold_must_fit() -> None:
    items = task().items
    with pytest.raises(InputError, match="'a' comes twice"):
        task(items=(*items, items[0]))
    with pytest.raises(InputError, match="first at id 'c'"):
        task(items=items[:2])
    with pytest.raises(InputError, match="no items"):
        task(items=(), gold={})
    with pytest.raises(InputError, match="'a' has no gold valence"):
        task("sentiment", gold={**GOLD, "a": Gold(("happy",))})
    assert task("sentiment", gold={**GOLD, "a": Gold(valence=0.0)}).gold["a"].valence == 0


def test_the_digest_sees_every_field_and_the_order() -> None:
    base = task()
    one = base.items[0]
    others = [
        replace(base, items=base.items[::-1]),
        replace(base, split="dev"),
        replace(base, id="toy2"),
        replace(base, items=(replace(one, description="x"), *base.items[1:])),
        replace(base, items=(replace(one, transcript="x"), *base.items[1:])),
        replace(base, gold={**GOLD, "a": replace(GOLD["a"], labels=("joyful", "happy"))}),
        replace(base, gold={**GOLD, "a": replace(GOLD["a"], category="sad")}),
        replace(base, gold={**GOLD, "a": replace(GOLD["a"], valence=2.2)}),
        base.limited(2),
    ]
    assert len({made.digest() for made in [base, *others]}) == len(others) + 1


def test_the_digest_ignores_what_does_not_change_the_test() -> None:
    base = task()
    same = replace(base, title="T", notes=("n",), gold=dict(reversed(GOLD.items())))
    assert same.digest() == base.digest()


def test_the_digest_is_the_same_in_another_process() -> None:
    program = (
        "from ovbench.tasks import Gold, Item, Task\n"
        "t = Task('t', 'T', 'dev', 'dev', (Item('é', 'd', 'w'),), {'é': Gold(('x',), None, .1)},"
        " 'labels', ('p',))\nprint(t.digest())"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert len(found[0].strip()) == 64


@settings(max_examples=30)
@given(n=st.integers(1, 40), share=st.floats(0.001, 0.999))
def test_a_share_is_rounded_up_and_never_empty(n: int, share: float) -> None:
    items = tuple(Item(str(i), "d", "w") for i in range(n))
    gold = {item.id: Gold(("sad",)) for item in items}
    left = len(Task("t", "T", "dev", "dev", items, gold, "labels", ("p",)).limited(share).items)
    assert left >= 1
    assert left - 1 < n * share <= left
