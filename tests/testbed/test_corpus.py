from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256

import pytest

from ovbench import InputError, score
from ovbench.normalize.normalizer import UNKNOWN
from ovbench.normalize.opening import open_normalizer
from ovbench.testbed import bundled
from ovbench.testbed.corpus import MOST_LABELS, SIZES, Example, Knobs, State, generate, neighbours
from ovbench.testbed.frames import DESCRIPTIONS, TOPIC_PAIRS, TRANSCRIPTS
from ovbench.testbed.world import FAMILIES, FEATURES, LEVELS, TAGS, TOPICS, VOICES

SPLITS = ("train", "dev", "test")
CATEGORIES = ("happy", "sad", "angry", "fear", "surprise", "neutral")
"""The classes of the closed-set view."""
WITHOUT_CLUSTER = ["dispassionate"]
"""Labels that the open lexicon does not place: such words exist in real answers too."""


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Example]]:
    return {split: generate(split) for split in SPLITS}


def text_of(examples: list[Example]) -> str:
    return "".join(json.dumps(asdict(example)) + "\n" for example in examples)


def words_of(examples: list[Example]) -> set[str]:
    return {label for example in examples for label in example.labels}


def test_shipped_test_split_is_what_the_generator_writes(splits: dict[str, list[Example]]) -> None:
    assert bundled.test_file().read_bytes() == text_of(splits["test"]).encode()


@pytest.mark.parametrize("hash_seed", ["0", "1234"])
def test_same_bytes_in_another_process(hash_seed: str, splits: dict[str, list[Example]]) -> None:
    code = (
        "import sys, json; from dataclasses import asdict; from hashlib import sha256\n"
        "from ovbench.testbed.corpus import generate\n"
        "text = ''.join(json.dumps(asdict(e)) + '\\n' for e in generate('train', 200))\n"
        "print(sha256(text.encode()).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    expected = sha256(text_of(splits["train"][:200]).encode()).hexdigest()
    assert done.stdout.strip() == expected


def test_sizes_and_a_prefix_is_a_prefix(splits: dict[str, list[Example]]) -> None:
    assert {split: len(items) for split, items in splits.items()} == SIZES
    assert generate("dev", 7) == splits["dev"][:7]
    assert generate("dev", 0) == []


def test_seeds_differ() -> None:
    assert generate("dev", 20) != generate("dev", 20, Knobs(seed=1))


def test_every_item_has_one_to_nine_different_labels(splits: dict[str, list[Example]]) -> None:
    for items in splits.values():
        for item in items:
            assert 1 <= len(item.labels) <= MOST_LABELS == 9
            assert len(set(item.labels)) == len(item.labels)
    assert {len(item.labels) for item in splits["train"]} == set(range(1, 10))


def test_items_are_short(splits: dict[str, list[Example]]) -> None:
    for items in splits.values():
        for item in items:
            assert 10 <= len(item.description.split()) <= 22
            assert 4 <= len(item.transcript.split()) <= 18


def test_vocabulary_is_large_and_long_tailed(splits: dict[str, list[Example]]) -> None:
    everything = [item for items in splits.values() for item in items]
    assert len(words_of(everything)) >= 200
    counts: dict[str, int] = {}
    for item in splits["train"]:
        for label in item.labels:
            counts[label] = counts.get(label, 0) + 1
    ordered = sorted(counts.values(), reverse=True)
    assert sum(ordered[:20]) > 0.25 * sum(ordered)
    assert sum(count < 40 for count in ordered) > 30


def test_every_label_has_a_cluster_on_some_wheel(splits: dict[str, list[Example]]) -> None:
    words = sorted(words_of([item for items in splits.values() for item in items]))
    codes = open_normalizer().map(words).codes
    unknown = [word for word, row in zip(words, codes, strict=True) if (row == UNKNOWN).all()]
    assert unknown == WITHOUT_CLUSTER


def test_labels_cover_the_inner_rings(splits: dict[str, list[Example]]) -> None:
    labels = open_normalizer().map(sorted(words_of(splits["test"])))
    for index, ring in enumerate(labels.rings):
        if ring.level == "level1":
            assert len(set(labels.codes[:, index]) - {UNKNOWN}) == len(ring.clusters), ring.key


def test_splits_share_no_frame() -> None:
    for frames in (DESCRIPTIONS, TRANSCRIPTS, TOPIC_PAIRS):
        every = [frame for split in SPLITS for frame in frames[split]]
        assert len(every) == len(set(every))


def test_splits_share_no_sentence(splits: dict[str, list[Example]]) -> None:
    for field in ("description", "transcript"):
        texts = [{getattr(item, field) for item in splits[split]} for split in SPLITS]
        assert not texts[0] & texts[1]
        assert not texts[0] & texts[2]
        assert not texts[1] & texts[2]


def test_some_labels_are_heard_in_one_split_only(splits: dict[str, list[Example]]) -> None:
    train, dev, test = (words_of(splits[split]) for split in SPLITS)
    assert len(test - train) >= 15
    assert len(dev - train) >= 15
    assert not (test - train) & (dev - train)


def test_neither_voice_nor_topic_decides_but_both_do() -> None:
    cells = [(family.voice, topic) for family in FAMILIES for topic in family.topics]
    assert len(set(cells)) == len(cells)
    for voice in VOICES:
        assert sum(family.voice == voice for family in FAMILIES) >= 2
    for topic in TOPICS:
        assert sum(topic in family.topics for family in FAMILIES) >= 3


def test_tables_fit_together() -> None:
    for levels in VOICES.values():
        assert all(level in LEVELS[f] for f, level in zip(FEATURES, levels, strict=True))
    for family in FAMILIES:
        assert family.voice in VOICES
        assert set(family.topics) <= set(TOPICS)
        assert family.tag in TAGS
        assert family.category in CATEGORIES
        assert -3 <= family.valence <= 3
        assert 0 <= family.arousal <= 1
    words = [word for f in FAMILIES for word in (*f.words, f.only_dev, f.only_test)]
    assert len(words) == len(set(words))


def test_closed_set_view(splits: dict[str, list[Example]]) -> None:
    for items in splits.values():
        assert {item.category for item in items} == set(CATEGORIES)
    codes = open_normalizer().map(list(CATEGORIES)).codes
    assert (codes[:, 0] != UNKNOWN).all()


def test_sentiment_view(splits: dict[str, list[Example]]) -> None:
    values = [item.valence for item in splits["test"]]
    assert all(-3 <= value <= 3 for value in values)
    assert 3 <= sum(value == 0 for value in values) <= 60
    assert sum(value > 0 for value in values) > 50
    assert sum(value < 0 for value in values) > 50


def share_shared(knobs: Knobs) -> float:
    """Mean share of an item's gold labels that a second group of annotators writes too."""
    gold, other = generate("dev", 200, knobs), generate("dev", 200, knobs, panel=1)
    shares = [
        len(set(a.labels) & set(b.labels)) / len(a.labels) for a, b in zip(gold, other, strict=True)
    ]
    return sum(shares) / len(shares)


def test_panels_label_the_same_items() -> None:
    gold, other = generate("dev", 50), generate("dev", 50, panel=1)
    assert [(a.description, a.transcript) for a in gold] == [
        (b.description, b.transcript) for b in other
    ]
    assert [a.labels for a in gold] != [b.labels for b in other]


def test_noise_lowers_agreement() -> None:
    assert share_shared(Knobs(noise=0)) > share_shared(Knobs(noise=0.5)) + 0.1


def test_more_annotators_write_more_labels() -> None:
    def mean(annotators: int) -> float:
        items = generate("dev", 200, Knobs(annotators=annotators))
        return sum(len(item.labels) for item in items) / len(items)

    assert mean(1) < mean(3) < mean(6)


def loud_words_of_a_heavy_voice(ambiguity: float) -> float:
    items = generate("train", 1500, Knobs(ambiguity=ambiguity, blend=0, noise=0))
    sad = [item for item in items if {"sad", "lonely", "guilty", "hurt"} & set(item.labels)]
    loud = [item for item in sad if set(LEVELS["energy"]["loud"]) & set(_tokens(item.description))]
    return len(loud) / len(sad)


def _tokens(text: str) -> list[str]:
    return [word.strip(".,;:").lower() for word in text.split()]


def test_ambiguity_mixes_voices() -> None:
    assert loud_words_of_a_heavy_voice(0) == 0
    assert 0.05 < loud_words_of_a_heavy_voice(0.5) < 0.4


def test_blend_brings_second_emotions() -> None:
    family_of = {word: f.name for f in FAMILIES for word in (*f.words, f.only_dev, f.only_test)}

    def mean(blend: float) -> float:
        items = generate("dev", 200, Knobs(blend=blend, noise=0))
        return sum(len({family_of[w] for w in item.labels}) for item in items) / len(items)

    assert mean(0) == 1
    assert mean(1) > 1.6


def test_neighbours_share_voice_or_topic() -> None:
    joy = FAMILIES[0]
    near = neighbours(joy, "gift")
    assert joy not in near
    assert {"gratitude", "excitement"} <= {family.name for family in near}
    assert all(f.voice == joy.voice or "gift" in f.topics for f in near)
    assert State((joy,), ("gift",)).families[0].category == "happy"


@pytest.mark.parametrize(
    "wrong", [{"ambiguity": -0.1}, {"noise": 1.5}, {"blend": 2}, {"annotators": 0}]
)
def test_wrong_knobs(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Knobs(**wrong)  # type: ignore[arg-type]


def test_wrong_split_and_number() -> None:
    with pytest.raises(InputError, match="valid"):
        generate("valid")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="-1"):
        generate("dev", -1)


def test_difficulty_leaves_room_above_the_floors(splits: dict[str, list[Example]]) -> None:
    gold = {item.id: list(item.labels) for item in splits["test"]}
    people = {item.id: list(item.labels) for item in generate("test", panel=1)}
    result = score(people, gold, draws=0)
    best_floor = max(floor["f1"] for floor in result.floors.values())
    assert 0.35 <= best_floor <= 0.45
    assert result.scores["f1"] >= best_floor + 0.35
