"""MSP-IMPROV and MSP-Podcast in the layouts of their releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.errors import InputError, UnknownNameError
from ovbench.tasks import WrongCountError, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers import msp_podcast

IMPROV = """UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:3.000000; V:3.500000; D:3.000000;
WORKER00000001; Neutral; Neutral,; A:3.000000; V:3.000000; D:3.000000; N:4.000000;

UTD-IMPROV-S08H-M01-P-MF03.avi; H; A:3.000000; V:3.500000; D:3.000000;
WORKER00000001; Happy; Happy,; A:3.000000; V:3.000000; D:3.000000; N:4.000000;

UTD-IMPROV-S08H-M01-P-MF04.avi; X; A:3.000000; V:3.500000; D:3.000000;
UTD-IMPROV-S03S-F06-R-FM02.avi; S; A:3.000000; V:3.500000; D:3.000000;
UTD-IMPROV-S03S-M03-T-FM02.avi; A; A:3.000000; V:3.500000; D:3.000000;
"""


def test_improv(tmp_path: Path) -> None:
    (tmp_path / "Evalution.txt").write_text(IMPROV, "utf-8")
    wav = tmp_path / "Audio/session1/S08H/P/MSP-IMPROV-S08H-M01-P-MF03.wav"
    wav.parent.mkdir(parents=True)
    wav.touch()
    task = load_task("msp-improv", data=tmp_path)
    assert task.gold_source() == {
        "MSP-IMPROV-S01A-F01-S-FM01": "neutral",
        "MSP-IMPROV-S08H-M01-P-MF03": "happy",
    }
    assert "1 of 3 items are no part of this view" in task.notes
    assert [item.speaker for item in task.items] == ["F01", "M01"]
    assert [item.audio for item in task.items] == [None, str(wav)]
    assert list(load_task("msp-improv", "fold1-dev", tmp_path).gold_source().values()) == ["sad"]
    assert list(load_task("msp-improv", "fold1-train", tmp_path).gold_source().values()) == [
        "angry"
    ]


def test_improv_with_a_class_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "Evalution.txt").write_text("UTD-IMPROV-S01A-F01-S-FM01.avi; Q; A:3\n", "utf-8")
    with pytest.raises(InputError, match=r"line 1: the class 'Q'"):
        load_task("msp-improv", data=tmp_path)


HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
PODCAST = HEADER + "".join(
    f"MSP-PODCAST_{name}.wav,{own},4.2,3.8,4.4,{speaker},Female,{part}\n"
    for name, own, speaker, part in (
        ("0001_0001", "U", "12", "Train"),
        ("0001_0002", "C", "13", "Development"),
        ("0002_0001", "X", "14", "Test1"),
        ("0002_0002", "N", "Unknown", "Test1"),
        ("0003_0001", "H", "15", "Test2"),
        ("0004_0001", "H", "16", "Test3"),
    )
)


@pytest.fixture
def podcast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("Labels", "Transcripts", "Audios"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Labels" / "labels_consensus.csv").write_text(PODCAST, "utf-8")
    (tmp_path / "Transcripts" / "MSP-PODCAST_0002_0002.txt").write_text("So, anyway.\n", "utf-8")
    (tmp_path / "Audios" / "MSP-PODCAST_0002_0002.wav").touch()
    small = {"1.11": {"train": 1, "dev": 1, "test1": 2, "test2": 1}, "1.12": {}}
    monkeypatch.setattr(msp_podcast, "_TURNS", small)
    monkeypatch.setattr(msp_podcast, "_BETWEEN", {"1.11": (0, 6), "1.12": (6, 9)})
    return tmp_path


def test_podcast(podcast: Path) -> None:
    task = load_task("msp-podcast-1.11", data=podcast)
    (item,) = task.items
    assert (item.id, item.transcript, item.speaker) == (
        "MSP-PODCAST_0002_0002", "So, anyway.", None,
    )  # fmt: skip
    assert item.audio == str(podcast / "Audios" / "MSP-PODCAST_0002_0002.wav")
    found = {
        split: list(load_task("msp-podcast-1.11", split, podcast).gold_source().values())
        for split in ("train", "dev", "test2")
    }
    assert found == {"train": ["surprised"], "dev": ["contemptuous"], "test2": ["happy"]}


def test_the_hidden_test_set_is_no_split(podcast: Path) -> None:
    with pytest.raises(UnknownNameError):
        load_task("msp-podcast-1.11", "test3", podcast)


def test_another_release_is_refused(podcast: Path) -> None:
    with pytest.raises(WrongCountError, match=r"6 in all; expected release 1\.12"):
        load_task("msp-podcast-1.12", data=podcast)
    labels = podcast / "Labels" / "labels_consensus.csv"
    labels.write_text(PODCAST.replace("Test1", "Test2", 1), "utf-8")
    with pytest.raises(WrongCountError, match=r"1 turns of test1.*1\.11, which has 2 of test1"):
        load_task("msp-podcast-1.11", data=podcast)


def test_a_name_cannot_lead_out(podcast: Path) -> None:
    labels = podcast / "Labels" / "labels_consensus.csv"
    labels.write_text(PODCAST.replace("MSP-PODCAST_0003", "../MSP-PODCAST_0003"), "utf-8")
    with pytest.raises(InputError, match="no plain file name"):
        load_task("msp-podcast-1.11", "test2", podcast)


def test_what_a_file_has_is_told(podcast: Path) -> None:
    folder = DataFolder(card_of("msp-podcast-1.11"), (podcast,), (podcast,))
    (finding,) = msp_podcast.examine(folder, "1.11")
    assert "release 1.11" in finding.text
    assert "Test1 2, Test2 1, Test3 1, Train 1" in finding.text


def test_the_published_counts_add_up() -> None:
    known = msp_podcast._TURNS["1.11"]
    assert sum(known.values()) + 2347 == msp_podcast._BETWEEN["1.11"][1]
