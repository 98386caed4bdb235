from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from ovbench import open_normalizer
from ovbench.io.labels import get_parser
from ovbench.io.read import read_records
from ovbench.tasks.polarity import POLARITY, polarity_of


@pytest.mark.parametrize(
    ("polarity", "words"),
    [
        ("positive", "happy joyful grateful relieved calm amused excited hopeful proud loving"),
        ("negative", "angry sad afraid anxious disgusted ashamed lonely bored resentful jealous"),
        ("neutral", "neutral surprised amazed startled unemotional"),
        ("positive", "positive Positive"),
        ("negative", "negative"),
        ("unknown", "qwertz chair"),
    ],
)
def test_words(polarity: str, words: str) -> None:
    assert {word: polarity_of([word]) for word in words.split()} == dict.fromkeys(
        words.split(), polarity
    )


@pytest.mark.parametrize(
    ("labels", "polarity"),
    [
        (["relieved", "joyful", "worried"], "positive"),
        (["happy", "sad"], "neutral"),
        (["happy", "qwertz"], "positive"),
        (["neutral", "surprised", "sad"], "negative"),
        (["sad", "sad", "happy"], "neutral"),  # distinct words vote once
        (["happy", "negative", "negative", "sad"], "negative"),
        ([], None),
    ],
)
def test_lists(labels: list[str], polarity: str | None) -> None:
    assert {polarity_of(order) for order in permutations(labels)} == {polarity}


def test_every_inner_cluster_has_a_polarity_and_there_are_no_others() -> None:
    inner = [ring for ring in open_normalizer().rings if ring.level == "level1"]
    assert {name for ring in inner for name in ring.clusters} == set(POLARITY)


def test_agreement_with_an_llm_that_read_the_same_labels(shared_data: Path) -> None:
    """AffectGPT's labels of CMU-MOSI's test clips, and the sentiments an LLM made of them."""
    results = shared_data / "affectgpt-outputs" / "results-cmumosi"
    labels = read_records(results / "checkpoint_000040_loss_0.569-openset.npz")
    said = read_records(
        results / "checkpoint_000040_loss_0.569-openset-sentiment.npz", want="sentiment"
    )
    parser = get_parser("open")
    sentiment = dict(zip(said.ids, (said.cells[code] for code in said.codes), strict=True))
    agree = [
        polarity_of(parser.parse(labels.cells[code]).labels) == sentiment[name]
        for name, code in zip(labels.ids, labels.codes, strict=True)
    ]
    assert len(agree) == 686
    assert 0.86 < sum(agree) / len(agree) < 0.89
