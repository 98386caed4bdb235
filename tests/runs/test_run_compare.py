"""Comparisons: rows, seeds, differences and refusals, from runs of systems without a model."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from run_fakes import Answer, fake_load, text_of

from ovbench.errors import InputError, ValidationError
from ovbench.runs.compare import compare_runs
from ovbench.runs.comparison import Comparison
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.records import SystemRecord
from ovbench.scoring import Options

pytestmark = pytest.mark.usefixtures("fake_tasks")
OPTIONS = EvalOptions(batch_size=4, scoring=Options(draws=0, floors=False), command="test")


@dataclass
class Noisy:
    """Answers with the gold for a share of the items, else with any words."""

    name: str
    share: float
    seed: int

    def predict(self, items, batch_size):  # type: ignore[no-untyped-def]
        gold = fake_load("tinyov").gold_source()
        for item in items:
            draw = np.random.default_rng([self.seed, sum(map(ord, item.id))]).random()
            words = ", ".join(gold[item.id]) if draw < self.share else text_of(item)  # type: ignore[call-overload]
            yield Answer(item.id, words)


def run_of(
    out: Path, name: str, share: float, seed: int, limit: int | None = None, **about: object
) -> str:
    record = SystemRecord(
        name=name,
        kind="fake",
        recipe=f"{name:0<64}",
        training_seed=seed,
        **about,  # type: ignore[arg-type]
    )
    home = out / f"{name}-{seed}-{limit}-{len(about)}"
    options = replace(OPTIONS, limit=limit)
    found = evaluate(Noisy(name, share, seed), fake_load("tinyov"), record, home, options)
    return found.folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    out = tmp_path_factory.mktemp("runs")
    return {
        "good": [run_of(out, "good", 0.9, seed) for seed in (2, 0, 1)],
        "bad": [run_of(out, "bad", 0.1, seed) for seed in (0, 1, 2)],
        "again": [run_of(out / "again", "good", 0.85, seed) for seed in (0, 1, 2)],
        "short": [run_of(out, "short", 0.5, seed) for seed in (1, 7)],
        "limited": [run_of(out, "good", 0.9, 0, limit=4)],
    }


def compare(*groups: list[str], **options: object) -> Comparison:
    return compare_runs([f for group in groups for f in group], draws=300, **options)  # type: ignore[arg-type]


def headline(folder: str, protocol: str, score: str) -> float:
    text = next(Path(folder).glob("results_*.json")).read_text()
    results = json.loads(text)["results"]
    return next(r for r in results if r["protocol"] == protocol)["scores"][score]  # type: ignore[no-any-return]


def test_rows_seeds_and_scores(folders: dict[str, list[str]]) -> None:
    found = compare(folders["good"], folders["bad"], noise=folders["again"])
    assert [(m.title, m.protocol, m.score) for m in found.metrics] == [
        ("WF", "ew-open-1", "f1"),
        ("HiT", "hit-open-1", "hit_rate"),
    ]
    good, bad = found.rows
    assert (good.name, good.seeds) == ("good", (0, 1, 2))
    assert good.runs == tuple(folders["good"][k] for k in (1, 2, 0))
    for row in found.rows:
        for metric in found.metrics:
            each = [headline(run, metric.protocol, metric.score) for run in row.runs]
            assert row.scores[metric.title].by_seed == pytest.approx(each)
            assert row.scores[metric.title].mean == pytest.approx(np.mean(each))
    assert good.differences == {}
    difference = bad.differences["WF"]
    assert difference.difference == pytest.approx(bad.scores["WF"].mean - good.scores["WF"].mean)
    assert difference.difference < 0
    assert difference.p_holm == difference.p
    assert found.noise_of == "good"
    expected = np.array(good.scores["WF"].by_seed) - [
        headline(run, "ew-open-1", "f1") for run in folders["again"]
    ]
    assert found.noise["WF"].by_seed == pytest.approx(expected)
    assert Comparison.model_validate_json(found.to_json()) == found
    assert found.comparable


def test_equal_rows_are_not_told_apart(tmp_path: Path, folders: dict[str, list[str]]) -> None:
    twin = [run_of(tmp_path, "twin", 0.9, seed) for seed in (0, 1, 2)]
    found = compare(folders["good"], twin, noise=folders["again"])
    difference = found.rows[1].differences["WF"]
    assert (difference.difference, difference.p) == (0.0, 1.0)
    assert found.rows[1].above_noise == {"WF": False, "HiT": False}


def test_a_difference_below_the_noise_floor_is_not_above_it(
    tmp_path: Path, folders: dict[str, list[str]]
) -> None:
    quiet = compare(folders["bad"], folders["good"])
    assert quiet.rows[1].above_noise["WF"]
    # Batch order alone does what the other method does.
    wild = [run_of(tmp_path, "bad", 0.9, seed) for seed in (0, 1, 2)]
    loud = compare(folders["bad"], folders["good"], noise=wild)
    assert loud.rows[1].differences == quiet.rows[1].differences
    assert loud.noise["WF"].floor > loud.rows[1].differences["WF"].difference
    assert loud.rows[1].above_noise["WF"] is False
    same = [run_of(tmp_path / side, "tuned", 0.5, 0, adapter="a" * 64) for side in "ab"]
    with pytest.raises(InputError, match=r"the same adapter.*--seed 0 --batch-order-seed 1"):
        compare(same[:1], noise=same[1:])
    with pytest.raises(InputError, match="the noise floor was given runs of good"):
        compare(folders["bad"], folders["short"], noise=folders["good"])


def test_differences_are_over_shared_seeds(folders: dict[str, list[str]]) -> None:
    found = compare(folders["good"], folders["short"])
    (only,) = found.rows[1].differences["WF"].by_seed
    assert only == pytest.approx(
        found.rows[1].scores["WF"].by_seed[0] - found.rows[0].scores["WF"].by_seed[1]
    )
    assert found.rows[1].above_noise == {"WF": None, "HiT": None}
    assert any("short: other seeds than good" in warning for warning in found.warnings)
    assert any("no noise floor" in warning for warning in found.warnings)
    with pytest.raises(InputError, match="seeds 0, 1, 2 and short with 7"):
        compare(folders["good"], folders["short"][1:])


def test_a_limited_comparison_says_so(folders: dict[str, list[str]]) -> None:
    found = compare(folders["limited"])
    assert not found.comparable
    assert found.items == 4
    with pytest.raises(InputError, match="have not answered the same items"):
        compare(folders["limited"], folders["bad"])


def test_runs_that_do_not_belong_together(
    tmp_path: Path, folders: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="good has two runs of seed 0"):
        compare(folders["good"], folders["again"])
    other = run_of(tmp_path, "good", 0.9, 5, prompt="ab" * 32)
    with pytest.raises(InputError, match="both called good, but differ in prompt"):
        compare(folders["good"], [other])
    with pytest.raises(InputError, match="no runs to compare"):
        compare([])
    with pytest.raises(InputError, match="this is no run"):
        compare([str(tmp_path)])
    broken = Path(run_of(tmp_path, "broken", 0.5, 0))
    lines = (broken / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (broken / "predictions.jsonl").write_bytes(b"".join(lines[:-2]))
    with pytest.raises(InputError, match=r"not finished: 9 of 11 items.*: test"):
        compare([str(broken)])
    monkeypatch.setattr(
        "ovbench.runs.compare.load_task", lambda *_: fake_load("tinyov").limited(10)
    )
    with pytest.raises(ValidationError, match="is not what it was when this run was made"):
        compare(folders["good"])


def test_the_order_of_the_folders_within_a_row_does_not_matter(
    folders: dict[str, list[str]],
) -> None:
    assert compare(folders["good"], folders["bad"]) == compare(
        folders["good"][::-1], folders["bad"][::-1]
    )
