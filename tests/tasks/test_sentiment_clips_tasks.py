"""CMU-MOSI, CMU-MOSEI, SIMS and SIMSv2: the real file, and small ones in each layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from merbench_files import rows, touch, write_csv, write_labels

from ovbench.errors import InputError
from ovbench.scoring import Options, score_files
from ovbench.tasks import MissingDataError, WrongCountError, load_task

QUIET = Options(draws=0, floors=False)
COLUMNS = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
RESULTS = "affectgpt-outputs/results-cmumosi/checkpoint_000040_loss_0.569-openset-sentiment.npz"


@pytest.mark.parametrize(
    ("split", "items", "zeros"), [("train", 1284, 53), ("dev", 229, 13), ("test", 686, 30)]
)
def test_cmu_mosi_is_read_whole(shared_data: Path, split: str, items: int, zeros: int) -> None:
    task = load_task("cmu-mosi", split, data=shared_data / "merbench")
    assert (len(task.items), task.role) == (items, split)
    values = [gold.valence for gold in task.gold.values() if gold.valence is not None]
    assert values.count(0.0) == zeros
    assert (min(values), max(values)) == (-3.0, 3.0)


def test_the_splits_of_cmu_mosi_share_no_video(shared_data: Path) -> None:
    videos = [
        {item.id.rpartition("_")[0] for item in load_task("cmu-mosi", split, folder).items}
        for folder in [shared_data / "merbench"]
        for split in ("train", "dev", "test")
    ]
    assert sum(map(len, videos)) == len(set().union(*videos)) == 93


def test_the_official_figure_of_cmu_mosi(shared_data: Path) -> None:
    """Printed by the authors' scorer: 0.8125 of 656 items, 30 zeros dropped."""
    gold = load_task("cmu-mosi", data=shared_data / "merbench").gold_source()
    found = score_files(shared_data / RESULTS, gold, "sentiment-affectgpt", QUIET)
    assert found.scores["weighted_f1"] == pytest.approx(0.81301356, abs=5.1e-9)
    assert found.scores["accuracy"] == pytest.approx(0.8125, abs=1e-12)
    non0 = score_files(shared_data / RESULTS, gold, "sentiment-non0", QUIET).counts
    has0 = score_files(shared_data / RESULTS, gold, "sentiment-has0", QUIET).counts
    assert (non0.gold, non0.scored, non0.left_out) == (686, 656, 30)
    assert (has0.gold, has0.scored, has0.left_out) == (686, 686, 0)


@pytest.mark.parametrize(
    ("task", "place", "audio"),
    [
        ("cmu-mosi", "cmumosi-process", "subaudio"),
        ("cmu-mosei", "cmumosei-process", "subaudio"),
        ("sims", "sims-process", "audio"),
        ("simsv2", "simsv2-process", "audio"),
    ],
)
def test_merbench_process_folders(tmp_path: Path, task: str, place: str, audio: str) -> None:
    folder = tmp_path / place
    write_labels(
        folder / "label.npz",
        train={"v_1": {"emo": 0, "val": 0.4}},
        val={"w_1": {"emo": 0, "val": 0.0}},
        test={"x-_1": {"emo": 0, "val": -1.0}, "x-_2": {"emo": 0, "val": 1}},
    )
    write_csv(
        folder / "transcription-engchi-polish.csv",
        "name,chinese,english",
        ("x-_1", "不", "NO"),
        ("x-_2", "是", ""),
    )
    wav = touch(folder / audio / "x-_1.wav")
    found = rows(task, "test", folder)
    assert [(item.id, item.transcript, item.audio, gold.valence) for item, gold in found] == [
        ("x-_1", "NO", wav, -1.0),
        ("x-_2", "是", None, 1.0),
    ]
    assert [gold.valence for _, gold in rows(task, "dev", folder)] == [0.0]
    with pytest.raises(WrongCountError, match="1 items were read"):
        load_task(task, "train", data=tmp_path)


@pytest.mark.parametrize(
    ("task", "table"),
    [("cmu-mosi", "label.csv"), ("cmu-mosei", "label.csv"), ("simsv2", "meta.csv")],
)
def test_mmsa_tables(tmp_path: Path, task: str, table: str) -> None:
    def row(video: str, number: str, text: str, label: object, mode: str) -> tuple[object, ...]:
        return video, number, text, label, "", "", "", "Neutral", mode

    write_csv(
        tmp_path / table,
        COLUMNS,
        row("-ab_c", "1", " HELLO, YOU ", 1.4, "train"),
        row("-ab_c", "2", "", -0.6, "test"),
        row("00017", "00003", "yes", 0, "valid"),
        row("00017", "00004", "no", "", "test"),
    )
    mp4 = touch(tmp_path / "Raw/00017/00003.mp4")
    ((train, value),) = rows(task, "train", tmp_path)
    assert (train.id, train.transcript, train.audio, value.valence) == (
        "-ab_c_1",
        "HELLO, YOU",
        None,
        1.4,
    )
    ((dev, value),) = rows(task, "dev", tmp_path)
    assert (dev.id, dev.audio, value.valence) == ("00017_00003", mp4, 0.0)
    # The clip without a label is no part of the task.
    assert [item.id for item, _ in rows(task, "test", tmp_path)] == ["-ab_c_2"]


def test_sims_has_one_id_in_three_layouts(tmp_path: Path) -> None:
    write_labels(tmp_path / "a/label.npz", test={"video_0003_0006": {"emo": 0, "val": -0.8}})
    write_csv(
        tmp_path / "b/label.csv",
        COLUMNS,
        ("video_0003", "0006", "不", -0.8, 0, 0, 0, "Negative", "test"),
        ("video_0004", "0001", "是", 0.2, 0, 0, 0, "Positive", "train"),
    )
    write_csv(
        tmp_path / "c/metadata/sentiment/label_M.csv",
        "video_id,clip_id,label",
        ("video_0004", 1, 0.2),
        ("video_0003", 6, -0.8),
    )
    write_csv(tmp_path / "c/metadata/test_index.csv", "index", (1,))
    clips = [touch(tmp_path / layout / "Raw/video_0003/0006.mp4") for layout in "bc"]
    found = [rows("sims", "test", tmp_path / layout) for layout in "abc"]
    assert [[(i.id, g.valence) for i, g in one] for one in found] == [
        [("video_0003_0006", -0.8)]
    ] * 3
    assert [one[0][0].audio for one in found] == [None, *clips]
    assert [one[0][0].transcript for one in found] == ["", "不", ""]
    with pytest.raises(MissingDataError, match=r"val_index\.csv"):
        rows("sims", "dev", tmp_path / "c")


@pytest.mark.parametrize("place", ["2", "-1", "x", ""])
def test_an_index_that_names_no_row(tmp_path: Path, place: str) -> None:
    write_csv(
        tmp_path / "metadata/sentiment/label_M.csv",
        "video_id,clip_id,label",
        ("a", 1, 0),
        ("b", 2, 0),
    )
    (tmp_path / "metadata/test_index.csv").write_text(f'index\n"{place}"\n')
    with pytest.raises(InputError, match=r"test_index\.csv"):
        rows("sims", "test", tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("v", "1", "t", "good", "test"), "value 'good'; expected a number"),
        (("v", "1", "t", "inf", "test"), "value 'inf'; expected a number"),
        (("v", "1", "t", "1", "held-out"), "mode 'held-out'; expected 'train', 'valid', 'test'"),
        (("", "1", "t", "1", "test"), "an empty 'video_id'"),
    ],
)
def test_damaged_tables(tmp_path: Path, row: tuple[str, ...], message: str) -> None:
    write_csv(tmp_path / "label.csv", "video_id,clip_id,text,label,mode", row)
    with pytest.raises(InputError, match=message):
        rows("cmu-mosi", "test", tmp_path)


def test_video_names_lead_nowhere(tmp_path: Path) -> None:
    touch(tmp_path / "1.mp4")
    (tmp_path / "data/Raw").mkdir(parents=True)
    write_csv(
        tmp_path / "data/label.csv",
        "video_id,clip_id,text,label,mode",
        ("..", "1", "t", "1", "test"),
        ("../..", "1", "t", "1", "test"),
        ("v", "../../../1", "t", "1", "test"),
    )
    assert {item.audio for item, _ in rows("cmu-mosi", "test", tmp_path / "data")} == {None}


def test_another_data_sets_label_file_has_no_sentiment(tmp_path: Path) -> None:
    """MERBench writes -10 where a data set has no sentiment values, as for MELD."""
    write_labels(tmp_path / "label.npz", test={"test_dia0_utt0": {"emo": 3, "val": -10}})
    with pytest.raises(WrongCountError, match="0 items were read; expected 686"):
        load_task("cmu-mosi", data=tmp_path)


def test_nothing_there_says_where_to_ask(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"(?s)CMU-MOSEI.*How to get them: CMU-Multimodal"):
        load_task("cmu-mosei", data=tmp_path)
