from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import pytest

from ovbench.errors import InputError
from ovbench.systems import ConstantRecipe, load_recipe
from ovbench.systems.constant import ConstantSystem
from ovbench.tasks import Gold, Item, Task

LISTS = [("sad", "tired"), ("angry",), ("sad", "sad", "afraid"), ("angry", "sad", "hurt", "lost")]
"""sad 3, angry 2, afraid, hurt, lost and tired 1 each; 9 over 4 items."""
PROBES = [Item(f"t{i}", "low", "go") for i in range(2000)]


def task(split: Literal["train", "test"] = "train", answers: str = "labels") -> Task:
    items = tuple(Item(str(i), "d", "t") for i in range(4))
    gold = {
        str(i): Gold(labels=labels, category="ab"[i % 3 == 0], valence=float(i - 2))
        for i, labels in enumerate(LISTS)
    }
    return Task("toy", "Toy", split, split, items, gold, answers, ("ew-open-1",))  # type: ignore[arg-type]


def system(name: str, train: Task | None = None, seed: int = 0, **fields: object) -> ConstantSystem:
    recipe = load_recipe(name)
    assert isinstance(recipe, ConstantRecipe)
    return ConstantSystem(recipe.model_copy(update=fields), train or task(), seed)


def texts(found: ConstantSystem) -> list[str]:
    return [answer.text for answer in found.predict(PROBES, 7)]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("majority", "sad"),
        ("frequent-k", "sad, angry"),  # 9 labels over 4 items: 2.25
        ("all-labels", "sad, angry, afraid, hurt, lost, tired"),
    ],
)
def test_constants(name: str, wanted: str) -> None:
    assert set(texts(system(name))) == {wanted}


def test_k_may_be_given() -> None:
    assert set(texts(system("frequent-k", k=3))) == {"sad, angry, afraid"}


def test_classes_are_answered_with_classes() -> None:
    assert set(texts(system("majority", task(answers="class")))) == {"a"}
    assert set(texts(system("all-labels", task(answers="class")))) == {"a, b"}


def test_sentiment_is_answered_with_words() -> None:
    assert set(texts(system("majority", task(answers="sentiment")))) == {"sad"}


def test_only_the_train_split_is_known() -> None:
    with pytest.raises(InputError, match="given the test split of toy; expected the train split"):
        system("majority", task("test"))


class TestRandom:
    def test_an_item_draws_the_same_always(self) -> None:
        found = system("random")
        one = {a.id: a.text for a in found.predict(PROBES, 1)}
        two = {a.id: a.text for a in found.predict(PROBES[::-1], 50)}
        assert one == two
        assert texts(system("random", seed=1)) != texts(found)

    def test_lengths_and_labels_follow_train(self) -> None:
        lists = [text.split(", ") for text in texts(system("random"))]
        assert all(len(set(labels)) == len(labels) for labels in lists)
        n = len(lists)
        lengths = Counter(map(len, lists))
        for length, share in {1: 0.25, 2: 0.5, 4: 0.25}.items():
            assert abs(lengths[length] / n - share) < 4 * math.sqrt(share * (1 - share) / n)
        first = Counter(labels[0] for labels in lists)
        for label, share in {"sad": 3 / 9, "angry": 2 / 9, "lost": 1 / 9}.items():
            assert abs(first[label] / n - share) < 4 * math.sqrt(share * (1 - share) / n)


def test_one_answer_each_in_order() -> None:
    answers = list(system("random").predict(PROBES[:5], 2))
    assert [answer.id for answer in answers] == ["t0", "t1", "t2", "t3", "t4"]
    assert {answer.status for answer in answers} == {"ok"}
