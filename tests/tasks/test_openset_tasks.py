"""OV-MERD, OV-MERD+ and MER-Caption+: the real table, and small ones in the exact layout."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from merbench_files import folder_of, rows, touch, write_csv

from ovbench.errors import InputError
from ovbench.normalize.tables import add_tables
from ovbench.scoring import Options, score_files
from ovbench.tasks import MissingDataError, Task, WrongCountError, load_task, trainable
from ovbench.tasks.readers import openset

QUIET = Options(draws=0, floors=False)
ADDSUB = "output-reason-7b-nosubtitle-addsub-eng-openset.npz"


@pytest.fixture
def ov_merd(shared_data: Path) -> Task:
    return load_task("ov-merd", data=shared_data)


def test_ov_merd_is_read_whole(ov_merd: Task) -> None:
    assert (len(ov_merd.items), ov_merd.split, ov_merd.role) == (332, "test", "test")
    words = [gold.labels for gold in ov_merd.gold.values()]
    assert Counter(map(len, words)).keys() == set(range(1, 10))
    assert sum(map(len, words)) == 1121
    assert len({word for labels in words for word in labels}) == 248


def official(shared_data: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("OVBENCH_HOME", str(home))
    add_tables(shared_data / "emotion_wheel" / "affectgpt-2025")


@pytest.mark.parametrize(
    ("predictions", "protocol", "figure", "half_a_digit"),
    [
        # Printed by the authors' scorer on these two files.
        ("ov-merd/predict-openset.csv", "ew-affectgpt-2025", 0.55370591, 5.1e-9),
        ("ov-merd/predict-openset.csv", "ew-ov-mer", 0.45918449, 5.1e-9),
        # Recomputed from the systems' own outputs (M-avg); OV-MER's table prints 39.41 for Otter.
        (f"ov-mer/Otter/{ADDSUB}", "ew-ov-mer", 0.397, 5e-4),
        (f"ov-mer/SALMONN/{ADDSUB}", "ew-ov-mer", 0.437, 1e-3),
    ],
)
def test_the_task_gives_the_official_figures(
    shared_data: Path,
    ov_merd: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    predictions: str,
    protocol: str,
    figure: float,
    half_a_digit: float,
) -> None:
    official(shared_data, monkeypatch, tmp_path)
    found = score_files(shared_data / predictions, ov_merd.gold_source(), protocol, QUIET)
    assert found.scores["f1"] == pytest.approx(figure, abs=half_a_digit)
    of_file = score_files(
        shared_data / predictions, shared_data / "ov-merd/check-openset.csv", protocol, QUIET
    )
    assert found.scores == of_file.scores


def test_ov_merd_as_mer2025_distributes_it(tmp_path: Path) -> None:
    folder = tmp_path / "mer2025-dataset"
    write_csv(
        folder / "track2_train_ovmerd.csv",
        "name,openset",
        ("sample_2", "['glad', \"at one's ease\"]"),
        ("sample_1", "[]"),
        ("sample_3", "cross"),
    )
    write_csv(
        folder / "subtitle_chieng.csv",
        "name,chinese,english",
        ("sample_1", "嗯", ""),
        ("sample_2", "好", "Good, then."),
        ("sample_9", "不", "No."),
    )
    wav, mp4 = touch(folder / "audio/sample_2.wav"), touch(folder / "video/sample_1.mp4")
    touch(folder / "video/sample_2.mp4")
    found = rows("ov-merd", "test", folder)
    assert [(item.id, item.transcript, item.audio) for item, _ in found] == [
        ("sample_2", "Good, then.", wav),
        ("sample_1", "嗯", mp4),
        ("sample_3", "", None),
    ]
    assert [gold.labels for _, gold in found] == [
        ("glad", "at one's ease"),
        ("neutral",),
        ("cross",),
    ]
    with pytest.raises(WrongCountError, match="3 items were read; expected 332"):
        load_task("ov-merd", data=tmp_path)


def test_ov_merd_plus_in_its_process_folder(tmp_path: Path) -> None:
    folder = tmp_path / "ovmerdplus-process"
    write_csv(folder / "ovlabel.csv", "name,openset", ("b", "['calm']"), ("a", "['sad', 'tired']"))
    write_csv(folder / "subtitle_eng.csv", "name,sentence", ("a", "I see."), ("b", "Well."))
    found = rows("ov-merd-plus", "test", folder)
    assert [(i.id, i.transcript, g.labels) for i, g in found] == [
        ("b", "Well.", ("calm",)),
        ("a", "I see.", ("sad", "tired")),
    ]


def test_a_phrase_among_the_words_does_not_make_an_item_neutral(tmp_path: Path) -> None:
    cell = "['sad', 'he is angry at her for that']"
    write_csv(tmp_path / "ovlabel.csv", "name,openset", ("a", cell), ("b", "[]"))
    found = rows("ov-merd-plus", "test", tmp_path)
    assert [gold.labels for _, gold in found] == [
        ("sad", "he is angry at her for that"),
        ("neutral",),
    ]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    names = [f"samplenew3_{number:08d}" for number in range(600)]
    write_csv(
        tmp_path / "mer2026-dataset" / "track2_train_mercaptionplus.csv",
        "name,openset",
        *((name, "['calm', 'content']") for name in names),
    )
    return tmp_path / "mer2026-dataset"


def test_mer_caption_plus_sets_the_smallest_hashes_aside(captions: Path) -> None:
    train, dev = (
        [item.id for item, _ in rows("mer-caption-plus", split, captions)]
        for split in ("train", "dev")
    )
    assert (len(train), len(dev)) == (600 - 512, 512)
    assert not set(train) & set(dev)
    last = max(hashlib.sha256(name.encode()).digest() for name in dev)
    assert all(hashlib.sha256(name.encode()).digest() > last for name in train)
    assert train == sorted(train)  # the file's order
    assert dev == sorted(dev)


def test_mer_caption_plus_has_no_test_split(
    captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openset, "DEV_ITEMS", 600 - 88)
    with pytest.raises(WrongCountError, match="88 items were read; expected 30815"):
        load_task("mer-caption-plus", "train", data=captions.parent)
    dev = load_task("mer-caption-plus", data=captions.parent)
    assert (dev.split, dev.role) == ("dev", "dev")
    assert trainable(dev) is dev
    with pytest.raises(InputError, match="split of mer-caption-plus"):
        load_task("mer-caption-plus", "test", data=captions.parent)


def test_examine_counts_items_that_training_saw(captions: Path) -> None:
    write_csv(captions / "track2_train_ovmerd.csv", "name,openset", ("a", "['sad']"))
    told = openset.examine(folder_of("ov-merd", captions), "")
    assert [(f.level, f.text) for f in told] == [
        ("ok", "no item of track2_train_ovmerd.csv is also in MER-Caption+")
    ]
    write_csv(
        captions / "track2_train_ovmerd.csv",
        "name,openset",
        ("samplenew3_00000007", "['sad']"),
        ("samplenew3_00000003", "['sad']"),
        ("a", "['sad']"),
    )
    told = openset.examine(folder_of("ov-merd", captions), "")
    assert told[0].level == "note"
    assert told[0].text.startswith("2 items of track2_train_ovmerd.csv are also in MER-Caption+")
    assert "samplenew3_00000003" in told[0].text
    assert openset.examine(folder_of("mer-caption-plus", captions), "") == []
    assert openset.examine(folder_of("ov-merd", captions / "none"), "") == []


def test_nothing_there_says_where_to_ask(tmp_path: Path) -> None:
    for task in ("ov-merd", "ov-merd-plus", "mer-caption-plus"):
        with pytest.raises(MissingDataError, match=r"(?s)is not there.*How to get them: Ask"):
            load_task(task, data=tmp_path)


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        ("name,labels", [("a", "x")], "no column 'openset'"),
        ("name,openset", [("a", "x"), ("a", "y")], "id 'a' comes twice"),
        ("name,openset", [(" ", "x")], "an empty 'name'"),
        ("name,openset", [("a", "He is sad, and she is angry.")], "'a': 'He is sad.* is no list"),
        ("name,openset", [("a",)], "line 2: 1 fields; expected 2"),
        ("name,openset", [("a", "x", "y")], "3 fields; expected 2"),
        ("name,openset", [], "0 items were read; expected 532"),
    ],
)
def test_damaged_tables(tmp_path: Path, header: str, lines: list[object], message: str) -> None:
    write_csv(tmp_path / "ovlabel.csv", header, *lines)
    with pytest.raises(InputError, match=message):
        load_task("ov-merd-plus", data=tmp_path)


def test_names_lead_nowhere(tmp_path: Path) -> None:
    touch(tmp_path / "secret.wav")
    names = ("../secret", "/etc/hostname", "a\\b", "..", "x" * 5000, "nul\0byte")
    (tmp_path / "data" / "audio").mkdir(parents=True)
    write_csv(tmp_path / "data/ovlabel.csv", "name,openset", *((name, "['sad']") for name in names))
    found = rows("ov-merd-plus", "test", tmp_path / "data")
    assert [item.id for item, _ in found] == list(names)
    assert {item.audio for item, _ in found} == {None}
