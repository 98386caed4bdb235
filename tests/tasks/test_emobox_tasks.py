"""EmoBox: 32 corpora by their folds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ovbench.errors import InputError, UnknownNameError
from ovbench.tasks import MissingDataError, load_task
from ovbench.tasks.card import card_of, cards
from ovbench.tasks.load import read_view
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers import emobox


def corpus(
    root: Path, name: str, emotions: dict[str, str], *, label_map: dict[str, str], fold: int = 1
) -> Path:
    """A corpus in EmoBox's layout, one clip a class in each split."""
    folder = root / "data" / name
    (folder / f"fold_{fold}").mkdir(parents=True)
    (folder / "label_map.json").write_text(json.dumps(label_map))
    for split in ("train", "test"):
        rows = [
            {
                "key": f"{name}-{split}-{clip}", "dataset": name, "emo": own,
                "wav": f"downloads/{name}/{split} set/{clip}.wav", "channel": 1, "length": 1.5,
            }
            for clip, own in emotions.items()
        ]  # fmt: skip
        path = folder / f"fold_{fold}" / f"{name}_{split}_fold_{fold}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    return root


def folder_of(path: Path) -> DataFolder:
    return DataFolder(cards()["emobox"], (path,), (path,))


def golds(root: Path, view: str, split: str = "fold1-test") -> dict[str, str | None]:
    card = card_of(view)
    rows, _ = read_view(card, card.views[view], split, folder_of(root))
    return {item.id: gold.category for item, gold in rows}


def test_classes_come_by_the_corpus_own_map(tmp_path: Path) -> None:
    root = corpus(tmp_path, "cafe", {"a": "c", "b": "p"}, label_map={"c": "Angry", "p": "Fear"})
    clip = root / "downloads" / "cafe" / "test set" / "a.wav"
    clip.parent.mkdir(parents=True)
    clip.touch()
    assert golds(root, "emobox-cafe") == {"cafe-test-a": "angry", "cafe-test-b": "fearful"}
    (first, _), (second, _) = emobox.read(folder_of(root), "cafe", "fold1-test")
    assert (first.audio, second.audio) == (str(clip), None)
    with pytest.raises(MissingDataError, match=r"cafe_test_fold_2\.jsonl"):
        load_task("emobox-cafe", "fold2-test", data=root)
    with pytest.raises(UnknownNameError):
        load_task("emobox-cafe", "fold1-dev", data=root)


def test_excited_stays_apart_in_iemocap(tmp_path: Path) -> None:
    names = {"hap": "Happy", "exc": "Happy"}
    root = corpus(tmp_path, "iemocap", {"a": "hap", "b": "exc"}, label_map=names)
    assert list(golds(root, "emobox-iemocap").values()) == ["happy", "excited"]
    assert "closed-set-iemocap4-1" in card_of("emobox-iemocap").views["emobox-iemocap"].protocols


def test_a_class_that_the_map_lacks(tmp_path: Path) -> None:
    emotions = {"a": "neutral", "b": "boredem"}
    root = corpus(tmp_path, "emodb", emotions, label_map={"Neutral": "x", "boredem": "Boredom"})
    assert list(golds(root, "emobox-emodb").values()) == ["neutral", "bored"]
    (finding,) = emobox.examine(folder_of(root), "emodb")
    assert finding.text == "emodb: EmoBox's label map lacks neutral"
    assert emobox.examine(folder_of(root), "cafe") == []


def test_msp_podcast_without_other_and_no_agreement(tmp_path: Path) -> None:
    names = {"X": "No-agreement", "O": "Other", "C": "Contempt"}
    root = corpus(tmp_path, "msppodcast", {"a": "X", "b": "O", "c": "C"}, label_map=names)
    assert list(golds(root, "emobox-msppodcast").values()) == ["contemptuous"]


@pytest.mark.parametrize("wav", ["/etc/hostname", "../secret.wav", "a\0b", 7])
def test_a_clip_cannot_lead_out(tmp_path: Path, wav: object) -> None:
    (tmp_path / "secret.wav").touch()
    root = corpus(tmp_path / "EmoBox", "urdu", {"a": "A"}, label_map={"A": "Angry"})
    path = root / "data/urdu/fold_1/urdu_test_fold_1.jsonl"
    path.write_text(json.dumps({"key": "k", "emo": "A", "wav": wav}))
    ((item, _),) = emobox.read(folder_of(root), "urdu", "fold1-test")
    assert item.audio is None


def test_a_stretch_of_a_recording_is_no_clip(tmp_path: Path) -> None:
    root = corpus(tmp_path, "pavoque", {"a": "poker"}, label_map={"poker": "Poker"})
    (root / "downloads").mkdir()
    (root / "downloads" / "long.flac").touch()
    row = {"key": "k", "emo": "poker", "wav": "downloads/long.flac"}
    path = root / "data/pavoque/fold_1/pavoque_test_fold_1.jsonl"
    for more, audio in (({}, str(root / "downloads/long.flac")), ({"start_time": 1.5}, None)):
        path.write_text(json.dumps(row | more))
        ((item, _),) = emobox.read(folder_of(root), "pavoque", "fold1-test")
        assert item.audio == audio


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"key": "k"}', "line 1: no key or no emo"),
        ('{"key": "k", "emo": "A"}\n{"key": "k", "emo": "A"}', "line 2: the id 'k' comes twice"),
        ('{"key": "k", "emo": "Zorn"}', "the class 'zorn'"),
        ("[1]", "not an item"),
        ("{", "not an item"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, message: str) -> None:
    root = corpus(tmp_path, "urdu", {"a": "A"}, label_map={"A": "Angry"})
    (root / "data/urdu/fold_1/urdu_test_fold_1.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        golds(root, "emobox-urdu")


@pytest.mark.parametrize("text", ["{", "[]", '{"A": 1}'])
def test_a_damaged_label_map(tmp_path: Path, text: str) -> None:
    root = corpus(tmp_path, "urdu", {"a": "A"}, label_map={})
    (root / "data/urdu/label_map.json").write_text(text)
    with pytest.raises(InputError, match="no label map"):
        golds(root, "emobox-urdu")


def test_the_counts_of_the_card_are_those_that_emobox_publishes() -> None:
    """Utterances by its README, where train, dev and test are all of them."""
    published = {
        "aesdd": 604, "ased": 2474, "asvpesd": 13964, "cafe": 936, "casia": 1200, "cremad": 7442,
        "emns": 1181, "emodb": 535, "emovdb": 6887, "emovo": 588, "emozionalmente": 6902,
        "enterface": 1263, "iemocap": 5531, "jlcorpus": 2400, "m3ed": 24437, "meld": 13706,
        "mesd": 862, "oreau": 434, "pavoque": 7334, "polish": 450, "ravdess": 1440, "resd": 1396,
        "savee": 480, "shemo": 2838, "subesco": 7000, "tess": 2800, "turevdb": 1735, "urdu": 400,
    }  # fmt: skip
    for name, total in published.items():
        folds = cards()["emobox"].folds[f"emobox-{name}"]
        for fold, train in enumerate(folds.train):
            dev = folds.dev[fold] if folds.dev else 0
            assert train + dev + folds.test[fold] == total, name
