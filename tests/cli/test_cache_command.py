"""``ovbench cache`` as people use it, and ``ovbench eval`` through the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ovbench.cli.app import app
from ovbench.errors import InputError
from ovbench.report.sections import size_text
from ovbench.runs.evaluate import EvalOptions, plan
from ovbench.runs.generation_cache import AnswerCache, Kept
from ovbench.runs.records import SystemRecord
from ovbench.systems.answers import Answer
from ovbench.tasks import Gold, Item, Task


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(name: str, batches: int = 2) -> None:
    items = tuple(Item(f"{n}", "d", "t") for n in range(3 * batches))
    gold = {item.id: Gold(labels=("sad",)) for item in items}
    task = Task("task", "A task", "test", "test", items, gold, "labels", ("ew-open-1",))
    about = SystemRecord(name=name, kind="causal_lm", adapter="1" * 64)
    work = plan(task, about, EvalOptions(batch_size=3, cache=AnswerCache()))
    assert work.answers is not None
    for batch in work.batches:
        kept = Kept(tuple(Answer(item.id, "sad", "ok", 2) for item in batch))
        work.answers.keep(batch, kept)


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cache", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_what_is_there_is_shown(home: Path) -> None:
    assert "0 B" in call()
    assert not home.exists(), "looking makes nothing"
    fill("one")
    fill("two", 3)
    shown = call()
    assert "one" in shown
    assert str(home / "generations") in shown.replace("\n", "")
    found = json.loads(call("--json", "-"))
    assert [(r["recipe"], r["answers"], r["entries"]) for r in found["recipes"]] == [
        ("one", 6, 2),
        ("two", 9, 3),
    ]


def test_pruning_and_clearing(home: Path) -> None:
    fill("one")
    fill("two", 3)
    assert call("prune", "--older-than", "1h").startswith("removed 0 answers")
    assert call("prune", "--recipe", "one").startswith("removed 6 answers")
    assert call("prune", "--keep-gb", "1").startswith("removed 0 answers")
    assert call("prune", "--keep-gb", "0", "--recipe", "one").startswith("removed 0 answers")
    assert call("clear").startswith("removed 9 answers")
    assert json.loads(call("--json", "-"))["recipes"] == []


def test_what_to_remove_must_be_said() -> None:
    for arguments in (["prune"], ["prune", "--older-than", "30"], ["prune", "--older-than", "xd"]):
        with pytest.raises(InputError) as caught:
            CliRunner().invoke(app, ["cache", *arguments], catch_exceptions=False)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *((0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1500, "1.5 kB"), (80_800_000, "80.8 MB")),
        *((999_499, "999 kB"), (999_600, "1 MB"), (12.3e9, "12.3 GB"), (2.5e12, "2,500.0 GB")),
    ],
)
def test_sizes_as_people_read_them(size: float, text: str) -> None:
    assert size_text(size) == text


def test_eval_takes_answers_from_the_cache_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go(out: str, *more: str) -> str:
        arguments = ["eval", "-m", "affectgpt-lora-r8", "-L", "4", "--draws", "0", "--no-floors"]
        result = CliRunner().invoke(
            app,
            [*arguments, "--device", "cpu", "-o", str(tmp_path / out), *more],
            catch_exceptions=False,
        )
        assert result.exit_code == 0
        return result.output

    assert "from the cache" not in go("a")

    def no_load(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("ovbench.systems.loading.load_base", no_load)
    assert "4 answers from the cache" in go("b")
    run = Path("affectgpt-lora-r8", "tinyov-limit-4")
    for name in ("predictions.jsonl", "preflight.json"):
        assert (tmp_path / "a" / run / name).read_bytes() == (
            tmp_path / "b" / run / name
        ).read_bytes()
    with pytest.raises(AssertionError, match="a model was loaded"):
        go("c", "--no-cache")
