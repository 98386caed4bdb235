"""Evaluation: what `ovbench score` says of the same answers, and nothing lost on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from run_fakes import ABOUT, Answer, Fake, fake_task, text_of

import ovbench
from ovbench.errors import InputError, OvbenchError
from ovbench.results import Result
from ovbench.runs.evaluate import EvalOptions, evaluate, versions
from ovbench.runs.preflight import Preflight
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.records import RunRecord
from ovbench.runs.samples import Sample
from ovbench.runs.store import read_run
from ovbench.scoring import Options

SCORING = Options(draws=200)
OPTIONS = EvalOptions(batch_size=4, scoring=SCORING, command="ovbench eval --model fake")
NAMES = {"predictions", "gold", "warnings"}


def same_but_for_names(ours: Result, theirs: Result) -> None:
    assert ours.model_dump(exclude=NAMES) == theirs.model_dump(exclude=NAMES)


@pytest.mark.parametrize("protocol", ["ew-open-1", "hit-open-1"])
def test_results_are_those_of_ovbench_score(tmp_path: Path, protocol: str) -> None:
    """Raw text, scored from the file that the run leaves, with the default options of score."""
    odd = {
        "item-2": Answer("item-2", ""),
        "item-5": Answer("item-5", "I am sorry, but I cannot tell how this person feels at all."),
        "item-7": Answer("item-7", "Emotions: happy, gleeful and sadd, ang", "truncated"),
    }
    run = evaluate(Fake(odd=odd), fake_task(), ABOUT, tmp_path, OPTIONS)
    gold = tmp_path / "gold.jsonl"
    rows = [{"id": i, "labels": list(g)} for i, g in fake_task().gold_source().items()]  # type: ignore[call-overload]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    theirs = ovbench.score(
        str(Path(run.folder) / "predictions.jsonl"),
        str(gold),
        protocol,
        label_column="text",
        draws=200,
    )
    ours = next(result for result in run.results if result.protocol == protocol)
    same_but_for_names(ours, theirs)
    assert ours.floors
    assert (ours.predictions, ours.gold) == ("fake", "fake-task/test")
    assert run.headline.protocol == "ew-open-1"
    assert run.statuses == {"ok": 8, "empty": 1, "unparsable": 1, "truncated": 1, "error": 0}
    assert ours.warnings[: len(theirs.warnings)] == theirs.warnings


def test_the_sentiment_view_scores_polarities(tmp_path: Path) -> None:
    task = fake_task(answers="sentiment")
    run = evaluate(Fake(), task, ABOUT, tmp_path, OPTIONS)
    polarity = {
        "happy": "positive",
        "calm": "positive",
        "surprised": "neutral",
        **dict.fromkeys(("sad", "angry", "worried", "tired"), "negative"),
    }
    sums = {"positive": 1, "negative": -1, "neutral": 0}
    answers = {}
    for item in task.items:
        total = sum(sums[polarity[word]] for word in set(text_of(item).split(", ")))
        answers[item.id] = "positive" if total > 0 else "negative" if total < 0 else "neutral"
    theirs = ovbench.score(answers, task.gold_source(), "sentiment-non0", draws=200)
    assert run.headline.scores == theirs.scores
    assert run.headline.counts == theirs.counts


def test_failures_are_wrong_and_counted(tmp_path: Path) -> None:
    class Silent(Fake):
        """Gives no answer at all for one item, and says of another that it failed."""

        def predict(self, items, batch_size):  # type: ignore[no-untyped-def]
            return (a for a in super().predict(items, batch_size) if a.id != "item-3")

    failed = {"item-8": Answer("item-8", "half an ans", "error")}
    run = evaluate(Silent(odd=failed), fake_task(), ABOUT, tmp_path, OPTIONS)
    whole = evaluate(Fake(), fake_task(), ABOUT, tmp_path / "whole", OPTIONS)
    assert run.statuses["error"] == 2
    assert sum(run.statuses.values()) == 11
    assert run.headline.counts.missing == 2
    assert run.headline.counts.missing_ids == ("item-3", "item-8")
    assert run.headline.counts.scored == whole.headline.counts.scored
    assert run.headline.scores["f1"] < whole.headline.scores["f1"]  # type: ignore[operator]
    assert any("failed on 2 items" in warning for warning in run.headline.warnings)
    assert "missing:wrong" in run.headline.signature


def test_a_system_that_answers_nothing(tmp_path: Path) -> None:
    class Dead(Fake):
        def predict(self, items, batch_size):  # type: ignore[no-untyped-def]
            return iter(())

    with pytest.raises(OvbenchError, match="failed on every item"):
        evaluate(Dead(), fake_task(), ABOUT, tmp_path, OPTIONS)


def test_a_system_that_answers_what_nobody_asked(tmp_path: Path) -> None:
    odd = {"item-3": Answer("item-99", "happy")}
    with pytest.raises(OvbenchError, match="'item-99', which it was not asked for"):
        evaluate(Fake(odd=odd), fake_task(), ABOUT, tmp_path, OPTIONS)


def test_a_limited_run_says_so_everywhere(tmp_path: Path) -> None:
    run = evaluate(Fake(), fake_task(), ABOUT, tmp_path, replace(OPTIONS, limit=4))
    assert not run.comparable
    assert run.record.settings.items == 4
    assert run.record.settings.limit == 4
    assert run.headline.counts.gold == 4
    assert any("limited to 4 of 11 items" in warning for warning in run.headline.warnings)
    share = evaluate(Fake(), fake_task(), ABOUT, tmp_path / "b", replace(OPTIONS, limit=0.5))
    assert share.record.settings.items == 6
    assert evaluate(
        Fake(), fake_task(), ABOUT, tmp_path / "c", replace(OPTIONS, limit=11)
    ).comparable


def test_oracle_contexts_are_marked(tmp_path: Path) -> None:
    about = ABOUT.model_copy(update={"oracle": True, "context_source": "oracle"})
    run = evaluate(Fake(), fake_task(), about, tmp_path, OPTIONS)
    assert not run.comparable
    assert any("never ranked" in warning for warning in run.headline.warnings)


def test_what_a_run_leaves(tmp_path: Path) -> None:
    run = evaluate(Fake(), fake_task(), ABOUT, tmp_path, OPTIONS)
    folder = tmp_path / "fake" / "fake-task"
    assert run.folder == str(folder)
    (results,) = folder.glob("results_*.json")
    assert {file.name for file in folder.iterdir()} == {
        *("run.json", "predictions.jsonl", "cost.json", results.name),
    }
    written = json.loads(results.read_text())
    assert list(written) == ["results"]
    assert tuple(map(Result.model_validate, written["results"])) == run.results
    record, done = read_run(folder)
    assert record == run.record
    assert RunRecord.model_validate_json((folder / "run.json").read_text()) == record
    assert record.command == "ovbench eval --model fake"
    assert record.settings.versions == versions()
    assert record.settings.versions["ovbench"] == ovbench.__version__
    assert record.settings.task_digest == fake_task().digest()
    assert done["item-3"].text == "worried, worried"
    assert done["item-3"].labels == ("worried",)
    # Every item tells the size of its batch as its tokens: 4 + 4 + 3.
    assert run.cost.tokens == 4 * 4 + 4 * 4 + 3 * 3
    assert run.cost.items == 11


def test_predictions_and_results_do_not_depend_on_when_and_where(tmp_path: Path) -> None:
    first = evaluate(Fake(), fake_task(), ABOUT, tmp_path / "a", OPTIONS)
    second = evaluate(Fake(), fake_task(), ABOUT, tmp_path / "b" / "deep", OPTIONS)
    assert first.results == second.results
    one, two = (Path(run.folder) / "predictions.jsonl" for run in (first, second))
    assert one.read_bytes() == two.read_bytes()


def test_samples_show_every_item(tmp_path: Path) -> None:
    odd = {
        "item-2": Answer("item-2", ""),
        "item-4": Answer("item-4", "x", "error"),
        "item-6": Answer("item-6", "happy, flurbish"),
    }
    options = replace(OPTIONS, log_samples=True)
    run = evaluate(Fake(odd=odd), fake_task(), ABOUT, tmp_path, options)
    (path,) = Path(run.folder).glob("samples_*.jsonl")
    found = [Sample.model_validate_json(line) for line in path.read_text().splitlines()]
    assert [(s.protocol, s.id) for s in found] == [
        (protocol, item.id)
        for protocol in ("ew-open-1", "hit-open-1")
        for item in fake_task().items
    ]
    by_id = {s.id: s for s in found if s.protocol == "ew-open-1"}
    six = by_id["item-6"]
    assert six.labels == ("happy", "flurbish")
    assert six.unknown == ("flurbish",)
    assert six.clusters["wheel1/level1"].prediction == ("happy",)
    assert by_id["item-2"].score == 0.0
    assert by_id["item-2"].status == "empty"
    assert by_id["item-4"].status == "error"
    assert by_id["item-4"].score == 0.0
    # The mean of the items' own scores over one ring's sets agrees with sets compared by hand.
    for sample in by_id.values():
        f1 = []
        for sets in sample.clusters.values():
            gold, predicted = set(sets.gold), set(sets.prediction)
            if gold:
                both = len(gold & predicted)
                f1.append(2 * both / (len(gold) + len(predicted)))
        assert sample.score == pytest.approx(sum(f1) / len(f1))


def test_sentiment_samples_show_the_polarity(tmp_path: Path) -> None:
    task = fake_task(answers="sentiment")
    run = evaluate(Fake(), task, ABOUT, tmp_path, replace(OPTIONS, log_samples=True))
    (path,) = Path(run.folder).glob("samples_*.jsonl")
    found = [Sample.model_validate_json(line) for line in path.read_text().splitlines()]
    zero = {name for name, gold in task.gold.items() if gold.valence == 0}
    assert len(found) == 11
    for sample in found:
        if sample.id in zero:
            assert sample.score is None
        else:
            assert set(sample.labels) <= {"positive", "negative", "neutral"}
            assert sample.score in (0.0, 1.0)


PREFLIGHT = Preflight(
    items=4, adapter_effect=2.5, batch_size=4, batch_invariant=True, base_dtype="float32"
)


def test_the_preflight_is_kept_and_runs_before_anything(tmp_path: Path) -> None:
    system = Fake()
    seen = []

    def check() -> Preflight:
        seen.append(len(system.batches))
        return PREFLIGHT

    run = evaluate(system, fake_task(), ABOUT, tmp_path, OPTIONS, preflight=check)
    assert seen == [0]
    assert run.preflight == PREFLIGHT
    again = evaluate(Fake(), fake_task(), ABOUT, tmp_path, OPTIONS, preflight=check)
    assert seen == [0], "nothing is left to generate, so nothing is checked"
    assert again.preflight == PREFLIGHT


def test_a_batch_that_matters_is_in_the_signature(tmp_path: Path) -> None:
    bad = PREFLIGHT.model_copy(update={"batch_invariant": False})
    run = evaluate(Fake(), fake_task(), ABOUT, tmp_path, OPTIONS, preflight=lambda: bad)
    assert "|n:11|batch:4|v:" in run.headline.signature
    assert any("depend on the batch" in warning for warning in run.headline.warnings)
    good = evaluate(
        Fake(), fake_task(), ABOUT, tmp_path / "b", OPTIONS, preflight=lambda: PREFLIGHT
    )
    assert "batch:" not in good.headline.signature


def test_a_failed_preflight_leaves_a_run_that_can_go_on(tmp_path: Path) -> None:
    def refuse() -> Preflight:
        raise OvbenchError("The adapter does nothing.")

    with pytest.raises(OvbenchError, match="does nothing"):
        evaluate(Fake(), fake_task(), ABOUT, tmp_path, OPTIONS, preflight=refuse)
    assert not (tmp_path / "fake" / "fake-task" / "predictions.jsonl").exists()
    assert evaluate(Fake(), fake_task(), ABOUT, tmp_path, OPTIONS).resumed == 0


def test_nothing_of_pytorch_is_imported_by_the_records() -> None:
    """Reading runs, scoring and comparing them, and trivial systems need numpy alone."""
    code = (
        "import sys; import ovbench.runs.recipe, ovbench.runs.compare, ovbench.runs.replicate, "
        "ovbench.runs.reopen; print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_link_in_a_runs_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious.jsonl"
    elsewhere.write_text("")
    folder = tmp_path / "runs" / "majority" / "tinyov-limit-4"
    folder.mkdir(parents=True)
    (folder / "predictions.jsonl").symlink_to(elsewhere)
    with pytest.raises(InputError, match=r"predictions\.jsonl is a link"):
        evaluate_recipe("majority", out=tmp_path / "runs", options=EvalOptions(limit=4))
    assert elsewhere.read_text() == ""
