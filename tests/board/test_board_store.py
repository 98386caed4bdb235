"""The folder of a leaderboard: what is added stays whole, once, and under its own name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ovbench.board import store
from ovbench.board.record import Record
from ovbench.board.store import add, read_board
from ovbench.board.submission import SubmissionError, record_id, record_line, submission_text
from ovbench.errors import InputError, OvbenchError

COPIED = Record.model_validate(
    {
        "system": {"name": "A"},
        "checkpoint": {"selection": "unknown"},
        "task": {"id": "MELD", "split": "test"},
        "protocol": "HiT",
        "headline": "f1",
        "scores": {"f1": {"value": 0.5}},
        "origin": {"kind": "published", "source": "a paper"},
    }
)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_added_is_on_the_board(run_records: tuple[Record, ...], tmp_path: Path) -> None:
    mine, paper, board = tmp_path / "My System.json", tmp_path / "paper.jsonl", tmp_path / "board"
    mine.write_text(json.dumps(json.loads(submission_text(run_records))), "utf-8")
    paper.write_text(record_line(COPIED), "utf-8")
    (board / "measured").mkdir(parents=True)
    (board / "measured" / ".killed.json.a1b2c3d4").write_text("[", "utf-8")  # is swept
    added = add([mine, paper], board)
    assert [one.file for one in added] == [
        board / "measured" / "my-system.json",
        board / "published" / "paper.jsonl",
    ]
    entries = read_board(board).entries
    assert [entry.file for entry in entries] == ["measured/my-system.json"] * 4 + [
        "published/paper.jsonl"
    ]
    assert tuple(entry.record for entry in entries) == (*run_records, COPIED)
    assert [entry.id for entry in entries] == [record_id(entry.record) for entry in entries]
    assert files(board) == {"measured/my-system.json", "published/paper.jsonl"}


def test_nothing_is_added_twice_over_another_or_by_half(
    run_records: tuple[Record, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "board"
    mine, again, other = (tmp_path / name for name in ("mine.json", "again.json", "other.json"))
    mine.write_text(submission_text(run_records[:1]), "utf-8")
    again.write_text(submission_text(run_records[:2]), "utf-8")
    other.write_text(submission_text(run_records[1:2]), "utf-8")
    add([mine], board)
    before = (board / "measured" / "mine.json").read_bytes()
    with pytest.raises(SubmissionError, match=r"is in measured/mine\.json already"):
        add([other, again], board)
    taken = tmp_path / "sub" / "MINE.json"
    taken.parent.mkdir()
    taken.write_text(other.read_text("utf-8"), "utf-8")
    with pytest.raises(SubmissionError, match=r"the name measured/mine\.json is taken"):
        add([taken], board)
    with pytest.raises(SubmissionError, match=r"in measured/other\.json already"):
        add([other, taken], board)
    assert files(board) == {"measured/mine.json"}
    # The disk is full at the second file: the first goes again.
    paper, real = tmp_path / "paper.jsonl", store.write_text
    paper.write_text(record_line(COPIED), "utf-8")

    def full(path: Path, text: str) -> None:
        if path.suffix == ".jsonl":
            raise OvbenchError("the disk is full")
        real(path, text)

    def stopped(path: Path, text: str) -> None:  # Ctrl-C, when the second file is just there
        real(path, text)
        if path.suffix == ".jsonl":
            raise KeyboardInterrupt

    for write, error in ((full, OvbenchError), (stopped, KeyboardInterrupt)):
        monkeypatch.setattr(store, "write_text", write)
        with pytest.raises(error):
            add([other, paper], board)
        assert files(board) == {"measured/mine.json"}
    assert (board / "measured" / "mine.json").read_bytes() == before


def test_wrong_submissions_are_not_added(run_records: tuple[Record, ...], tmp_path: Path) -> None:
    board = tmp_path / "board"
    wrong = tmp_path / "wrong.json"
    wrong.write_text(submission_text(run_records[:1]).replace('"scored": 332', '"scored": 3'))
    with pytest.raises(SubmissionError, match=r"counts\.scored"):
        add([wrong], board)
    nameless = tmp_path / "愤怒.jsonl"
    nameless.write_text(record_line(COPIED), "utf-8")
    with pytest.raises(SubmissionError, match="no letter or digit"):
        add([nameless], board)
    tricky = tmp_path / "..;rm -rf $HOME.jsonl"
    tricky.write_text(record_line(COPIED), "utf-8")
    assert add([tricky], board)[0].file.name == "rm-rf-home.jsonl"
    assert files(board) == {"published/rm-rf-home.jsonl"}


def test_a_board_that_cannot_be_read_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no leaderboard here"):
        read_board(tmp_path / "absent")
    assert read_board(tmp_path).entries == ()
    for part in ("measured", "published"):
        (tmp_path / part).mkdir()
    (tmp_path / "README.md").write_text("#")
    first = tmp_path / "published" / "a.jsonl"
    first.write_text(record_line(COPIED), "utf-8")
    second = tmp_path / "published" / "b.jsonl"
    for text, message in (
        ("{", "line 1"),
        (record_line(COPIED), r"is in published/a\.jsonl already"),
    ):
        second.write_text(text, "utf-8")
        with pytest.raises(SubmissionError, match=message) as caught:
            read_board(tmp_path)
        assert "b.jsonl" in str(caught.value)
    second.unlink()
    second.symlink_to(first)
    with pytest.raises(SubmissionError, match="link"):
        read_board(tmp_path)
    second.unlink()
    odd = tmp_path / "published" / "a b.jsonl"
    odd.write_text(record_line(COPIED.model_copy(update={"protocol": "x"})), "utf-8")
    with pytest.raises(SubmissionError, match="other characters"):
        read_board(tmp_path)
    odd.unlink()
    first.rename(tmp_path / "measured" / "a.json")
    with pytest.raises(SubmissionError, match="belongs elsewhere"):
        read_board(tmp_path)


def test_answers_that_another_system_gave_to_the_letter_are_told(
    run_records: tuple[Record, ...], tmp_path: Path
) -> None:
    first, board = run_records[0], tmp_path / "board"
    renamed = first.model_copy(
        update={"system": first.system.model_copy(update={"name": "My System"})}
    )
    mine, copied = tmp_path / "mine.json", tmp_path / "copied.json"
    mine.write_text(submission_text([first]), "utf-8")
    copied.write_text(submission_text([renamed]), "utf-8")
    assert add([mine], board)[0].same_answers == ()
    (told,) = add([copied], board)[0].same_answers
    assert told.startswith("every answer of My System on tinyov, ew-open-1 is the same as in")
    assert f"record {record_id(first)} ({first.system.name}, measured/mine.json)" in told
    both = add([mine, copied], tmp_path / "other")
    assert [len(one.same_answers) for one in both] == [0, 1]
