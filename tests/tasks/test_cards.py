"""Every card that ships: whether it says what a person needs, and agrees with the code."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from ovbench.normalize.canonical import _CANONICAL, canonical
from ovbench.protocols import load_protocol, protocol_ids
from ovbench.tasks.card import Card, Split, cards, task_ids

CANONICAL = set(_CANONICAL.values())
EVERY = list(cards().values())
ids = [card.id for card in EVERY]
each_card = pytest.mark.parametrize("card", EVERY, ids=ids)


def splits(card: Card) -> list[tuple[str, str, Split]]:
    return [
        (view, name, split) for view in card.views for name, split in card.splits_of(view).items()
    ]


def test_task_ids_are_unique_and_speakable() -> None:
    views = [view for card in EVERY for view in card.views]
    assert len(views) == len(set(views)) == len(task_ids())
    for name in (*views, *ids):
        assert name == name.lower().replace(" ", "-").replace("_", "-")
    # A data set's id may be that of one of its own tasks, never of another's.
    for card in EVERY:
        for other in EVERY:
            assert other is card or card.id not in other.views


@each_card
def test_a_card_is_named_as_its_file_and_says_what_a_person_needs(card: Card) -> None:
    for said in (card.title, card.licence, card.access, card.description, card.citation):
        assert said.strip()
    assert card.contents
    looked_for = card.files or card.corpora
    assert looked_for or not card.places, "what does not ship has files that are looked for"
    assert card.places or not card.files
    for path in (*card.places, *(file.path for file in card.files)):
        assert not path.startswith("/")
        assert ".." not in path.split("/")


@each_card
def test_protocols_exist_and_fit_what_is_answered(card: Card) -> None:
    for view in card.views.values():
        for name in view.protocols:
            assert name in protocol_ids()
            metric = load_protocol(name).metric
            assert (metric == "sentiment") == (view.answers == "sentiment")
            assert metric != "closed-set" or view.answers == "class"


@each_card
def test_labels_are_canonical(card: Card) -> None:
    """Corpora may have classes that the canonical names do not cover; no synonym of one is left."""
    named = set(card.labels.values())
    for _, _, split in splits(card):
        named |= set(split.classes)
    for view in card.views.values():
        named |= set(view.classes)
    if card.places:  # the embedded testbed scores by its own words
        assert {canonical(name) for name in named} == named
        assert all(re.fullmatch(r"[a-z_]+", name) for name in named)
    if card.reader != "emobox":
        assert set(card.labels.values()) <= CANONICAL


@each_card
def test_classes_add_up(card: Card) -> None:
    for view, name, split in splits(card):
        if split.classes and split.items is not None and card.views[view].answers == "class":
            wanted = card.views[view].classes or tuple(split.classes)
            found = sum(count for label, count in split.classes.items() if label in wanted)
            assert found == split.items, (view, name)


@each_card
def test_default_splits_are_for_testing(card: Card) -> None:
    for view, about in card.views.items():
        roles = {name: split.role for name, split in card.splits_of(view).items()}
        assert roles[about.split] == "test" or "test" not in roles.values(), view


@each_card
def test_the_reader_exists(card: Card) -> None:
    reader = import_module(f"ovbench.tasks.readers.{card.reader}")
    assert callable(reader.read)


@each_card
def test_public_files_have_addresses_and_hashes(card: Card) -> None:
    for file in card.files:
        if file.url is not None:
            assert file.url.startswith("https://")
            assert file.sha256 is not None
            assert len(file.sha256) == 64
            assert "*" not in file.path
