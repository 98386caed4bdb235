"""EmoSPeech 2024, in small files of the exact layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from merbench_files import rows, touch, write_csv

from ovbench.errors import InputError
from ovbench.tasks import Gold, MissingDataError, WrongCountError, load_task
from ovbench.tasks.card import card_of

WORDS = ("neutral", "disgust", "anger", "joy", "sadness", "fear")
CANONICAL = ("neutral", "disgusted", "angry", "happy", "sad", "fearful")


@pytest.mark.parametrize(
    ("name", "header", "ending"),
    [
        ("EmoSPeech_phase_2_train_public.csv", "id,transcription,label", ""),
        ("EmoSPeech_phase_2_train.csv", "id,label,transcription", ".mp3"),
    ],
)
def test_train(tmp_path: Path, name: str, header: str, ending: str) -> None:
    cells = [
        {"id": f"0a{n}-{n}f{ending}", "label": word, "transcription": f"¿Qué, {n}?"}
        for n, word in enumerate(WORDS)
    ]
    lines = [[row[column] for column in header.split(",")] for row in cells]
    write_csv(tmp_path / "emospeech" / name, header, *lines)
    mp3 = touch(tmp_path / "emospeech/train_segments/0a1-1f.mp3")
    found = rows("emospeech", "train", tmp_path / "emospeech")
    assert [gold for _, gold in found] == [
        Gold((word,), canonical, word=word)
        for word, canonical in zip(WORDS, CANONICAL, strict=True)
    ]
    assert found[1][0].id == "0a1-1f"
    assert found[1][0].transcript == "¿Qué, 1?"
    assert [item.audio for item, _ in found[:2]] == [None, mp3]
    with pytest.raises(WrongCountError, match="6 items were read; expected 3000"):
        load_task("emospeech", "train", data=tmp_path)


def test_the_gold_of_test_is_not_public(tmp_path: Path) -> None:
    write_csv(tmp_path / "EmoSPeech_phase_2_test_public.csv", "id,transcription", ("a-b", "Sí."))
    with pytest.raises(
        MissingDataError,
        match=r"test\.csv with labels \(EmoSPeech_phase_2_test_public\.csv has none",
    ):
        load_task("emospeech", data=tmp_path)
    with pytest.raises(MissingDataError, match="Ask the organisers of EmoSPeech"):
        load_task("emospeech", "train", data=tmp_path)
    write_csv(
        tmp_path / "EmoSPeech_phase_2_test.csv", "id,transcription,label", ("a-b", "Sí.", "joy")
    )
    ((item, gold),) = rows("emospeech", "test", tmp_path)
    assert (item.id, gold.category) == ("a-b", "happy")


def test_a_class_that_it_does_not_have(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "EmoSPeech_phase_2_train.csv",
        "id,label,transcription",
        ("a", "surprise", "¡Oh!"),
    )
    with pytest.raises(InputError, match="class 'surprise' is none of the data set's"):
        rows("emospeech", "train", tmp_path)


def test_its_classes_add_up() -> None:
    train = card_of("emospeech").splits["train"]
    assert sum(train.classes.values()) == train.items == 3000
    assert train.classes["fearful"] == 23
