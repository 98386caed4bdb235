"""The leaderboard that ships: real results that recompute, and copied figures that add up."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from board_truth import scored_as_files

from ovbench.board.check import check_submission
from ovbench.board.record import Record
from ovbench.board.store import Board, read_board
from ovbench.scoring import Options
from ovbench.systems import load_recipe
from ovbench.tasks import load_task

BOARD = Path(__file__).resolve().parents[2] / "leaderboards"
VIEWS = [
    ("tinyov", "ew-open-1"),
    ("tinyov", "hit-open-1"),
    ("tinyov-6class", "hit-open-1"),
    ("tinyov-sentiment", "sentiment-non0"),
]


@pytest.fixture(scope="module")
def board() -> Board:
    return read_board(BOARD)


def measured(board: Board) -> list[Record]:
    return [e.record for e in board.entries if e.file.startswith("measured/")]


def published(board: Board, file: str) -> list[Record]:
    return [e.record for e in board.entries if e.file == f"published/{file}.jsonl"]


def test_measured_results_are_whole_current_and_public(board: Board) -> None:
    by_system: dict[str, list[Record]] = defaultdict(list)
    for record in measured(board):
        by_system[record.system.name].append(record)
    assert {"lora-las-r4", "affectgpt-lora-r8", "dora-r8", "pissa-r8", "majority"} <= set(by_system)
    digests = {task: load_task(task).digest() for task, _ in VIEWS}
    for name, records in by_system.items():
        assert [(r.task.id, r.protocol) for r in records] == VIEWS
        for record in records:
            assert record.origin.kind == "measured"
            assert record.task.digest == digests[record.task.id]
            assert len(record.predictions) == 332
            assert record.system.recipe == load_recipe(name).digest()
            assert not re.search(r"(?<![\w:/.-])/(home|tmp|root|work|Users)/", record.to_json())


@pytest.mark.parametrize("name", ["lora-las-r4", "random"])
def test_measured_results_recompute(name: str) -> None:
    found = check_submission(BOARD / "measured" / f"{name}.json")
    assert found.problems == ()
    assert [one.outcome for one in found.records] == ["recomputed"] * 4


def test_a_measured_score_is_what_score_gives_for_the_same_answers(
    board: Board, tmp_path: Path
) -> None:
    record = next(r for r in measured(board) if r.system.name == "lora-las-r8")
    path = tmp_path / "preds.jsonl"
    rows = [{"id": p.id, "prediction": p.text} for p in record.predictions]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    truth = scored_as_files(path, load_task("tinyov"), "ew-open-1", Options(draws=0))
    assert {name: score.value for name, score in record.scores.items()} == truth.scores
    assert record.signature == truth.signature


def test_copied_figures_are_fractions_with_a_source(board: Board) -> None:
    copied = [e.record for e in board.entries if e.record.origin.kind == "published"]
    assert len(copied) > 700
    for record in copied:
        assert record.origin.source
        assert record.origin.evidence
        assert not record.predictions
        for score in record.scores.values():
            assert 0 < score.value < 1
            assert (score.low, score.high) == (None, None)
    names = " ".join(record.system.name for record in copied).lower()
    assert "pissa" not in names
    assert "lora+" not in names.replace("lora + ", "")


def test_means_of_mer_unibench_are_those_of_their_rows(board: Board) -> None:
    rows: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for record in published(board, "affectgpt-mer-unibench"):
        key = record.system.name, record.system.setting["modality"]
        assert record.task.id not in rows[key]
        rows[key][record.task.id] = record.scores[record.headline].value
    assert len(rows) == 19
    for row in rows.values():
        mean = row.pop("MER-UniBench")
        assert len(row) == 9
        assert sum(row.values()) / 9 == pytest.approx(mean, abs=6e-5)
    # As the paper prints it.
    assert [round(100 * v, 2) for v in rows["AffectGPT", "A,V,T"].values()] == [
        *(78.54, 78.80, 55.65, 60.54, 81.30, 80.90, 88.49, 86.18, 62.52),
    ]


def test_the_row_that_was_chosen_on_test_is_marked(board: Board) -> None:
    for record in published(board, "affectgpt-mer-unibench"):
        best = record.system.name == "AffectGPT" and record.system.setting["modality"] == "A,V,T"
        assert (record.checkpoint.selection == "test-best") is best


def test_averages_of_ov_mer_are_those_of_their_rows(board: Board) -> None:
    records = published(board, "ov-mer")
    assert len(records) == 12
    for record in records:
        values = [s.value for name, s in record.scores.items() if name.startswith("f1_")]
        assert len(values) == 12
        assert sum(values) / 12 == pytest.approx(record.scores["m_avg"].value, abs=6e-5)
        assert record.system.setting["subtitle"]


def test_emobox_is_whole_and_its_balanced_corpora_agree(board: Board) -> None:
    by_corpus: dict[str, list[Record]] = defaultdict(list)
    for record in published(board, "emobox-table-4"):
        by_corpus[record.task.id].append(record)
    assert len(by_corpus) == 32
    assert all(len({r.system.name for r in records}) == 10 for records in by_corpus.values())
    # Accuracy is the same, weighted or not, where every class has as many clips.
    balanced = {
        corpus
        for corpus, records in by_corpus.items()
        if all(r.scores["ua"].value == r.scores["wa"].value for r in records)
    }
    assert len(balanced) >= 8
    assert {"EMOVO", "SUBESCO"} <= balanced


def test_lora_las_s_table_is_as_printed(board: Board) -> None:
    rows = {
        (r.system.name, r.system.setting["lora r"], r.task.id): r.scores[r.headline].value
        for r in published(board, "lora-las")
    }
    assert len(rows) == 13
    assert rows["AffectGPT + LoRA-LAS", "8", "OV-MERD"] == 0.6107
    assert rows["AffectGPT + LoRA-LAS", "4", "OV-MERD"] == 0.6073
    assert rows["AffectGPT (LoRA)", "8", "OV-MERD"] == 0.5955
    assert rows["AffectGPT + DoRA", "8", "MELD"] == 0.5844


def test_an_interval_that_does_not_hold_is_told_and_left_out(board: Board) -> None:
    told = [r for r in published(board, "thau-upm-emospeech") if "left out" in str(r.origin.note)]
    assert len(told) == 6
    assert all(r.interval is None for r in told)
