"""CREMA-D: three golds, ties, and folds by actor."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovbench.errors import InputError
from ovbench.tasks import MissingDataError, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.load import read_view
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers import crema_d

HEADER = (
    '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel",'
    '"MultiModalVote","MultiModalLevel"'
)
ROWS = [
    '"1","1001_IEO_HAP_LO","N","71.67","H","57","H","57.38"',
    '"2","1001_IEO_ANG_XX","N:S","64:50","A","57","A:D","61:50"',
    '"3","1085_TIE_FEA_XX","S","64","F","57","F","61"',
    '"4","1040_TIE_DIS_XX","D","64","D","57","D","61"',
]
TEST = ("1001_IEO_ANG_XX", "1001_IEO_HAP_LO")


def votes(root: Path, rows: list[str] = ROWS) -> Path:
    (root / "processedResults").mkdir()
    path = root / "processedResults" / "summaryTable.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    return root


def folder_of(path: Path) -> DataFolder:
    return DataFolder(card_of("crema-d"), (path,), (path,))


def golds(path: Path, view: str, split: str = "fold1-test") -> dict[str, str | None]:
    card = card_of(view)
    rows, _ = read_view(card, card.views[view], split, folder_of(path))
    return {item.id: gold.category for item, gold in rows}


def test_three_golds(tmp_path: Path) -> None:
    root = votes(tmp_path)
    assert golds(root, "crema-d") == dict(zip(TEST, ("angry", "happy"), strict=True))
    assert golds(root, "crema-d-voice") == {TEST[1]: "neutral"}
    assert golds(root, "crema-d-audiovisual") == {TEST[1]: "happy"}
    assert golds(root, "crema-d-voice", "fold1-dev") == {"1085_TIE_FEA_XX": "sad"}
    assert golds(root, "crema-d", "fold1-train") == {"1040_TIE_DIS_XX": "disgusted"}
    (finding,) = crema_d.examine(folder_of(root), "voice")
    assert finding.text == "1 ties in VoiceVote have no gold"


def test_clips_alone_tell_the_intended_emotion(tmp_path: Path) -> None:
    (tmp_path / "AudioWAV").mkdir()
    for name in (*TEST, "1076_MTI_SAD_XX"):
        (tmp_path / "AudioWAV" / f"{name}.wav").write_bytes(b"R" * 2000)
    assert golds(tmp_path, "crema-d") == {TEST[0]: "angry", TEST[1]: "happy"}
    ((item, _), _) = crema_d.read(folder_of(tmp_path), "intended", "fold1-test")
    assert (item.speaker, item.audio) == ("1001", str(tmp_path / "AudioWAV" / f"{TEST[0]}.wav"))
    with pytest.raises(MissingDataError, match=r"summaryTable\.csv"):
        golds(tmp_path, "crema-d-voice")
    (finding,) = crema_d.examine(folder_of(tmp_path), "intended")
    assert "1076_MTI_SAD_XX" in finding.text


def test_pointers_in_place_of_clips_are_found(tmp_path: Path) -> None:
    (tmp_path / "AudioWAV").mkdir()
    (tmp_path / "AudioWAV" / f"{TEST[0]}.wav").write_text("version https://git-lfs.github.com/…")
    (finding,) = crema_d.examine(folder_of(tmp_path), "intended")
    assert finding.level == "wrong"
    assert "1 of 1 clips are pointers" in finding.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"1","../1001","N","1","N","1","N","1"', "the clip"),
        ('"1","1001_IEO_JOY_XX","N","1","N","1","N","1"', "the class 'JOY'"),
        ("\n".join([ROWS[0], ROWS[0]]), "comes twice"),
    ],
)
def test_damaged_tables(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        golds(votes(tmp_path, [row]), "crema-d")


def test_published_counts_of_the_card() -> None:
    """7,442 clips of 91 actors; 644 ties by voice and 420 audio-visually; 1,271 of each emotion."""
    for view, total in (("", 7442), ("-voice", 7442 - 644), ("-audiovisual", 7442 - 420)):
        splits = card_of("crema-d").splits_of(f"crema-d{view}")
        for fold in range(1, 6):
            of_fold = [splits[f"fold{fold}-{role}"] for role in ("train", "dev", "test")]
            assert sum(split.items or 0 for split in of_fold) == total
            if not view:
                assert sum(split.classes["sad"] for split in of_fold) == 1271
                assert sum(split.classes["neutral"] for split in of_fold) == 1087


def test_a_default_split_is_a_test_split() -> None:
    with pytest.raises(MissingDataError, match="Public: "):
        load_task("crema-d-voice")
