"""Records of runs and of foreign predictions, held against scoring the same answers as files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from board_truth import scored_as_files

from ovbench.board.check import check_submission
from ovbench.board.items import answers_to
from ovbench.board.make import record_of_predictions, record_of_run
from ovbench.board.provenance import public_command
from ovbench.board.record import PredictionEntry, Record
from ovbench.board.rescore import rescore
from ovbench.board.submission import submission_text
from ovbench.errors import InputError
from ovbench.runs.records import RunResult
from ovbench.scoring import Options
from ovbench.tasks import load_task


def test_a_record_holds_what_the_run_says(
    finished_runs: list[RunResult], run_records: tuple[Record, ...]
) -> None:
    results = [result for run in finished_runs for result in run.results]
    assert len(results) == len(run_records) == 4
    for result, record in zip(results, run_records, strict=True):
        assert (record.protocol, record.headline) == (result.protocol, result.headline)
        assert record.signature == result.signature
        assert {name: score.value for name, score in record.scores.items()} == result.scores
        for name, score in record.scores.items():
            interval = result.intervals[name]
            assert (score.low, score.high) == (interval.low, interval.high)
        assert record.floors == result.floors
        assert record.counts["gold"] == result.counts.gold == 332
        assert "missing_ids" not in record.counts
    first = run_records[0]
    assert first.interval is not None
    assert (first.interval.draws, first.interval.seed, first.interval.confidence) == (200, 3, 0.9)
    assert first.system.name == "frequent-k"
    assert first.checkpoint.selection == "fixed"
    assert first.task.digest == load_task("tinyov").digest()
    assert first.cost.trainable_parameters == 0
    assert first.origin.kind == "measured"
    assert first.origin.command == "ovbench eval --model frequent-k -o runs"
    assert first.versions["ovbench"]
    assert "somebody" not in first.to_json()


@pytest.mark.parametrize(
    ("command", "public"),
    [
        ("/a/b/ovbench eval -m x", "ovbench eval -m x"),
        ("ovbench eval --base=/home/me/Qwen,~/other", "ovbench eval --base=Qwen,other"),
        ("ovbench eval -o '/a b/c d'", "ovbench eval -o 'c d'"),
        (r"ovbench eval -o 'C:\Users\me\runs'", "ovbench eval -o runs"),
        (r"ovbench eval -o '\\server\me\runs'", "ovbench eval -o runs"),
        ("ovbench eval --source https://a.org/b -o runs/x", None),
        ("ovbench eval -o /", "ovbench eval -o /"),
        ("ovbench 'unclosed", ""),
    ],
)
def test_commands_lose_the_machine_s_folders(command: str, public: str | None) -> None:
    assert public_command(command) == (command if public is None else public or None)


def test_unfinished_limited_and_changed_runs_are_refused(
    finished_runs: list[RunResult], tmp_path: Path
) -> None:
    original = Path(finished_runs[0].folder)

    def broken(name: str) -> Path:
        return Path(shutil.copytree(original, tmp_path / name))

    def setting(folder: Path, **changes: object) -> Path:
        body = json.loads((folder / "run.json").read_text("utf-8"))
        body["settings"] |= changes
        (folder / "run.json").write_text(json.dumps(body), "utf-8")
        return folder

    unfinished = broken("unfinished")
    lines = (unfinished / "predictions.jsonl").read_text("utf-8").splitlines(keepends=True)
    (unfinished / "predictions.jsonl").write_text("".join(lines[:-1]), "utf-8")
    unscored = broken("unscored")
    next(unscored.glob("results_*.json")).unlink()
    damaged = broken("damaged")
    next(damaged.glob("results_*.json")).write_text("{}", "utf-8")
    long = broken("long")
    text = (long / "predictions.jsonl").read_text("utf-8")
    (long / "predictions.jsonl").write_text(text.replace("neutral", "x" * 30_000, 1), "utf-8")
    cases = {
        unfinished: "331 of 332 items are answered",
        unscored: "there are no results",
        damaged: "this is no file of results",
        setting(broken("limited"), items=20, limit=20): "limited to 20 of 332",
        setting(broken("changed"), task_digest="0" * 64): "items or gold of tinyov are not those",
        long: "text: 'xxx",
        tmp_path: "this is no run",
    }
    for folder, message in cases.items():
        with pytest.raises(InputError, match=message):
            record_of_run(folder)


def test_only_of_a_trivial_system_it_is_known_that_nothing_was_chosen(
    finished_runs: list[RunResult], tmp_path: Path
) -> None:
    for kind, selection in (
        ("constant", "fixed"), ("external", "unknown"), ("pipeline", "unknown"),
        ("causal_lm", "unknown"),
    ):  # fmt: skip
        home = Path(shutil.copytree(finished_runs[0].folder, tmp_path / kind))
        body = json.loads((home / "run.json").read_text("utf-8"))
        body["settings"]["system"]["kind"] = kind
        (home / "run.json").write_text(json.dumps(body), "utf-8")
        (first, _) = record_of_run(home)
        assert first.checkpoint.selection == selection
        assert record_of_run(home, selection="dev")[0].checkpoint.selection == "dev"


def test_items_that_fail_change_no_option() -> None:
    task = load_task("tinyov")
    entries = [PredictionEntry(id=item.id, labels=("sad",)) for item in task.items]
    failed = [PredictionEntry(id=entries[0].id), *entries[1:]]
    options = Options(draws=0, floors=False)
    for given, missing in ((entries, "error"), (failed, "wrong")):
        found = rescore(task, "ew-open-1", given, options)
        assert (found.floors, found.interval) == ({}, None)
        assert f"|missing:{missing}|" in found.signature


def test_scoring_and_checking_make_no_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TinySpeech's clips are made when they are first heard; gold needs none."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("OVBENCH_CACHE", str(cache))
    task = load_task("tinyspeech", clips=False)
    rows = [{"id": item.id, "prediction": "sad"} for item in task.items]
    path, made = tmp_path / "preds.jsonl", tmp_path / "made.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    options = Options(draws=0)
    records = record_of_predictions(path, task.id, system="A", source="b", options=options)
    made.write_text(submission_text(records), "utf-8")
    checked = check_submission(made)
    assert checked.problems == ()
    assert {one.outcome for one in checked.records} == {"recomputed"}
    answers_to(records[:1])
    assert not list(cache.rglob("*.wav"))


def test_foreign_predictions_score_as_ovbench_score_does(tmp_path: Path) -> None:
    """Texts that are lists, sentences, empty; JSON lists; and their order does not matter."""
    task = load_task("tinyov")
    texts: list[object] = [
        "happy, sad",
        ["angry", "afraid of it"],
        "I would say that the speaker is not feeling well at all today.",
        "",
        "Emotions: calm; relieved",
        [],
    ]
    rows = [
        {"id": item.id, "prediction": texts[number % len(texts)]}
        for number, item in enumerate(task.items)
    ]
    path = tmp_path / "preds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)), "utf-8")
    options = Options(draws=50)
    records = record_of_predictions(
        path, "tinyov", system="A", source="https://example.org", options=options
    )
    for record in records:
        truth = scored_as_files(path, task, record.protocol, options)
        assert {name: score.value for name, score in record.scores.items()} == truth.scores
        assert record.signature == truth.signature
        assert record.counts["unparsable"] == truth.counts.unparsable == 55
        assert record.counts["empty"] == truth.counts.empty == 110
    kept = {entry.id: entry for entry in records[0].predictions}
    assert kept["test_0000"].labels == ("happy", "sad")
    assert kept["test_0001"].labels == ("angry", "afraid of it")
    assert kept["test_0002"].labels is None
    assert kept["test_0003"].labels == ()
    assert [entry.id for entry in records[0].predictions] == [item.id for item in task.items]
    assert records[0].origin.kind == "recomputed"
    assert records[0].checkpoint.selection == "unknown"


def test_foreign_sentiments_may_be_numbers_or_words(tmp_path: Path) -> None:
    task = load_task("tinyov-sentiment")
    words = ["positive", "negative", "neutral"]
    numbers = [1.5, -0.2, 0]
    files = []
    for name, values in (("words", words), ("numbers", numbers)):
        rows = [
            {"id": item.id, "prediction": values[number % 3]}
            for number, item in enumerate(task.items)
        ]
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    options = Options(draws=0)
    both = [
        record_of_predictions(path, task.id, system="A", source="b", options=options)[0]
        for path in files
    ]
    for path in files:  # by every door
        truth = scored_as_files(path, task, "sentiment-non0", options)
        assert truth.counts.out_of_set == 0
        for record in both:
            assert {name: score.value for name, score in record.scores.items()} == truth.scores


def test_ids_of_foreign_predictions_must_be_the_task_s(tmp_path: Path) -> None:
    task = load_task("tinyov")
    rows = [{"id": item.id, "prediction": "sad"} for item in task.items]
    rows[0] = {"id": "else", "prediction": "sad"}
    rows.append(rows[5])
    path = tmp_path / "preds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(InputError) as caught:
        record_of_predictions(path, "tinyov", system="A", source="b")
    for text in (
        "1 given twice or more: 'test_0005'",
        "1 without a prediction: 'test_0000'",
        "1 not in the task: 'else'",
    ):
        assert text in str(caught.value)
    with pytest.raises(InputError, match=r"name: ''; expected"):
        record_of_predictions(path, "tinyov", system="", source="b")
