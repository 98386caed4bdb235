"""A submission says what its predictions say, or is told what they say instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ovbench
from ovbench.board.check import check_submission
from ovbench.board.record import Record
from ovbench.board.submission import submission_text

Body = dict[str, Any]


def changed(record: Record, tmp_path: Path, change: Callable[[Body], object]) -> Path:
    """The record's file, after ``change`` has worked on its JSON."""
    body = json.loads(submission_text([record]))
    change(body)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(body), "utf-8")
    return path


def published(value: float) -> Record:
    """A figure copied from a paper."""
    return Record.model_validate(
        {
            "system": {"name": "A"},
            "checkpoint": {"selection": "unknown"},
            "task": {"id": "MELD", "split": "test"},
            "protocol": "HiT",
            "headline": "f1",
            "scores": {"f1": {"value": value}},
            "origin": {"kind": "published", "source": "a paper"},
        }
    )


def test_real_records_are_recomputed_and_right(submission: Path) -> None:
    found = check_submission(submission)
    assert found.problems == ()
    assert [one.outcome for one in found.records] == ["recomputed"] * 4
    assert [one.marks for one in found.records] == [()] * 4


def edit_prediction(body: Body) -> None:
    body["predictions"][0] |= {"text": "angry", "labels": ["angry"]}


def other_ids(body: Body) -> None:
    body["predictions"][0]["id"] = "x"
    body["predictions"][1]["id"] = body["predictions"][2]["id"]


WRONG: dict[str, tuple[Callable[[Body], object], list[str]]] = {
    "a score": (
        lambda b: b["scores"]["f1"].update(value=b["scores"]["f1"]["value"] + 1e-6),
        ["scores.f1: 0.3169", "but the predictions give 0.3169"],
    ),
    "an interval": (
        lambda b: b["scores"]["f1"].update(low=b["scores"]["f1"]["low"] + 0.01),
        ["scores.f1.low: "],
    ),
    "a score too few": (lambda b: b["scores"].pop("recall"), ["scores.recall: it is missing"]),
    "a score too many": (
        lambda b: b["scores"].update(accuracy={"value": 1.0}),
        ["scores['accuracy']: scoring gives no such figure"],
    ),
    "the headline": (
        lambda b: b.update(headline="recall"),
        ["headline: 'recall'; the protocol's is 'f1'"],
    ),
    "a count": (lambda b: b["counts"].update(scored=331), ["counts.scored: 331 is claimed"]),
    "a floor": (
        lambda b: b["floors"]["best_constant"].update(f1=0.1),
        ["floors['best_constant'].f1: 0.1 is claimed"],
    ),
    "a floor too few": (
        lambda b: b["floors"].pop("best_constant"),
        ["floors: 'best_constant' is missing"],
    ),
    "another draw": (lambda b: b["interval"].update(seed=4), [".low: ", ".high: "]),
    "an interval's method": (
        lambda b: b["interval"].update(method="wald"),
        ["interval.method: 'wald'"],
    ),
    "an answer": (edit_prediction, ["scores.f1: "]),
    "labels that the text does not hold": (
        lambda b: b["predictions"][0].update(labels=["angry"]),
        ["predictions[0]: the labels are not those that open-1 reads in the text"],
    ),
    "an id missing": (
        lambda b: b["predictions"].pop(),
        ["predictions: 1 without a prediction: 'test_0331'"],
    ),
    "ids too many and twice": (
        other_ids,
        [
            "predictions: 1 given twice or more: 'test_0002'",
            "predictions: 2 without a prediction: 'test_0000', 'test_0001'",
            "predictions: 1 not in the task: 'x'",
        ],
    ),
    "the gold": (lambda b: b["task"].update(digest="0" * 64), ["task.digest: the items or"]),
    "the size": (lambda b: b["task"].update(items=9), ["task.items: 9; tinyov, test has 332"]),
    "the task": (
        lambda b: b["task"].update(id="tinyow"),
        ["unknown task 'tinyow' (did you mean 'tinyov'"],
    ),
    "the split": (
        lambda b: b["task"].update(split="tset"),
        ["unknown split of tinyov 'tset' (did you mean 'test'?)"],
    ),
    "a split to train on": (
        lambda b: b["task"].update(split="train"),
        ["task.split: 'train' is there to be trained on"],
    ),
    "the protocol": (
        lambda b: b.update(protocol="ew-open-2"),
        ["signature: it is one of another protocol", "unknown protocol of tinyov 'ew-open-2'"],
    ),
    "a protocol of another task": (
        lambda b: b.update(protocol="sentiment-non0", signature="sentiment-non0|v:0"),
        ["unknown protocol of tinyov 'sentiment-non0'"],
    ),
    "the signature": (
        lambda b: b.update(signature=b["signature"].replace("undefined:omit", "undefined:zero")),
        ["signature: 'undefined' is 'zero', here 'omit'"],
    ),
    "a part too many": (
        lambda b: b.update(signature=b["signature"].replace("|v:", "|extract:yes|v:")),
        ["signature: 'extract' is 'yes', here 'absent'"],
    ),
    "a part twice": (
        lambda b: b.update(signature=b["signature"].replace("|n:", "|n:332|n:")),
        ["signature: its parts come twice"],
    ),
    "an oracle that hides": (
        lambda b: b["system"].update(context_source="oracle"),
        ["system.oracle: it is false, but"],
    ),
    "no address of predictions": (
        lambda b: b["origin"].update(kind="recomputed"),
        ["origin.source: it is missing"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str, run_records: tuple[Record, ...], tmp_path: Path) -> None:
    change, expected = WRONG[name]
    found = check_submission(changed(run_records[0], tmp_path, change))
    assert found.problems
    told = "\n".join(found.problems)
    assert all(text in told for text in expected), told
    if len(expected) == 1 and name not in ("an answer", "a floor", "another draw"):
        assert len(found.problems) == 1, told


def test_the_batch_size_and_another_version_are_understood(
    run_records: tuple[Record, ...], tmp_path: Path
) -> None:
    record, version = run_records[0], f"|v:{ovbench.__version__}"
    for batch, right in (("16", True), ("0", False), ("x", False), ("16|batch:16", False)):
        path = changed(
            record,
            tmp_path,
            lambda b, batch=batch: b.update(  # type: ignore[misc]
                signature=b["signature"].replace(version, f"|batch:{batch}{version}")
            ),
        )
        assert (check_submission(path).problems == ()) is right, batch
    old = changed(record, tmp_path, lambda b: b.update(signature=_older(b)))
    found = check_submission(old)
    assert found.problems == ()
    assert found.records[0].marks == (f"made by ovbench '0.0.1'; this is {ovbench.__version__}",)
    for version in ("99.0", "later"):
        later = changed(
            record,
            tmp_path,
            lambda b, v=version: b.update(signature=_older(b).replace("v:0.0.1", f"v:{v}")),  # type: ignore[misc]
        )
        (problem,) = check_submission(later).problems
        assert f"made by ovbench '{version}'" in problem
    both = changed(record, tmp_path, lambda b: b.update(signature=_older(b).replace("n:3", "n:4")))
    (problem,) = check_submission(both).problems
    assert "'n' is '432', here '332' (made by ovbench '0.0.1'" in problem


def _older(body: Body) -> str:
    return str(body["signature"]).replace(f"|v:{ovbench.__version__}", "|v:0.0.1")


def test_what_must_not_be_ranked_is_marked_and_allowed(
    run_records: tuple[Record, ...], tmp_path: Path
) -> None:
    def mark(body: Body) -> None:
        body["system"] |= {"oracle": True, "context_source": "oracle"}
        body["checkpoint"]["selection"] = "test-best"

    found = check_submission(changed(run_records[0], tmp_path, mark))
    assert found.problems == ()
    assert [mark.partition(":")[0] for mark in found.records[0].marks] == [
        "its context is made from gold",
        "its checkpoint was chosen on test",
    ]


def test_without_predictions_or_gold_nothing_is_claimed(
    run_records: tuple[Record, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = changed(run_records[0], tmp_path, lambda b: b.pop("predictions"))
    found = check_submission(bare)
    assert (found.problems, found.records[0].outcome) == ((), "not recomputed")
    assert found.records[0].why == "no predictions ride along"
    monkeypatch.delenv("OVBENCH_DATA", raising=False)
    gated = changed(
        run_records[0],
        tmp_path,
        lambda b: (
            b["task"].update(id="meld", items=None, digest="0" * 64),
            b.update(protocol="hit-open-1", signature="hit-open-1|v:0"),
        ),
    )
    found = check_submission(gated)
    assert found.problems == ()
    (one,) = found.records
    assert one.outcome == "not recomputed"
    assert one.why is not None
    assert "is not there" in one.why
    assert "--data" in one.why


def test_a_claim_without_predictions_is_at_least_possible(
    run_records: tuple[Record, ...], tmp_path: Path
) -> None:
    def claim(body: Body) -> None:
        del body["predictions"]
        body["scores"]["f1"] |= {"value": 7.5, "low": 0.9, "high": 0.1}

    assert check_submission(changed(run_records[0], tmp_path, claim)).problems == (
        "scores['f1'].value: 7.5; scores are fractions, from 0 to 1; for 7.5 % write 0.075",
        "scores['f1']: its interval ends (0.1) below its start (0.9)",
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (62.3, "62.3; scores are fractions, from 0 to 1; for 62.3 % write 0.623"),
        (1e308, "1e+308; scores are fractions, from 0 to 1"),
        (-0.25, "-0.25; scores are fractions, from 0 to 1"),
    ],
)
def test_published_figures_are_fractions_too(value: float, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(submission_text([published(value)]), "utf-8")
    assert check_submission(path).problems == (f"scores['f1'].value: {problem}",)


def test_several_records_and_their_kinds(run_records: tuple[Record, ...], tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(submission_text([run_records[0], run_records[0]]), "utf-8")
    assert check_submission(path).problems == ("record 2 is the same as record 1",)
    copied = published(0.5)
    path.write_text(submission_text([run_records[0], copied]), "utf-8")
    (problem,) = check_submission(path).problems
    assert "one file" in problem
    path.write_text(submission_text([copied]), "utf-8")
    found = check_submission(path)
    assert (found.problems, found.records[0].outcome) == ((), "published")
    path.write_text("{")
    assert check_submission(path).problems[0].startswith("line 1: not JSON")


def test_hostile_names_do_not_reach_a_terminal(
    run_records: tuple[Record, ...], tmp_path: Path
) -> None:
    evil = "\x1b]0;x\x07\u202e<script>"

    def infest(body: Body) -> None:
        body["system"]["name"] = evil
        body["scores"][evil] = {"value": 1.0}
        body["counts"][evil] = 1
        body["floors"][evil] = {}
        body["signature"] = body["signature"].replace("|n:", f"|{evil}:{evil}|n:")

    path = changed(run_records[0], tmp_path, infest)
    body = json.loads(path.read_text("utf-8"))
    records = {"schema_version": "ovbench.submission/1", "records": [body, body]}
    path.write_text(json.dumps(records), "utf-8")
    problems = check_submission(path).problems
    assert len(problems) > 4
    assert all(text.isprintable() for text in problems)
