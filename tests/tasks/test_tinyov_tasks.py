"""The bundled tasks: read, scored, and kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.errors import UnknownNameError, ValidationError
from ovbench.protocols import load_protocol
from ovbench.scoring import Options, score_files
from ovbench.tasks import Task, WrongCountError, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.readers import tinyov
from ovbench.testbed.corpus import generate

QUIET = Options(draws=0, floors=False)


def perfect(task: Task) -> dict[str, object]:
    return {item.id: task.answer(task.gold[item.id].labels) for item in task.items}


def score(task: Task, predictions: dict[str, object], protocol: str | None = None):
    return score_files(predictions, task.gold_source(), protocol or task.protocols[0], QUIET)


VIEWS = ("tinyov", "tinyov-6class", "tinyov-sentiment")


@pytest.mark.parametrize("name", VIEWS)
def test_every_split_is_as_the_card_says(name: str) -> None:
    card = card_of(name)
    assert card.id == "tinyov"
    for protocol in card.views[name].protocols:
        load_protocol(protocol)
    for split, known in card.splits_of(name).items():
        task = load_task(name, split)
        assert (task.split, task.role, len(task.items)) == (split, known.role, known.items)
        assert any("not comparable with 7B" in note for note in task.notes)


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'tinyov-6class'"):
        load_task("tinyov-6clas")
    with pytest.raises(UnknownNameError, match="'test'"):
        load_task("tinyov", "tets")


def test_the_shipped_test_split_is_what_the_generator_makes() -> None:
    assert tinyov.shipped() == generate("test")


def test_a_damaged_test_file_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "test.jsonl"
    broken.write_text('{"id": "x"}\n')
    monkeypatch.setattr(tinyov, "test_file", lambda: broken)
    with pytest.raises(ValidationError, match="cannot be read"):
        load_task("tinyov")
    broken.write_text("")
    with pytest.raises(WrongCountError, match="0 items were read; expected 332"):
        load_task("tinyov")


def test_splits_share_no_items() -> None:
    seen = [
        {(item.description, item.transcript) for item in load_task("tinyov", split).items}
        for split in ("train", "dev", "test")
    ]
    assert len(seen[0] | seen[1] | seen[2]) == sum(map(len, seen))


def test_the_views_are_of_the_same_items_and_have_digests_of_their_own() -> None:
    views = [load_task(name) for name in VIEWS]
    assert {view.items for view in views} == {views[0].items}
    assert len({view.digest() for view in views}) == len(views)


def test_gold_labels_as_predictions_score_fully_and_others_less() -> None:
    task = load_task("tinyov")
    assert score(task, perfect(task)).scores["f1"] == pytest.approx(1)
    assert score(task, perfect(task), "hit-open-1").scores["hit_rate"] == pytest.approx(1)
    majority = dict.fromkeys(task.gold, ("happy",))
    assert 0 < score(task, majority).scores["f1"] < 0.5


def test_the_class_view_scores_words_against_the_class() -> None:
    task = load_task("tinyov-6class")
    own = {name: (gold.category,) for name, gold in task.gold.items()}
    assert score(task, own).scores["hit_rate"] == pytest.approx(1)
    assert score(task, own, "closed-set").scores["accuracy"] == pytest.approx(1)
    words = score(task, perfect(task)).scores["hit_rate"]
    happy = score(task, dict.fromkeys(task.gold, ("happy",))).scores["hit_rate"]
    assert happy < 0.5 < words


def test_the_sentiment_view_scores_the_polarity_of_words() -> None:
    task = load_task("tinyov-sentiment")
    sign = {name: ("positive" if g.valence > 0 else "negative",) for name, g in task.gold.items()}
    assert score(task, sign).scores["weighted_f1"] == pytest.approx(1)
    words = score(task, perfect(task))
    assert words.scores["weighted_f1"] > 0.85
    nothing = score(task, dict.fromkeys(task.gold, ()))
    assert nothing.scores["weighted_f1"] == 0
    assert words.counts.gold == len(task.items)
