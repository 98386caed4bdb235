"""``ovbench sweep`` and the folds and intervals of ``ovbench score``, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ovbench.cli import score as score_command
from ovbench.cli import sweep as sweep_command
from ovbench.errors import InputError
from ovbench.runs import sweep as sweep_module
from ovbench.runs.generation_cache import AnswerCache
from ovbench.runs.grid import read_grid
from ovbench.systems.registry import load_trainable
from ovbench.tasks import folds

runner = CliRunner()


def app_of(command: object) -> typer.Typer:
    found = typer.Typer()
    found.command()(command)  # type: ignore[type-var]
    return found


def invoke(command: object, *arguments: object) -> str:
    """Standard output; what goes wrong is raised here."""
    done = runner.invoke(app_of(command), [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def sweep(*arguments: object) -> str:
    return invoke(sweep_command.sweep, *arguments)


MODEL = ("--model", "affectgpt-lora-r8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (MODEL, "there is no grid"),
        ((*MODEL, "--grid", "lora_rr=2"), "did you mean 'lora_r'"),
        ((*MODEL, "--grid", "lora_r=2", "lora_alpha=8,8"), "lora_alpha=8,8: 8 comes twice"),
        ((*MODEL, "--grid", "lora_r=", "lora_alpha=8"), "an empty value"),
        ((*MODEL, "--grid", "lora_r=x"), "expected a whole number"),
        ((*MODEL, "--grid", "lora_r=2,4", "--plot", "heat.pdf"), r"ends in \.svg or \.png"),
        ((*MODEL, "--grid", "lora_r=2", "--plot", "heat.svg"), "0 keys of the grid have several"),
        ((*MODEL, "--grid", "lora_r=2", "--split", "test"), "is a test split"),
        ((*MODEL, "--grid", "lora_r=2", "--task", "tinyv"), "did you mean 'tinyov'"),
        ((*MODEL, "--grid", "lora_r=2", "--limit", "0.0"), "--limit 0"),
        ((*MODEL, "--grid", "lora_r=2", "--batch-size", "many"), "--batch-size many"),
        ((*MODEL, "--grid", "lora_r=2", "-p", "sentiment-non0"), "does not score what task"),
        (("--model", "majority", "--grid", "lora_r=2"), "nothing to train"),
        (("--model", "lora-las-r5", "--grid", "lora_r=2"), "unknown model"),
    ],
)
def test_mistakes_are_one_message_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        sweep(*arguments)
    assert caught.value.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_the_grid_is_read_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys after the option or with an option each; the folder by its short name."""
    asked: list[tuple[list[str], dict[str, object]]] = []

    def stop(model: str, texts: list[str], **options: object) -> None:
        asked.append((texts, options))
        raise InputError("far enough")

    monkeypatch.setattr(sweep_module, "sweep", stop)
    for words in (
        ("--grid", "lora_r=2,4", "lora_alpha=8,16", "--folds", 3, "--out", tmp_path),
        ("--folds", 3, "-o", tmp_path, "--grid", "lora_r=2,4", "--grid", "lora_alpha=8,16"),
    ):
        with pytest.raises(InputError, match="far enough"):
            sweep(*MODEL, *words)
    assert [texts for texts, _ in asked] == [["lora_r=2,4", "lora_alpha=8,16"]] * 2
    assert {(options["folds"], options["out"]) for _, options in asked} == {(3, str(tmp_path))}
    assert asked[0][1]["task"] == "tinyov"
    assert asked[0][1]["split"] == "train"


def test_the_help_tells_how_cells_are_ranked_and_shows_a_grid_that_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = runner.invoke(app_of(sweep_command.sweep), ["--help"]).stdout
    assert "of a class task, its first closed-set" in " ".join(told.replace("│", " ").split())
    asked: list[dict[str, tuple[object, ...]]] = []

    def stop(model: str, texts: list[str], **options: object) -> None:
        axes = read_grid(texts, load_trainable(model), "tiny")
        asked.append({axis.key: axis.values for axis in axes})
        raise InputError("far enough")

    monkeypatch.setattr(sweep_module, "sweep", stop)
    line = "--model thau-gemma-lora --grid lora_r=16,32,64 lora_alpha=32,64 --seed 42"
    assert f"ovbench sweep {line}" in (sweep_command.sweep.__doc__ or "")
    with pytest.raises(InputError, match="far enough"):
        sweep(*line.split(), "--out", tmp_path)
    assert asked == [{"lora_r": (16, 32, 64), "lora_alpha": (32, 64)}]


def test_what_the_cache_could_not_keep_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        def to_json(self) -> str:
            return "{}\n"

    def fail(model: str, texts: list[str], *, cache: AnswerCache, **options: object) -> Found:
        cache.fault = "no room"
        return Found()

    monkeypatch.setattr(sweep_module, "sweep", fail)
    words = [*MODEL, "--grid", "lora_r=2", "--json", "-"]
    done = runner.invoke(app_of(sweep_command.sweep), words, catch_exceptions=False)
    assert done.stdout == "{}\n"
    assert "could not be kept in the cache: no room" in " ".join(done.stderr.split())


def files(folder: Path) -> tuple[Path, Path]:
    rows = [f"i{i},{'sad' if i % 3 else 'joy'},{i % 4}" for i in range(60)]
    (folder / "gold.csv").write_text("\n".join(["id,label,session", *rows]) + "\n")
    answers = [f"i{i},{'sad' if i % 2 else 'happy'}" for i in range(60)]
    (folder / "said.csv").write_text("\n".join(["id,label", *answers]) + "\n")
    return folder / "said.csv", folder / "gold.csv"


def test_folds_and_wald_from_the_command_line(tmp_path: Path) -> None:
    said, gold = files(tmp_path)
    words = (said, "--gold", gold, "-p", "closed-set", "--folds", "session", "--draws", 100)
    table = invoke(score_command.score, *words, "--ci", "wald")
    assert "mean of folds" in table
    assert "bootstrap / Wald" in table
    assert "no share of the items" in table
    whole = json.loads(invoke(score_command.score, *words, "--ci", "wald", "--json", "-"))
    assert list(whole["folds"]["by_fold"]) == ["0", "1", "2", "3"]
    assert whole["wald"]["intervals"]["accuracy"]["proportion"] is True
    plain = json.loads(invoke(score_command.score, *words[:5], "--draws", 0, "--json", "-"))
    assert plain["folds"] is plain["wald"] is None


def test_all_test_folds_of_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ovbench.tasks import Gold, Item, Task

    def part(name: str, split: str, data: object, **_: object) -> Task:
        ids = [f"{split}-{i}" for i in range(4)]
        return Task(
            id=name, title="x", split=split, role="test",
            items=tuple(Item(one, "", "") for one in ids),
            gold={one: Gold(("sad",), "sad") for one in ids},
            answers="class", protocols=("closed-set",),
        )  # fmt: skip

    monkeypatch.setattr(folds, "load_task", part)
    lines = [
        f"fold{k}-test-{i},{'sad' if i < k else 'happy'}" for k in range(1, 6) for i in range(4)
    ]
    (tmp_path / "said.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    words = (tmp_path / "said.csv", "--task", "iemocap-4class", "--draws", 0, "--json", "-")
    whole = json.loads(invoke(score_command.score, *words, "--split", "folds"))
    assert whole["gold"] == "iemocap-4class/folds"
    each = [fold["scores"]["accuracy"] for fold in whole["folds"]["by_fold"].values()]
    assert each == [0.25, 0.5, 0.75, 1.0, 1.0]
    with pytest.raises(InputError, match="task 'meld' has no folds"):
        invoke(score_command.score, tmp_path / "said.csv", "--task", "meld", "--split", "folds")
