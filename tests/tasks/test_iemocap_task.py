"""IEMOCAP: the release's layout, MERBench's label files, and the turns without agreement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ovbench.errors import InputError
from ovbench.scoring import Options, score_files
from ovbench.tasks import MissingDataError, Task, WrongCountError, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.load import read_view
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers import iemocap

OWN = {  # turn → class and words, of invented sessions
    "Ses01F_impro01_F000": ("exc", "Oh, really?"),
    "Ses01F_impro01_M000": ("xxx", "Well."),
    "Ses02M_script01_1_M001": ("hap", "Good."),
    "Ses03F_impro02_F010": ("sad", "No."),
    "Ses04F_impro02_M001": ("fru", "Again!"),
    "Ses05F_impro01_F002": ("neu", "Yes."),
    "Ses05M_script01_1b_F000": ("ang", "Out!"),
}
CLASS = {"exc": "excited", "xxx": "no_agreement", "hap": "happy", "sad": "sad"} | {
    "fru": "frustrated", "neu": "neutral", "ang": "angry",
}  # fmt: skip


def release(root: Path, turns: dict[str, tuple[str, str]] = OWN) -> Path:
    for session in range(1, 6):
        for kind in ("EmoEvaluation", "transcriptions"):
            (root / f"Session{session}" / "dialog" / kind).mkdir(parents=True)
    for name, (own, said) in turns.items():
        folder = root / f"Session{name[4]}" / "dialog"
        dialogue = name.rpartition("_")[0] + ".txt"
        with (folder / "EmoEvaluation" / dialogue).open("a") as file:
            file.write("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n")
            file.write(f"[6.2901 - 8.2357]\t{name}\t{own}\t[2.5000, 2.5000, 2.5000]\n")
            file.write("C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n")
        with (folder / "transcriptions" / dialogue).open("a") as file:
            file.write(f"{name} [006.2901-008.2357]: {said}\n")
    (root / "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07")
    return root


def merbench(root: Path, four: dict[str, int] | None, six: dict[str, int] | None) -> Path:
    root.mkdir(exist_ok=True)
    for name, labels in (("label_4way.npz", four), ("label_6way.npz", six)):
        if labels is not None:
            whole = {turn: {"emo": number, "val": -10} for turn, number in labels.items()}
            np.savez(root / name, whole_corpus=np.array(whole, dtype=object))
    return root


FOUR = {
    "Ses01F_impro01_F000": 0, "Ses02M_script01_1_M001": 0, "Ses03F_impro02_F010": 1,
    "Ses05F_impro01_F002": 2, "Ses05M_script01_1b_F000": 3,
}  # fmt: skip
SIX = FOUR | {
    "Ses01F_impro01_F000": 4, "Ses01F_impro01_M000": 0, "Ses04F_impro02_M001": 5,
}  # fmt: skip


def folder_of(path: Path) -> DataFolder:
    return DataFolder(card_of("iemocap-4class"), (path,), (path,))


def whole(path: Path, view: str) -> dict[str, tuple[tuple[str, ...], str | None]]:
    card = card_of(view)
    return {
        item.id: (gold.labels, gold.category)
        for split in ("train", "dev", "test")
        for item, gold in read_view(card, card.views[view], split, folder_of(path))[0]
    }


def test_the_release(tmp_path: Path) -> None:
    root = release(tmp_path)
    wav = root / "Session5/sentences/wav/Ses05F_impro01/Ses05F_impro01_F002.wav"
    wav.parent.mkdir(parents=True)
    wav.touch()
    six = whole(root, "iemocap-6class")
    assert {n: c for n, (_, c) in six.items()} == {
        n: CLASS[own] for n, (own, _) in OWN.items() if own != "xxx"
    }
    four = whole(root, "iemocap-4class")
    assert set(six) - set(four) == {"Ses04F_impro02_M001"}
    assert four["Ses01F_impro01_F000"] == (("happy",), "excited")
    assert six["Ses01F_impro01_F000"] == (("excited",), "excited")
    assert four["Ses05M_script01_1b_F000"] == (("anger",), "angry")
    rows = iemocap.read(folder_of(root), "6class", "test")
    assert [item.id for item, _ in rows] == ["Ses05F_impro01_F002", "Ses05M_script01_1b_F000"]
    first, second = (item for item, _ in rows)
    assert (first.transcript, first.audio, first.speaker) == ("Yes.", str(wav), "Ses05F")
    assert second.speaker == "Ses05F"
    assert second.audio is None


@pytest.mark.parametrize(
    ("split", "sessions"),
    [
        ("test", "5"), ("dev", "4"), ("train", "123"), ("fold5-train", "123"),
        ("fold1-test", "1"), ("fold1-dev", "5"), ("fold1-train", "234"), ("fold4-train", "123"),
        ("fold4-dev", "5"),
    ],
)  # fmt: skip
def test_splits_are_sessions(tmp_path: Path, split: str, sessions: str) -> None:
    turns = {f"Ses0{n}F_impro01_F000": ("neu", "A.") for n in range(1, 6)}
    rows = iemocap.read(folder_of(release(tmp_path, turns)), "4class", split)
    assert "".join(item.id[4] for item, _ in rows) == sessions


def test_both_of_merbenchs_files_give_the_same_as_the_release(tmp_path: Path) -> None:
    own, other = release(tmp_path / "own"), merbench(tmp_path / "process", FOUR, SIX)
    for view in ("iemocap-4class", "iemocap-6class"):
        assert whole(own, view) == whole(other, view)
    (tmp_path / "process" / "transcription-engchi-polish.csv").write_text(
        "name,chinese,english\nSes05F_impro01_F002,,Yes.\n", "utf-8"
    )
    (item, _), *_ = iemocap.read(folder_of(other), "4class", "test")
    assert item.transcript == "Yes."


def test_turns_without_agreement_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card knows 595 happy turns; MERBench's file of six classes has 53 more."""
    six = {f"Ses01F_impro01_F{n:03d}": 0 for n in range(648)}
    four = dict.fromkeys(list(six)[:595], 0)
    alone = merbench(tmp_path / "alone", None, six)
    (finding,) = iemocap.examine(folder_of(alone), "6class")
    assert finding.level == "wrong"
    assert "648 happy turns, +53 against the release's 595" in finding.text
    both = merbench(tmp_path / "both", four, six)
    (finding,) = iemocap.examine(folder_of(both), "6class")
    assert finding.level == "note"
    assert len(whole(both, "iemocap-6class")) == 595
    right = merbench(tmp_path / "right", None, four)
    assert [f.level for f in iemocap.examine(folder_of(right), "6class")] == ["ok"]
    monkeypatch.setenv("OVBENCH_DATA", str(alone))
    with pytest.raises(WrongCountError):
        load_task("iemocap-6class", "fold1-test")


def test_the_file_of_four_classes_alone(tmp_path: Path) -> None:
    root = merbench(tmp_path, FOUR, None)
    assert whole(root, "iemocap-4class")["Ses01F_impro01_F000"] == (("happy",), "happy")
    assert [f.level for f in iemocap.examine(folder_of(root), "4class")] == ["note"]
    with pytest.raises(MissingDataError, match=r"label_6way\.npz"):
        whole(root, "iemocap-6class")


def test_excited_counts_as_happy_by_the_protocol(tmp_path: Path) -> None:
    card = card_of("iemocap-4class")
    rows = iemocap.read(folder_of(release(tmp_path)), "4class", "train")
    rows = [(item, gold) for item, gold in rows if gold.category != "no_agreement"]
    gold = {item.id: gold for item, gold in rows}
    view = card.views["iemocap-4class"]
    task = Task("t", "T", "train", "train", tuple(i for i, _ in rows), gold, "class", ("x",))
    said = dict.fromkeys(gold, "happy") | {"Ses03F_impro02_F010": "sad"}
    score = {
        protocol: score_files(said, task.gold_source(), protocol, Options(draws=0, floors=False))
        for protocol in ("closed-set", view.protocols[1])
    }
    assert score["closed-set"].scores["accuracy"] == pytest.approx(2 / 3)
    assert score["closed-set-iemocap4-1"].scores["accuracy"] == 1


def test_the_classes_of_the_card_are_those_of_the_release() -> None:
    """Published counts: 5,531 and 7,380 turns, 1085/1023/1151/1031/1241 by session."""
    four = card_of("iemocap-4class").splits_of("iemocap-4class")
    assert [four[f"fold{n}-test"].items for n in range(1, 6)] == [1085, 1023, 1151, 1031, 1241]
    for view, total in (("iemocap-4class", 5531), ("iemocap-6class", 7380)):
        splits = card_of(view).splits_of(view)
        for fold in ("", *(f"fold{n}-" for n in range(1, 6))):
            assert sum(splits[f"{fold}{r}"].items or 0 for r in ("train", "dev", "test")) == total


@pytest.mark.parametrize("turn", ["../../etc/passwd", "Ses09F_impro01_F000", "Ses01F_/x"])
def test_ids_of_other_forms_are_refused(tmp_path: Path, turn: str) -> None:
    with pytest.raises(InputError, match="the id"):
        whole(merbench(tmp_path, None, {turn: 0}), "iemocap-6class")


def test_a_class_that_is_none(tmp_path: Path) -> None:
    root = release(tmp_path, {"Ses01F_impro01_F000": ("joy", "A.")})
    with pytest.raises(InputError, match="the class 'joy'"):
        whole(root, "iemocap-6class")
