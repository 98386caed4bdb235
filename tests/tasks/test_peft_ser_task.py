"""PEFT-SER's four corpora as one task: its splits, its classes, and what is missing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.errors import InputError
from ovbench.tasks import MissingDataError, WrongCountError, load_task
from ovbench.tasks.card import Card, card_of, cards
from ovbench.tasks.doctor import examine
from ovbench.tasks.load import read_view
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers import msp_podcast

TURNS = {  # IEMOCAP: a turn per session, and what belongs to nobody
    "Ses01F_impro01_F000": "exc",
    "Ses02F_impro01_F000": "fru",
    "Ses03M_impro01_M000": "sad",
    "Ses04F_impro01_F000": "hap",
    "Ses05F_impro01_F000": "ang",
}
IMPROV = "".join(
    f"UTD-IMPROV-S01A-F0{session}-S-FM01.avi; {own}; A:3.0; V:3.5; D:3.0;\n"
    for session, own in enumerate("NASHOX", 1)
)
PODCAST = "FileName,EmoClass,SpkrID,Split_Set\n" + "".join(
    f"MSP-PODCAST_{name}.wav,{own},{speaker},{part}\n"
    for name, own, speaker, part in (
        ("1", "H", "12", "Train"),
        ("2", "C", "12", "Train"),
        ("3", "N", "Unknown", "Train"),
        ("4", "S", "13", "Development"),
        ("5", "A", "14", "Test1"),
        ("6", "A", "15", "Test2"),
    )
)
VOTES = (
    '"","FileName","VoiceVote","MultiModalVote"\n'
    + "".join(
        f'"{n}","{actor}_IEO_FEA_LO","N","{vote}"\n'
        for n, (actor, vote) in enumerate(
            [
                ("1001", "H"),
                ("1058", "F"),
                ("1059", "N"),
                ("1073", "N:S"),
                ("1074", "S"),
                ("1091", "A"),
            ]
        )
    )
    + '"9","1076_MTI_SAD_XX","N","S"\n'
)


def iemocap(root: Path) -> None:
    for name, own in TURNS.items():
        folder = root / "IEMOCAP" / f"Session{name[4]}" / "dialog" / "EmoEvaluation"
        folder.mkdir(parents=True)
        line = f"[6.2901 - 8.2357]\t{name}\t{own}\t[2.5000, 2.5000, 2.5000]\n"
        (folder / f"{name.rpartition('_')[0]}.txt").write_text(line, "utf-8")


def improv(root: Path) -> None:
    (root / "MSP-IMPROV").mkdir()
    (root / "MSP-IMPROV" / "Evalution.txt").write_text(IMPROV, "utf-8")


def podcast(root: Path) -> None:
    (root / "MSP-Podcast" / "Labels").mkdir(parents=True)
    (root / "MSP-Podcast" / "Labels" / "labels_consensus.csv").write_text(PODCAST, "utf-8")


def crema(root: Path) -> None:
    (root / "CREMA-D" / "processedResults").mkdir(parents=True)
    (root / "CREMA-D" / "processedResults" / "summaryTable.csv").write_text(VOTES, "utf-8")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets of a few items are whole."""
    monkeypatch.setattr(msp_podcast, "_TURNS", {"1.11": {}, "1.12": {}})
    monkeypatch.setattr(msp_podcast, "_BETWEEN", {"1.11": (0, 6), "1.12": (6, 9)})
    uncounted = Card.splits_of

    def splits_of(card: Card, view: str) -> dict[str, object]:
        found = uncounted(card, view)
        return {name: one.model_copy(update={"items": None}) for name, one in found.items()}

    monkeypatch.setattr(Card, "splits_of", splits_of)


@pytest.fixture
def root(tmp_path: Path, small: None) -> Path:
    for write in (iemocap, improv, podcast, crema):
        write(tmp_path)
    return tmp_path


SPLITS = {
    "train": {
        "iemocap:Ses01F_impro01_F000": "happy",
        "iemocap:Ses03M_impro01_M000": "sad",
        "msp-improv:MSP-IMPROV-S01A-F01-S-FM01": "neutral",
        "msp-improv:MSP-IMPROV-S01A-F02-S-FM01": "angry",
        "msp-improv:MSP-IMPROV-S01A-F03-S-FM01": "sad",
        "msp-podcast:MSP-PODCAST_1": "happy",
        "crema-d:1001_IEO_FEA_LO": "happy",
    },
    "dev": {
        "iemocap:Ses04F_impro01_F000": "happy",
        "msp-improv:MSP-IMPROV-S01A-F04-S-FM01": "happy",
        "msp-podcast:MSP-PODCAST_4": "sad",
        "crema-d:1059_IEO_FEA_LO": "neutral",
    },
    "test": {
        "iemocap:Ses05F_impro01_F000": "angry",
        "msp-podcast:MSP-PODCAST_5": "angry",
        "crema-d:1074_IEO_FEA_LO": "sad",
        "crema-d:1091_IEO_FEA_LO": "angry",
    },
}


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_is_that_of_the_released_models(root: Path, split: str) -> None:
    task = load_task("peft-ser", split, root)
    assert task.gold_source() == SPLITS[split]
    assert task.role == split
    assert all(item.speaker.startswith(item.id.partition(":")[0]) for item in task.items)
    assert all(gold.labels == (gold.category,) for gold in task.gold.values())


def test_nobody_is_heard_twice(root: Path) -> None:
    (report,) = examine(root, ["peft-ser"])
    told = [finding.text for finding in report.findings]
    assert report.state == "found"
    assert not report.wrong
    assert "nobody speaks in both train and test" in told
    assert "msp-podcast, a part of it, is there" in told


def test_all_that_is_missing_is_named(tmp_path: Path, small: None) -> None:
    iemocap(tmp_path)
    podcast(tmp_path)
    with pytest.raises(MissingDataError) as caught:
        load_task("peft-ser", "train", tmp_path)
    message = str(caught.value)
    assert (
        "2 of the data sets that it puts together are not there (msp-improv: Evalution.txt"
        in message
    )
    assert "crema-d: processedResults/summaryTable.csv)" in message
    assert "ovbench tasks show msp-improv, crema-d" in message
    assert "iemocap" not in message.partition("(")[2]
    improv(tmp_path)
    with pytest.raises(MissingDataError, match=r"one of the data sets .* is not there \(crema-d"):
        load_task("peft-ser", "train", tmp_path)
    (report,) = examine(tmp_path, ["peft-ser"])
    assert (report.state, report.wrong) == ("partly", False)
    missing = [finding.text for finding in report.findings if finding.level == "missing"]
    assert "crema-d, a part of it, is not there" in missing
    assert any("train, dev, test cannot be read" in text for text in missing)


def test_nothing_of_it_is_here(tmp_path: Path) -> None:
    (report,) = examine(tmp_path, ["peft-ser"])
    assert report.state == "missing"


def test_a_part_of_another_size_is_refused(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("OVBENCH_DATA", str(root))
    with pytest.raises(WrongCountError, match=r"iemocap-4class, dev: 1 items.*expected 1031"):
        load_task("peft-ser", "dev")


def test_damage_is_told_by_the_part(root: Path) -> None:
    (root / "MSP-IMPROV" / "Evalution.txt").write_text(IMPROV.replace("; N;", "; Q;"), "utf-8")
    with pytest.raises(InputError, match=r"Evalution\.txt, line 1: the class 'Q'"):
        load_task("peft-ser", "train", root)


def test_the_four_classes_of_crema_d(tmp_path: Path) -> None:
    crema(tmp_path)
    card = card_of("crema-d-4class")
    folder = DataFolder(card, (tmp_path / "CREMA-D",), ())
    view = card.views["crema-d-4class"]
    for split, ids in (("train", ["1001"]), ("dev", ["1059"]), ("test", ["1074", "1076", "1091"])):
        rows, notes = read_view(card, view, split, folder)
        assert [item.speaker for item, _ in rows] == ids
        assert bool(notes) == (split != "test")
    for split, about in view.splits.items():
        whole = cards()["crema-d"].views["crema-d-audiovisual"].splits[f"fold5-{split}"]
        assert about.classes == {name: whole.classes[name] for name in about.classes}
        assert about.items == sum(about.classes.values())
