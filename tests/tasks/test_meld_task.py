"""MELD: both forms of its labels, and the official figure."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ovbench.errors import InputError
from ovbench.normalize.tables import add_tables
from ovbench.scoring import Options, score_files
from ovbench.tasks import MissingDataError, WrongCountError, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.load import read_view
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers import meld

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,"
    "Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
)
QUIET = Options(draws=0, floors=False)


def folder_of(path: Path) -> DataFolder:
    return DataFolder(card_of("meld"), (path,), (path,))


def rows(path: Path, view: str = "meld", split: str = "test"):
    card = card_of(view)
    return read_view(card, card.views[view], split, folder_of(path))[0]


@pytest.fixture
def own(shared_data: Path, tmp_path: Path) -> Path:
    (tmp_path / "MELD").mkdir()
    shutil.copy(shared_data / "meld" / "test_sent_emo.csv", tmp_path / "MELD")
    return tmp_path


@pytest.fixture
def merbench(shared_data: Path, tmp_path: Path) -> Path:
    (tmp_path / "other" / "meld-process").mkdir(parents=True)
    shutil.copy(
        shared_data / "merbench" / "meld-process" / "label.npz",
        tmp_path / "other" / "meld-process",
    )
    return tmp_path / "other"


def test_the_real_files_agree_item_by_item(own: Path, merbench: Path) -> None:
    one, other = load_task("meld", data=own), load_task("meld", data=merbench)
    assert len(one.items) == 2610
    assert [item.id for item in one.items] == [item.id for item in other.items]
    assert one.gold_source() == other.gold_source()
    assert {n: g.labels for n, g in one.gold.items()} == {
        n: g.labels for n, g in other.gold.items()
    }
    assert one.items[0].speaker == "Mark"
    assert one.items[0].id == "test_dia0_utt0"
    shutil.copy(own / "MELD" / "test_sent_emo.csv", merbench / "meld-process")
    findings = meld.examine(folder_of(merbench / "meld-process"), "emotion")
    assert [f.level for f in findings] == ["ok"]
    assert "agree on 2610 items" in findings[0].text


def test_the_other_splits_have_the_counts_of_the_card(merbench: Path) -> None:
    for split, known in card_of("meld").splits.items():
        task = load_task("meld", split, data=merbench)
        assert task.role == known.role
        gold = [g.category for g in task.gold.values()]
        assert {name: gold.count(name) for name in set(gold)} == known.classes


def test_sentiment_is_in_the_own_table_alone(own: Path, merbench: Path) -> None:
    task = load_task("meld-sentiment", data=own)
    values = list(task.gold_source().values())
    assert [values.count(v) for v in (1.0, 0.0, -1.0)] == [521, 1256, 833]
    with pytest.raises(MissingDataError, match=r"test_sent_emo\.csv"):
        load_task("meld-sentiment", data=merbench)


@pytest.mark.parametrize(
    ("checkpoint", "hit_rate", "mscore"),
    [
        ("checkpoint_000030_loss_0.602", 0.55649145, 0.38044921),
        ("checkpoint_000060_loss_0.480", 0.52091292, 0.35405320),
    ],
)
def test_the_official_figure(
    own: Path, shared_data: Path, checkpoint: str, hit_rate: float, mscore: float
) -> None:
    """The official hit rate is of MELD's own words: its tables place *fear* and *fearful* apart."""
    add_tables(shared_data / "emotion_wheel" / "affectgpt-2025")
    task = load_task("meld", data=own)
    said = shared_data / "affectgpt-outputs" / "results-meld" / f"{checkpoint}-openset.npz"
    words = task.gold_source("hit-affectgpt-2025")
    scores = score_files(said, words, "hit-affectgpt-2025", QUIET).scores
    assert scores["hit_rate"] == pytest.approx(hit_rate, abs=5e-9)
    assert scores["mscore"] == pytest.approx(mscore, abs=5e-9)
    by_id = {name: gold.category for name, gold in task.gold.items()}
    other = score_files(said, by_id, "hit-affectgpt-2025", QUIET).scores["hit_rate"]
    assert other - scores["hit_rate"] > 0.005


def test_a_small_table(tmp_path: Path) -> None:
    (tmp_path / "train_splits").mkdir()
    (tmp_path / "train_splits" / "dia3_utt1.mp4").touch()
    (tmp_path / "train_sent_emo.csv").write_text(
        "\ufeff"
        + HEADER
        + '1,"Well, “no”…",Ann,joy,positive,3,1,1,1,"00:00:01,000","00:00:02,000"\n'
        "2,Oh.,Bob,fear,negative,3,2,1,1,0,1\n",
        "utf-8",
    )
    (first, gold), (second, _) = rows(tmp_path, split="train")
    assert (first.id, first.transcript, first.speaker) == ("train_dia3_utt1", "Well, “no”…", "Ann")
    assert first.audio == str(tmp_path / "train_splits" / "dia3_utt1.mp4")
    assert (gold.labels, gold.category, gold.valence) == (("joy",), "happy", 1.0)
    assert second.audio is None
    with pytest.raises(WrongCountError, match="2 items were read; expected 9989"):
        load_task("meld", "train", data=tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,a,b,anger,bad,0,0,1,1,0,1\n", "sentiment 'bad'"),
        ("1,a,b,bliss,positive,0,0,1,1,0,1\n", "class 'bliss'"),
        ("1,a,b,joy,positive,0,0,1,1,0,1\n" * 2, "'test_dia0_utt0' comes twice"),
    ],
)
def test_damaged_tables(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "test_sent_emo.csv").write_text(HEADER + row, "utf-8")
    with pytest.raises(InputError, match=message):
        rows(tmp_path)


def test_a_class_number_without_a_name(tmp_path: Path) -> None:
    labels = {"test_dia0_utt0": {"emo": 7, "val": -10}}
    np.savez(tmp_path / "label.npz", test_corpus=np.array(labels, dtype=object))
    with pytest.raises(InputError, match=r"the class 7.*expected 0 to 6"):
        rows(tmp_path)


def test_broken_clips_are_told(tmp_path: Path) -> None:
    (tmp_path / "subvideo").mkdir()
    (tmp_path / "subvideo" / "val_dia110_utt7.mp4").touch()
    (finding,) = meld.examine(folder_of(tmp_path), "emotion")
    assert finding.level == "note"
    assert "val_dia110_utt7" in finding.text
