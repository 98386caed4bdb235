"""The MER challenges, in both layouts; placeholders are never gold."""

from __future__ import annotations

from pathlib import Path

import pytest
from merbench_files import folder_of, rows, touch, write_csv, write_labels

from ovbench.errors import InputError, UnknownNameError
from ovbench.scoring import Options, score_files
from ovbench.tasks import Gold, MissingDataError, WrongCountError, load_task, trainable
from ovbench.tasks.card import card_of
from ovbench.tasks.readers import mer

SIX = ("neutral", "angry", "happy", "sad", "worried", "surprise")
CANONICAL = ("neutral", "angry", "happy", "sad", "worried", "surprised")


def six(prefix: str, value: float | None = 0.5) -> dict[str, dict[str, object]]:
    """One item of each class, as a process folder's label file has them."""
    own = {} if value is None else {"val": value}
    return {f"{prefix}_{number}": {"emo": word, **own} for number, word in enumerate(SIX)}


def test_mer2023_in_its_process_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mer2023-dataset-process"
    write_labels(
        folder / "label-6way.npz",
        train=six("a"),
        test1=six("b", -4.75),
        test2=six("c", 0.0),
        test3=six("d", -10),
    )
    write_csv(
        folder / "transcription-engchi-polish.csv",
        "name,chinese,english",
        ("b_0", "好", "Good."),
        ("b_1", "走", ""),
    )
    wav = touch(folder / "audio/b_0.wav")
    found = rows("mer2023", "test1", folder)
    assert [(item.id, item.transcript, item.audio) for item, _ in found[:3]] == [
        ("b_0", "Good.", wav),
        ("b_1", "走", None),
        ("b_2", "", None),
    ]
    assert [gold.category for _, gold in found] == list(CANONICAL)
    assert found[5][1] == Gold(("surprise",), "surprised", -4.75, "surprise")
    assert [gold.valence for _, gold in rows("mer2023-valence", "test2", folder)] == [0.0] * 6
    # Their valence is a placeholder, so the class is all that there is of them.
    assert {gold.valence for _, gold in rows("mer2023", "test3", folder)} == {None}
    with pytest.raises(UnknownNameError, match="split of mer2023-valence"):
        load_task("mer2023-valence", "test3", data=tmp_path)
    with pytest.raises(WrongCountError, match="6 items were read; expected 411"):
        load_task("mer2023", data=tmp_path)


def test_mer2023_as_distributed(tmp_path: Path) -> None:
    for split, values in {"train": (1.25, -3), "test1": (0, 2), "test3": (-10, -10)}.items():
        write_csv(
            tmp_path / f"{split}-label.csv",
            "name,discrete,valence",
            *((f"{split}_{n}", word, v) for n, word, v in zip("12", SIX[1:3], values, strict=True)),
        )
    mp4 = touch(tmp_path / "train/train_1.mp4")
    found = rows("mer2023", "train", tmp_path)
    assert [(item.id, item.audio) for item, _ in found] == [("train_1", mp4), ("train_2", None)]
    assert [gold.valence for _, gold in found] == [1.25, -3.0]
    assert [g for _, g in rows("mer2023-valence", "test1", tmp_path)] == [
        Gold(("angry",), "angry", 0.0, "angry"),
        Gold(("happy",), "happy", 2.0, "happy"),
    ]
    assert {gold.valence for _, gold in rows("mer2023", "test3", tmp_path)} == {None}


def test_a_placeholder_is_no_valence_in_any_table(tmp_path: Path) -> None:
    lines = ("a", "sad", -10), ("b", "sad", "-10.0"), ("c", "sad", -5)
    write_csv(tmp_path / "label-disdim.csv", "name,discrete,valence", *lines)
    assert [gold.valence for _, gold in rows("mer2024", "train", tmp_path)] == [None, None, -5.0]


def test_valence_is_scored_by_its_sign(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "test1-label.csv",
        "name,discrete,valence",
        *((f"s{n}", "happy", value) for n, value in enumerate((2, -2, 0, 0.25))),
    )
    gold = {item.id: g.valence for item, g in rows("mer2023-valence", "test1", tmp_path)}
    answers = {"s0": "positive", "s1": "negative", "s2": "positive", "s3": "negative"}
    quiet = Options(draws=0, floors=False)
    non0 = score_files(answers, gold, "sentiment-non0", quiet)
    has0 = score_files(answers, gold, "sentiment-has0", quiet)
    assert (non0.counts.scored, non0.scores["accuracy"]) == (3, pytest.approx(2 / 3))
    assert (has0.counts.scored, has0.scores["accuracy"]) == (4, pytest.approx(3 / 4))


def test_the_counts_of_mer2023_are_those_of_its_label_file() -> None:
    card = card_of("mer2023")
    assert sum(split.items or 0 for split in card.splits.values()) == 5030
    for split in card.splits.values():
        assert set(split.classes) == set(CANONICAL)
        assert sum(split.classes.values()) == split.items


def test_mer2024_in_its_process_folder(tmp_path: Path) -> None:
    write_labels(tmp_path / "label-6way.npz", train=six("a", None), test1=six("b", None))
    write_csv(tmp_path / "transcription_merge.csv", "name,chinese", ("b_3", "唉"))
    found = rows("mer2024", "test1", tmp_path)
    assert [gold.category for _, gold in found] == list(CANONICAL)
    assert {gold.valence for _, gold in found} == {None}
    assert found[3][0].transcript == "唉"
    assert len(rows("mer2024", "train", tmp_path)) == 6


def test_mer2024_train_as_distributed(tmp_path: Path) -> None:
    write_csv(tmp_path / "label-disdim.csv", "name,discrete,valence", ("a", "worried", -1.5))
    assert rows("mer2024", "train", tmp_path)[0][1] == Gold(
        ("worried",), "worried", -1.5, "worried"
    )
    with pytest.raises(MissingDataError, match=r"MER2024.*label-6way\.npz is not there"):
        rows("mer2024", "test1", tmp_path)


PLACEHOLDERS = {f"p_{n}": {"emo": "neutral"} for n in range(4)}


@pytest.mark.parametrize(
    ("task", "file", "split"),
    [
        ("mer2024", "label-6way.npz", "test1"),
        ("mer2025", "track1_label_6way.npz", "test"),
        ("mer2026", "track1_label_6way.npz", "test"),
    ],
)
def test_placeholders_are_never_gold(tmp_path: Path, task: str, file: str, split: str) -> None:
    write_labels(tmp_path / file, train=six("a", None), test1=PLACEHOLDERS)
    with pytest.raises(InputError, match=f"all 4 items of {split} are neutral: placeholders"):
        rows(task, split, tmp_path)
    assert len(rows(task, "train", tmp_path)) == 6


def test_placeholders_in_a_table_are_not_gold_either(tmp_path: Path) -> None:
    write_csv(tmp_path / "track1_test_dis.csv", "name,discrete", ("a", "neutral"), ("b", "neutral"))
    with pytest.raises(InputError, match="placeholders, not gold"):
        rows("mer2025", "test", tmp_path)
    write_csv(tmp_path / "track1_test_dis.csv", "name,discrete", ("a", "neutral"), ("b", "sad"))
    assert [gold.category for _, gold in rows("mer2025", "test", tmp_path)] == ["neutral", "sad"]


def test_mer2025_as_distributed(tmp_path: Path) -> None:
    folder = tmp_path / "mer2025-dataset"
    write_csv(folder / "track1_train_disdim.csv", "name,discrete,valence", ("a", "surprise", 1))
    write_csv(folder / "track2_test.csv", "name,openset", ("b", "['tense', 'alert']"), ("c", ""))
    write_csv(folder / "subtitle_chieng.csv", "name,chinese,english", ("b", "嘘", "Hush."))
    wav = touch(folder / "audio/b.wav")
    assert rows("mer2025", "train", folder)[0][1] == Gold(
        ("surprise",), "surprised", 1.0, "surprise"
    )
    (b, tense), (_c, none) = rows("mer2025-fg", "test", folder)
    assert (b.transcript, b.audio, tense) == ("Hush.", wav, Gold(("tense", "alert")))
    assert none == Gold(("neutral",))
    with pytest.raises(WrongCountError, match="2 items were read; expected 1200"):
        load_task("mer2025-fg", data=tmp_path)
    with pytest.raises(WrongCountError, match="1 items were read; expected 7369"):
        load_task("mer2025", "train", data=tmp_path)


def test_mer2026_as_distributed(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "track1_train.csv",
        "name,discrete",
        ("a", "worry"),
        ("b", "worried"),
        ("c", "happiness"),
    )
    write_csv(tmp_path / "track2_train_human.csv", "name,openset", ("h", "['wistful']"))
    assert [gold.category for _, gold in rows("mer2026", "train", tmp_path)] == [
        "worried",
        "worried",
        "happy",
    ]
    assert rows("mer2026-fg", "train", tmp_path)[0][1] == Gold(("wistful",))
    for task, file in (("mer2026", "track1_test.csv"), ("mer2026-fg", "track2_test.csv")):
        with pytest.raises(MissingDataError, match=file):
            load_task(task, data=tmp_path)


def test_test_splits_cannot_be_trained_on(tmp_path: Path) -> None:
    write_csv(tmp_path / "track1_test.csv", "name,discrete", ("a", "sad"), ("b", "happy"))
    task = load_task("mer2026", data=tmp_path)
    with pytest.raises(InputError, match="void every score"):
        trainable(task)


def test_examine_counts_the_overlap_with_mer_caption_plus(tmp_path: Path) -> None:
    folder = folder_of("mer2026-fg", tmp_path)
    assert mer.examine(folder, "words") == []
    write_csv(tmp_path / "track2_train_human.csv", "name,openset", ("h1", "x"), ("h2", "y"))
    write_csv(tmp_path / "track2_test.csv", "name,openset", ("t", "x"))
    write_csv(tmp_path / "track2_train_mercaptionplus.csv", "name,openset", ("h2", "x"), ("m", "y"))
    assert [finding.level for finding in mer.examine(folder, "words")] == ["note", "ok"]
    assert mer.examine(folder, "words")[0].text.startswith("1 items of track2_train_human.csv")
    assert mer.examine(folder, "") == []


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("name,emotion", ("a", "sad"), "no column 'discrete'"),
        ("name,discrete", ("a", "bored"), "class 'bored' is none of the data set's"),
        ("name,discrete", ("a", ""), "an empty 'discrete'"),
        ("name,discrete,valence", ("a", "sad", "high"), "value 'high'; expected a number"),
        ("name,discrete,valence", ("a", "sad", "nan"), "value 'nan'; expected a number"),
    ],
)
def test_damaged_tables(tmp_path: Path, header: str, line: tuple[str, ...], message: str) -> None:
    write_csv(tmp_path / "track1_train_disdim.csv", header, line)
    with pytest.raises(InputError, match=message):
        rows("mer2025", "train", tmp_path)


def test_an_item_that_comes_twice(tmp_path: Path) -> None:
    write_csv(tmp_path / "track1_train.csv", "name,discrete", ("a", "sad"), ("a", "happy"))
    with pytest.raises(InputError, match="id 'a' comes twice"):
        rows("mer2026", "train", tmp_path)


def test_a_label_file_without_the_split(tmp_path: Path) -> None:
    write_labels(tmp_path / "label-6way.npz", train=six("a"))
    with pytest.raises(InputError, match="no array 'test1_corpus'"):
        rows("mer2023", "test1", tmp_path)
