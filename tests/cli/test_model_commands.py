"""The commands that run models, as a user runs them, on the bundled backbone and adapters."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*arguments: str, cwd: Path = REPOSITORY, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ovbench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def refused(*arguments: str, cwd: Path = REPOSITORY) -> str:
    """The one line of an error whose exit code is 2."""
    done = run(*arguments, cwd=cwd, code=2)
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A model whose answers other tests have left in the cache is not checked before its run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the README's main command was run, and what it printed."""
    folder = tmp_path_factory.mktemp("readme")
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    line = next(line for line in readme.splitlines() if "ovbench eval" in line and "venv" in line)
    arguments = line.rpartition(".venv/bin/ovbench ")[2].split()
    done = run(*arguments, "--json", "out.json", cwd=folder)
    assert "preflight: adapter moves logits" in done.stderr
    assert "scale tiny" in done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_the_readme_s_main_command_beats_every_trivial_answer(evaluated: tuple[Path, str]) -> None:
    folder, printed = evaluated
    results = json.loads((folder / "out.json").read_text("utf-8"))["results"]
    wheel = next(one for one in results if one["protocol"] == "ew-open-1")
    best = max(scores["f1"] for scores in wheel["floors"].values())
    assert wheel["scores"]["f1"] > best + 0.15
    assert wheel["counts"]["gold"] == 332
    assert "best trivial answer" in printed
    assert "|n:332|" in wheel["signature"]


def test_a_run_is_scored_alike_by_eval_and_by_score(
    evaluated: tuple[Path, str], tmp_path: Path
) -> None:
    """What eval wrote, given to ``ovbench score`` as a file, scores the same to the last bit."""
    from ovbench.tasks import load_task

    folder, _ = evaluated
    gold = tmp_path / "gold.jsonl"
    lines = [
        json.dumps({"id": name, "labels": list(one.labels)})
        for name, one in load_task("tinyov").gold.items()
    ]
    gold.write_text("\n".join(lines), "utf-8")
    predictions = folder / "runs" / "lora-las-r4" / "tinyov" / "predictions.jsonl"
    done = run("score", str(predictions), "--gold", str(gold), "--label-column", "text",
               "--json", "-")  # fmt: skip
    alone = json.loads(done.stdout)
    (within,) = (
        one
        for one in json.loads((folder / "out.json").read_text("utf-8"))["results"]
        if one["protocol"] == "ew-open-1"
    )
    for field in ("scores", "by_wheel", "intervals", "floors", "wheels", "labels"):
        assert alone[field] == within[field], field


def test_a_second_eval_does_no_model_work_and_writes_the_same(evaluated: tuple[Path, str]) -> None:
    folder, _ = evaluated
    predictions = folder / "runs" / "lora-las-r4" / "tinyov" / "predictions.jsonl"
    before = predictions.read_bytes()
    run("eval", "--model", "lora-las-r4", "--json", "again.json", cwd=folder)
    assert predictions.read_bytes() == before
    assert (folder / "again.json").read_bytes() == (folder / "out.json").read_bytes()


@pytest.mark.slow
def test_las_report_and_leak_test_of_the_run(evaluated: tuple[Path, str]) -> None:
    folder, _ = evaluated
    report = json.loads(
        run("las-report", "runs/lora-las-r4/tinyov", "--json", "-", cwd=folder).stdout
    )
    assert report["amplitude"] == 2e-4
    changes = report["changes"]
    assert changes["adapter_off"]["mean_abs"] > 100 * changes["las_off"]["mean_abs"] > 0
    printed = run("leak-test", "runs/lora-las-r4/tinyov", cwd=folder).stdout
    assert re.search(r"verdict +no leak", printed)
    assert re.search(r"control.* [1-9]\d* of \d+ answers change", printed)


@pytest.mark.slow
def test_runs_are_compared(evaluated: tuple[Path, str]) -> None:
    folder, _ = evaluated
    run("eval", "--model", "frequent_k,random".replace("_", "-"), cwd=folder)
    runs = [f"runs/{name}/tinyov" for name in ("frequent-k", "random", "lora-las-r4")]
    done = run("compare", *runs, "--draws", "200", "--plot", "plot.svg", "--markdown", "table.md",
               "--json", "-", cwd=folder)  # fmt: skip
    rows = json.loads(done.stdout)["rows"]
    assert [row["name"] for row in rows] == ["frequent-k", "random", "lora-las-r4"]
    assert rows[2]["differences"]["WF"]["difference"] > 0.15
    assert rows[2]["cost"]["unknown"] is None
    assert all(value for name, value in rows[2]["cost"].items() if name != "unknown")
    assert (folder / "plot.svg").read_text("utf-8").startswith("<svg")
    assert "lora-las-r4" in (folder / "table.md").read_text("utf-8")


@pytest.mark.slow
def test_every_recipe_has_a_bundled_adapter_that_is_told_from_its_base(tmp_path: Path) -> None:
    listed = json.loads(run("list", "models", "--json", "-").stdout)["models"]
    tunable = [model for model in listed if model["kind"] == "causal_lm"]
    names = [one["name"] for one in tunable if one["scales"]["tiny"]["train_task"] is None]
    assert len(names) >= 11  # those of TinyOV; what is trained on clips has tests of its own
    done = run("eval", "--model", ",".join(names), "--limit", "8", "--draws", "0", "--no-floors",
               "--json", "-", cwd=tmp_path)  # fmt: skip
    results = json.loads(done.stdout)["results"]
    assert {one["predictions"] for one in results} == set(names)
    assert done.stderr.count("preflight: ") == len(names)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("eval", "--model", "lora-las-r5"), "did you mean"),
        (("eval", "--model", "lora-las-r4", "--tasks", "tinyof"), "'tinyov'"),
        (("eval", "--model", "lora-las-r4", "--limit", "1.5"), "--limit 1.5"),
        (("eval", "--model", "lora-las-r4", "--batch-size", "many"), "--batch-size many"),
        (("eval", "--model", "lora-las-r4,lora-las-r4"), "twice"),
        (("eval", "--model", ","), "no model"),
        (("eval", "--model", "lora-las-r4", "--device", "tpu"), "tpu"),
        (("eval", "--model", "lora-las-r4", "--scale", "large"), "large"),
        (("train", "--model", "majority"), "nothing to train"),
        (("params", "--model", "lora-las-r4", "--base", "qwen3"), "qwen"),
        (("compare", "tests", "lora-las-r4"), "mixed"),
        (("compare", ".", ".", "--seeds", "3"), "--seeds does not go with run folders"),
        (("compare", ".", ".", "--no-noise"), "--noise does not go with run folders"),
        (("compare", "lora-las-r4", "--plot", "plot.pdf"), ".svg or .png"),
        (("las-report", "tests"), "tests"),
        (("show", "model", "lora-lass-r4"), "lora-las-r4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], part: str, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    assert part in refused(*arguments, cwd=tmp_path)
    assert not (tmp_path / "runs").exists()


def test_the_paper_scale_without_weights_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("OVBENCH_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("OVBENCH_DATA", raising=False)
    for command, data in (("eval", "OV-MERD"), ("train", "MER-Caption+")):
        done = run(command, "--model", "lora-las-r4", "--scale", "paper", cwd=tmp_path, code=2)
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert "things are missing" in errors[0]
        for part in ("Qwen/Qwen2.5-7B-Instruct", "15.2 GB", "download", "--base", data, "Ask for"):
            assert part in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_comparison_at_the_paper_scale_tells_all_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("OVBENCH_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("OVBENCH_DATA", raising=False)
    names = ("affectgpt-lora-r8", "lora-las-r4", "dora-r8")
    told = run("compare", *names, "--scale", "paper", cwd=tmp_path, code=2).stderr
    assert told.count("error: ") == 1
    assert "4 things are missing" in told
    for once in (
        "the weights of Qwen/Qwen2.5-7B-Instruct are not on this machine",
        "track2_train_ovmerd.csv",
        "track2_train_mercaptionplus.csv",
        "all-mpnet-base-v2: no sentence-transformers model",
    ):
        assert told.count(once) == 1, once
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["eval", "train", "compare"])
def test_help_tells_the_exit_codes(command: str) -> None:
    text = " ".join(run(command, "--help").stdout.split())
    codes = text.partition("Exit codes: ")[2]
    assert codes.startswith("0 ")
    for part in (" 1 failed while", " 2 bad input", " 3 a damaged file", " 130 stopped"):
        assert part in codes


def test_a_model_is_shown_with_its_sources() -> None:
    shown = run("show", "model", "lora-las-r4").stdout
    for part in ("amplitude", "0.0002", "Published by its authors (not measured here)", "60.73",
                 "voice: {description}"):  # fmt: skip
        assert part in shown


def test_params_prints_the_figures_of_the_published_form() -> None:
    counts = json.loads(
        run("params", "--model", "lora-las-r4-full,lora-las-r4", "--json", "-").stdout
    )["parameters"]
    own = {one["recipe"]: one for one in reversed(counts)}  # a recipe's own form comes first
    assert own["lora-las-r4-full"]["trainable"] == 1_079_457_792
    assert own["lora-las-r4"]["context"] == 12_521_480
    forms = {one["projection"] for one in counts if one["recipe"] == "lora-las-r4"}
    assert forms == {"full", "shared_down", "tied", "scalar"}


@pytest.mark.slow
def test_train_trains_and_eval_takes_the_result(tmp_path: Path) -> None:
    out = str(tmp_path / "runs" / "affectgpt-lora-r8" / "train")
    given = str(REPOSITORY / "adapters" / "affectgpt-lora-r8.toml")
    done = run("train", "--model", given, "--steps", "2", "-o", out, "--json", "report.json",
               cwd=tmp_path)  # fmt: skip
    assert f"ovbench eval --model {given} --adapter {out}" in done.stdout.replace("\n", " ")
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["steps"] == 2
    origin = json.loads((Path(out) / "adapter" / "base.json").read_text("utf-8"))
    assert origin["method"] == {"name": "lora", "r": 8}
    assert report["train_items"]["ok"] == 4000
    found = run("eval", "--model", "affectgpt-lora-r8", "--limit", "4", "--json", "-",
                "--output-path", str(tmp_path / "runs"))  # fmt: skip
    assert json.loads(found.stdout)["results"][0]["counts"]["gold"] == 4
    record = json.loads(
        (tmp_path / "runs/affectgpt-lora-r8/tinyov-limit-4/run.json").read_text("utf-8")
    )
    assert record["settings"]["system"]["training_seed"] == 0
