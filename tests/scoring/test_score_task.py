"""A task in place of a gold file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ovbench
from ovbench.errors import InputError
from ovbench.scoring import Options, difference_error, floors_of, score_files, score_samples
from ovbench.tasks import Gold, Item, Task
from ovbench.tasks.task import Answers

GOLD = {
    "a": Gold(("joyful", "glad"), "happy", 2.0),
    "b": Gold(("sad",), "sad", -1.0),
    "c": Gold(("angry",), "angry", -3.0),
    "d": Gold(("calm",), "neutral", 0.0),
}
WORDS = {"a": ["delighted"], "b": ["sad", "lonely"], "c": ["furious"], "d": ["calm"]}
PROTOCOLS: dict[str, tuple[str, ...]] = {
    "labels": ("ew-open-1", "hit-open-1"),
    "class": ("hit-open-1", "closed-set"),
    "sentiment": ("sentiment-non0", "sentiment-has0"),
}


def task(answers: Answers = "labels") -> Task:
    items = tuple(Item(name, "", "words") for name in GOLD)
    return Task("toy", "Toy", "dev", "dev", items, GOLD, answers, PROTOCOLS[answers], ("a note",))


def without_names(result: ovbench.Result) -> dict[str, object]:
    """All of a result but what names its gold, the task's notes, and how it reads labels."""
    told = result.model_dump()
    told["signature"] = re.sub(r"\|labels:[^|]*", "", result.signature)
    told["warnings"] = [text for text in told["warnings"] if text != "a note"]
    told.pop("gold")
    return told


@pytest.mark.parametrize("answers", ["labels", "class", "sentiment"])
def test_a_task_scores_as_its_gold_in_memory_does(answers: Answers) -> None:
    one = task(answers)
    predictions: dict[str, object] = dict(WORDS)
    if answers == "sentiment":
        predictions = {"a": "positive", "b": "Negative.", "c": "neutral", "d": "neutral"}
    for protocol in one.protocols:
        ours = score_files(predictions, one, protocol, Options(draws=50))
        plain = score_files(predictions, one.gold_source(), protocol, Options(draws=50))
        assert without_names(ours) == without_names(plain)
        assert ours.gold == "toy/dev"
        assert ours.warnings[-1] == "a note"
        assert ("|labels:rule=polarity-1+lemma=" in ours.signature) == (answers == "sentiment")
        assert "|labels:" not in plain.signature


def test_the_protocol_is_the_task_s_first_or_the_open_one() -> None:
    assert ovbench.score(WORDS, task("class"), draws=0).protocol == "hit-open-1"
    assert ovbench.score(WORDS, {"a": ["happy"]}, draws=0).protocol == "ew-open-1"
    assert floors_of(task("sentiment"), None, Options()).protocol == "sentiment-non0"
    assert floors_of(task(), None, Options()).gold == "toy/dev"


def test_lists_of_words_answer_a_sentiment_task_by_their_polarity() -> None:
    """Expected: a positive and right, b negative and right, c positive and wrong, d 0: left out."""
    answers = {"a": "['delighted', 'glad']", "b": "sad, lonely", "c": ["joyful"], "d": ["sad"]}
    result = ovbench.score(answers, task("sentiment"), draws=0)
    assert result.counts.scored == 3
    assert result.scores["accuracy"] == pytest.approx(2 / 3)


def test_an_answer_without_a_label_stays_what_it_is() -> None:
    answers = {"a": "positive", "b": "", "c": "negative", "d": "neutral"}
    counts = ovbench.score(answers, task("sentiment"), draws=0).counts
    assert (counts.scored, counts.empty) == (3, 1)


def test_others_are_compared_by_their_polarity_too() -> None:
    first = {"a": "positive", "b": "negative", "c": "negative", "d": "neutral"}
    result = ovbench.score(first, task("sentiment"), against=[WORDS], draws=20)
    assert result.comparisons[0].other_score == 1.0


def test_the_spread_of_a_difference_on_a_task() -> None:
    worse = WORDS | {"a": ["sad"], "b": ["joyful"]}
    mine = difference_error([WORDS, worse], task(), None, Options(draws=100))
    gold = difference_error([WORDS, worse], task().gold_source(), "ew-open-1", Options(draws=100))
    assert mine == gold
    assert mine[1] == 4


@pytest.mark.parametrize(
    "options", [{"by": "speaker"}, {"cluster_by": "speaker"}, {"split": "dev"},
                {"gold_id_column": "id"}, {"gold_label_column": "label"}],
)  # fmt: skip
def test_options_about_a_gold_file_are_refused(options: dict[str, str]) -> None:
    (name,) = (f"--{key.replace('_', '-')}" for key in options)
    with pytest.raises(InputError, match=rf"toy/dev: {name} does not go with a task"):
        ovbench.score(WORDS, task(), draws=0, **options)


@pytest.mark.parametrize(
    ("answers", "protocol"),
    [("labels", "sentiment-has0"), ("class", "sentiment-non0"), ("sentiment", "ew-open-1"),
     ("sentiment", "closed-set"), ("labels", "closed-set")],
)  # fmt: skip
def test_a_protocol_that_does_not_fit_the_task_is_refused(answers: Answers, protocol: str) -> None:
    with pytest.raises(InputError, match=f"does not score what task 'toy' asks .{answers}"):
        ovbench.score(WORDS, task(answers), protocol, draws=0)


def test_samples_of_a_task_are_scored_again(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    first = score_files(WORDS, task(), None, Options(draws=0, floors=False), samples=str(path))
    again = score_samples(path, Options(draws=0, floors=False))
    assert again.scores == first.scores
    assert again.gold == "toy/dev"


def test_samples_of_a_sentiment_task_keep_how_labels_were_read(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    ours = score_files(WORDS, task("sentiment"), None, Options(draws=0), samples=str(kept))
    again = score_samples(kept, Options(draws=0))
    assert again.scores == ours.scores
    assert again.signature == ours.signature
