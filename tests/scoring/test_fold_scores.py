"""Folds: pooled scores and means over folds, side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

import ovbench
from ovbench.errors import InputError
from ovbench.report import render
from ovbench.report.sections import sections
from ovbench.results import Folds, Result
from ovbench.tasks import Gold, Item, Task, folds, load_folds

CLASSES = ["angry", "happy", "neutral", "sad"]


def files(tmp_path: Path, n: int = 300, fold_names: int = 5) -> tuple[Path, Path, np.ndarray, ...]:
    """A gold file with folds of unlike sizes, predictions, and what is in them as arrays."""
    rng = np.random.default_rng(0)
    share = np.arange(1, fold_names + 1) / np.arange(1, fold_names + 1).sum()
    fold = rng.choice(fold_names, n, p=share) + 8
    gold = rng.choice(CLASSES, n, p=[0.1, 0.2, 0.5, 0.2])
    said = np.where(rng.random(n) < 0.6, gold, rng.choice([*CLASSES, "bored"], n))
    rows = [f"i{i},{g},{f}" for i, (g, f) in enumerate(zip(gold, fold, strict=True))]
    (tmp_path / "gold.csv").write_text("\n".join(["id,label,session", *rows]) + "\n")
    answers = [f"i{i},{s}" for i, s in enumerate(said)]
    (tmp_path / "said.csv").write_text("\n".join(["id,label", *answers]) + "\n")
    return tmp_path / "said.csv", tmp_path / "gold.csv", fold, gold, said


def oracle(gold: np.ndarray, said: np.ndarray) -> dict[str, float]:
    there = sorted(set(gold))
    seen = sorted(set(gold) | (set(said) & set(CLASSES)))
    return {
        "accuracy": accuracy_score(gold, said),
        "balanced_accuracy": recall_score(gold, said, labels=there, average="macro"),
        "macro_f1": f1_score(gold, said, labels=seen, average="macro", zero_division=0),
        "weighted_f1": f1_score(gold, said, labels=there, average="weighted", zero_division=0),
    }


def told(result: Result) -> Folds:
    assert result.folds is not None
    return result.folds


def test_folds_against_scikit_learn(tmp_path: Path) -> None:
    predictions, gold_file, fold, gold, said = files(tmp_path)
    result = ovbench.score(predictions, gold_file, "closed-set", folds="session", draws=0)
    found = told(result)
    assert list(found.by_fold) == ["8", "9", "10", "11", "12"], "8 comes before 10"
    each = {
        name: oracle(gold[fold == int(name)], said[fold == int(name)]) for name in found.by_fold
    }
    for name, one in found.by_fold.items():
        assert one.items == (fold == int(name)).sum()
        assert one.scores == pytest.approx(each[name])
    for key, pooled in oracle(gold, said).items():
        values = [scores[key] for scores in each.values()]
        assert found.mean[key] == pytest.approx(np.mean(values))
        assert found.sd[key] == pytest.approx(np.std(values, ddof=1))
        assert result.scores[key] == pytest.approx(pooled)
        assert result.scores[key] != pytest.approx(found.mean[key], abs=1e-6)


def test_pooled_and_mean_by_hand() -> None:
    """One fold of one item, right; one of three, one of them right: 2 of 4, and (1 + 1/3) / 2."""
    gold = {"a": "sad", "b": "sad", "c": "happy", "d": "happy"}
    said = {"a": "sad", "b": "sad", "c": "sad", "d": "angry"}
    task = small_task(gold, {"a": "one", "b": "two", "c": "two", "d": "two"})
    result = ovbench.score(said, task, "closed-set", draws=0)
    found = told(result)
    assert result.scores["accuracy"] == 0.5
    assert found.column == "fold"
    assert found.mean["accuracy"] == pytest.approx(2 / 3)
    assert found.sd["accuracy"] == pytest.approx(np.std([1, 1 / 3], ddof=1))
    assert found.by_fold["one"].scores["balanced_accuracy"] == 1.0
    assert any("one (no happy)" in warning for warning in result.warnings)


def small_task(gold: dict[str, str], fold: dict[str, str] | None) -> Task:
    return Task(
        id="small",
        title="A task for tests",
        split="folds",
        role="test",
        items=tuple(Item(name, "", "") for name in gold),
        gold={name: Gold((word,), word) for name, word in gold.items()},
        answers="class",
        protocols=("closed-set",),
        folds=fold,
    )


def test_a_fold_without_a_score_has_no_mean() -> None:
    """No gold label of fold 2 is known, so its WF is undefined, and so is the mean."""
    rows = {"a": "happy", "b": "sad", "c": "zzgrx"}
    task = replace(
        small_task(rows, {"a": "1", "b": "1", "c": "2"}), answers="labels", protocols=("ew-open-1",)
    )
    result = ovbench.score(rows, task, draws=0)
    found = told(result)
    assert found.by_fold["2"].items == 0
    assert found.by_fold["1"].scores["f1"] == 1.0
    assert found.mean["f1"] is None
    assert found.sd["f1"] is None
    assert Result.model_validate_json(result.to_json()) == result
    assert "–" in render.markdown(sections(result))


def test_folds_that_cannot_be_used(tmp_path: Path) -> None:
    predictions, gold_file, *_ = files(tmp_path, n=30)
    text = gold_file.read_text()
    with pytest.raises(InputError, match="sesion"):
        ovbench.score(predictions, gold_file, "closed-set", folds="sesion")
    gold_file.write_text(text.replace(",11\n", ",\n", 1))
    with pytest.raises(InputError, match="is in no fold"):
        ovbench.score(predictions, gold_file, "closed-set", folds="session")
    rows = [line.rpartition(",")[0] + ",1" for line in text.splitlines()[1:]]
    gold_file.write_text("\n".join(["id,label,session", *rows]))
    with pytest.raises(InputError, match=r"all items are in the fold '1'.*two folds or more"):
        ovbench.score(predictions, gold_file, "closed-set", folds="session")
    with pytest.raises(InputError, match="--folds does not go with a task"):
        ovbench.score({"a": "sad"}, small_task({"a": "sad"}, None), folds="session")
    with pytest.raises(InputError, match="items and folds differ"):
        small_task({"a": "sad"}, {"b": "1"})


def test_kept_samples_have_the_folds(tmp_path: Path) -> None:
    from ovbench.scoring import Options, score_files, score_samples

    predictions, gold_file, *_ = files(tmp_path)
    options = Options(folds="session", draws=0, ci="wald", floors=False)
    whole = score_files(
        predictions, gold_file, "closed-set", options, samples=str(tmp_path / "kept.jsonl")
    )
    again = score_samples(tmp_path / "kept.jsonl", options)
    assert again.folds == whole.folds
    assert again.wald == whole.wald
    with pytest.raises(InputError, match="Write the samples again with --folds dialogue"):
        score_samples(tmp_path / "kept.jsonl", Options(folds="dialogue"))


def test_rare_classes_are_named(tmp_path: Path) -> None:
    gold = {f"i{i}": "neutral" if i < 40 else "sad" for i in range(46)}
    result = ovbench.score(gold, gold, "closed-set", draws=0)
    assert any("fewer than 20 gold items: sad (6)" in warning for warning in result.warnings)
    (first, *_) = sections(result)
    assert "gold items by class: neutral 40, sad 6" in first.notes


def test_the_table_has_both_means_and_both_intervals(tmp_path: Path) -> None:
    predictions, gold_file, *_ = files(tmp_path)
    result = ovbench.score(
        predictions, gold_file, "closed-set-macro-f1-1", folds="session", ci="wald", draws=200
    )
    parts = list(sections(result))
    assert parts[0].columns == (
        *("metric", "pooled", "95 % interval", "Wald ±", "bootstrap / Wald"),
        *("mean of folds", "sd of folds"),
    )
    assert parts[0].rows[0][0] == "macro_f1", "the headline comes first"
    notes = " ".join(parts[0].notes)
    assert "macro_f1, balanced_accuracy, weighted_f1: no share of the items" in notes
    assert "n = 300 items" in notes
    assert parts[1].title == "By fold"
    assert [row[0] for row in parts[1].rows] == ["8", "9", "10", "11", "12"]
    for form in render.FORMATS.values():
        assert "mean of folds" in form(sections(result))


def test_results_from_before_folds_can_be_read() -> None:
    result = ovbench.score({"a": "sad"}, {"a": "sad"}, "closed-set", draws=0)
    fields = json.loads(result.to_json())
    assert fields.pop("folds") is None
    assert fields.pop("wald") is None
    assert Result.model_validate(fields) == result


def a_card(splits: dict[str, tuple[str, str]]) -> SimpleNamespace:
    told = {name: SimpleNamespace(role=role, fold=fold) for name, (role, fold) in splits.items()}
    return SimpleNamespace(splits_of=lambda name: told)


def test_all_test_folds_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {
        "fold1-test": small_task({"a": "sad", "b": "happy"}, None),
        "fold2-test": small_task({"c": "sad"}, None),
    }
    splits = {
        **{f"fold{k}-train": ("train", f"fold{k}") for k in (1, 2)},
        **{f"fold{k}-test": ("test", f"fold{k}") for k in (1, 2)},
        "test": ("test", ""),
    }
    monkeypatch.setattr(folds, "card_of", lambda name: a_card(splits))
    monkeypatch.setattr(folds, "load_task", lambda name, split, data, **_: parts[split])
    whole = load_folds("small")
    assert (whole.split, whole.role) == ("folds", "test")
    assert [item.id for item in whole.items] == ["a", "b", "c"]
    assert whole.folds == {"a": "fold1", "b": "fold1", "c": "fold2"}
    assert whole.limited(2).folds == {"a": "fold1", "b": "fold1"}
    parts["fold2-test"] = small_task({"b": "sad"}, None)
    with pytest.raises(InputError, match="item 'b' is in fold1 and in fold2"):
        load_folds("small")


def test_tasks_without_folds() -> None:
    with pytest.raises(InputError, match="task 'meld' has no folds"):
        load_folds("meld")
    with pytest.raises(InputError, match="task 'emobox-meld' has one test fold"):
        load_folds("emobox-meld")
