"""Folds over actors and sessions, and cards that give folds in place of splits."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from sklearn.model_selection import KFold

from ovbench.tasks.card import UNKNOWN, Card, Folds, cards
from ovbench.tasks.readers.folds import people_of, sessions_of

ROLES = ("train", "dev", "test")


@pytest.mark.parametrize("count", [24, 91, 7])
def test_folds_over_people_are_those_of_peft_ser(count: int) -> None:
    people = range(1001, 1001 + count)
    for number, (rest, test) in enumerate(KFold(5).split(list(people)), 1):
        dev = -len(rest) // 5  # as its scripts cut: a negative number is rounded away from zero
        expected = {"train": rest[:dev], "dev": rest[dev:], "test": test}
        for role in ROLES:
            found = people_of(f"fold{number}-{role}", people)
            assert found == {people[i] for i in expected[role]}


def test_each_session_is_tested_once_and_the_splits_share_none() -> None:
    sessions = (1, 2, 3, 4, 5, 6)
    tested = []
    for number in sessions:
        parts = [sessions_of(f"fold{number}-{role}", sessions) for role in ROLES]
        assert sorted(sum(parts, ())) == list(sessions)
        tested += parts[2]
    assert tested == list(sessions)
    assert sessions_of("fold6-dev", sessions) == (5,)
    assert sessions_of("fold2-dev", sessions) == (6,)


def test_folds_become_a_view_with_splits() -> None:
    view = Folds(title="T", part="p", train=(8, UNKNOWN), test=(2, 3)).view()
    assert {name: (s.role, s.items, s.fold) for name, s in view.splits.items()} == {
        "fold1-train": ("train", 8, "fold1"),
        "fold1-test": ("test", 2, "fold1"),
        "fold2-train": ("train", None, "fold2"),
        "fold2-test": ("test", 3, "fold2"),
    }
    assert (view.split, view.answers, view.part) == ("fold1-test", "class", "p")
    three = Folds(title="T", part="p", train=(8,), dev=(1,), test=(2,)).view()
    assert list(three.splits) == ["fold1-train", "fold1-dev", "fold1-test"]


@pytest.mark.parametrize(
    "counts", [{"train": (1,), "test": (1, 2)}, {"train": (1, 2), "dev": (1,)}]
)
def test_folds_have_as_many_of_each(counts: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValidationError, match="different numbers of folds"):
        Folds.model_validate({"title": "T", "part": "p", "test": (1, 2)} | counts)


def test_a_card_round_trips_with_its_folds() -> None:
    card = cards()["emobox"]
    assert Card.model_validate(card.model_dump()) == card
    assert len(card.views) == len(card.folds) == 32
