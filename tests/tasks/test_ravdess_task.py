"""RAVDESS: everything is in the names."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from ovbench.tasks import MissingDataError, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.places import DataFolder, data_folder
from ovbench.tasks.readers import ravdess


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The speech archive as it unpacks: 24 folders of 60 files, and a song in each."""
    root = tmp_path / "RAVDESS" / "Audio_Speech_Actors_01-24"
    for actor in range(1, 25):
        folder = root / f"Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for emotion, strength, said, again in product(range(1, 9), (1, 2), (1, 2), (1, 2)):
            if emotion > 1 or strength == 1:
                (folder / f"03-01-0{emotion}-0{strength}-0{said}-0{again}-{actor:02d}.wav").touch()
        (folder / f"03-02-01-01-01-01-{actor:02d}.wav").touch()  # a song
    return tmp_path


def folder_of(data: Path) -> DataFolder:
    return data_folder(card_of("ravdess"), data)


def test_counts_are_the_cards(data: Path) -> None:
    tested = set()
    for split, known in card_of("ravdess").splits_of("ravdess").items():
        task = load_task("ravdess", split, data=data)
        classes = [gold.category for gold in task.gold.values()]
        assert {name: classes.count(name) for name in set(classes)} == known.classes
        if known.role == "test":
            tested |= set(task.gold)
    assert len(tested) == 1440
    assert [f.level for f in ravdess.examine(folder_of(data), "")] == ["ok"]


def test_an_item(data: Path) -> None:
    item = load_task("ravdess", data=data).items[-1]
    assert (item.id, item.speaker, item.transcript) == ("03-01-08-02-02-02-05", "05", "")
    assert Path(item.audio or "").is_file()


def test_clips_that_are_missing_or_astray(data: Path) -> None:
    actor = data / "RAVDESS" / "Audio_Speech_Actors_01-24" / "Actor_07"
    (actor / "03-01-01-01-01-01-07.wav").unlink()
    (actor / "03-01-02-01-01-01-07.wav").rename(actor.parent / "Actor_08/03-01-02-01-01-01-07.wav")
    found = {f.text for f in ravdess.examine(folder_of(data), "") if f.level == "wrong"}
    assert found == {
        "actor 07 has 59 of 60 clips",
        "03-01-02-01-01-01-07.wav lies in another actor's folder",
    }


def test_without_clips(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"zenodo\.org"):
        load_task("ravdess", data=tmp_path)
