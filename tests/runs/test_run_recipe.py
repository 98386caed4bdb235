"""From a recipe's name to a run, with a random base and adapters made on the spot."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_fakes import fake_load
from run_models import make_adapter
from sweep_kit import short_recipe
from test_run_replicate import report

from ovbench.errors import InputError, UnknownNameError, ValidationError
from ovbench.runs.compare import compare_runs
from ovbench.runs.costs import costs_of_runs, with_costs
from ovbench.runs.evaluate import EvalOptions
from ovbench.runs.footprint import footprint
from ovbench.runs.place import Place, find_adapter
from ovbench.runs.preflight import Preflight
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.records import Prediction
from ovbench.runs.reopen import las_report_of, leak_test_of, reopen
from ovbench.runs.store import read_run
from ovbench.scoring import Options
from ovbench.systems import load_recipe
from ovbench.systems.missing import MissingPartsError
from ovbench.tasks import Task
from ovbench.training.train import train

pytestmark = pytest.mark.usefixtures("fake_tasks")
OPTIONS = EvalOptions(scoring=Options(draws=0, floors=False), command="test")


@pytest.fixture(scope="module")
def place(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = make_adapter("lora-las-r4-wide", base_folder, tmp_path_factory.mktemp("a") / "wide")
    return Place(adapter=folder, base=str(base_folder), device="cpu")


def test_a_las_recipe_from_end_to_end(tmp_path: Path, place: Place) -> None:
    seen: list[Preflight] = []
    (run,) = evaluate_recipe(
        "lora-las-r4-wide",
        ["tinyov"],
        out=tmp_path,
        place=place,
        batch_size=4,
        options=OPTIONS,
        on_preflight=seen.append,
    )
    assert run.folder == str(tmp_path / "lora-las-r4-wide" / "tinyov")
    assert seen == [run.preflight]
    assert seen[0].context_layers == seen[0].context_layers_reached
    assert seen[0].context_layers
    system = run.record.settings.system
    assert (system.scale, system.context_source, system.oracle) == ("tiny", "description", False)
    assert (system.dtype, system.device) == ("float32", "cpu")
    for field in ("recipe", "base", "adapter", "prompt", "context"):
        assert len(getattr(system, field)) == 64
    assert system.decoding["temperature"] == 0
    assert sum(run.statuses.values()) == 11
    assert run.cost.tokens > 0


def test_the_batch_size_changes_no_answer(tmp_path: Path, place: Place) -> None:
    answers = []
    for size in (1, 4, "auto"):
        out = tmp_path / str(size)
        (run,) = evaluate_recipe(
            "lora-las-r4-wide",
            out=out,
            place=place,
            batch_size=size,
            options=OPTIONS,  # type: ignore[arg-type]
        )
        _, done = read_run(Path(run.folder))
        answers.append([(p.id, p.text) for p in done.values()])
    assert answers[0] == answers[1] == answers[2]


def test_trivial_systems_need_no_model(tmp_path: Path) -> None:
    (run,) = evaluate_recipe("majority", ["tinyov"], out=tmp_path, options=OPTIONS)
    _, done = read_run(Path(run.folder))
    assert len({p.text for p in done.values()}) == 1
    assert run.preflight is None
    assert run.record.settings.system.train == fake_load("tinyov", "train").digest()
    seeds = [
        evaluate_recipe("random", out=tmp_path / str(s), options=replace(OPTIONS, seed=s))[0]
        for s in (0, 1)
    ]
    first, second = (read_run(Path(r.folder))[1] for r in seeds)
    assert [p.text for p in first.values()] != [p.text for p in second.values()]


def test_other_splits_have_folders_of_their_own(tmp_path: Path) -> None:
    for split in ("test", "dev"):
        evaluate_recipe("majority", out=tmp_path, options=OPTIONS, split=split)
    assert {p.name for p in (tmp_path / "majority").iterdir()} == {"tinyov", "tinyov-dev"}


def test_unknown_names_are_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*'lora-las-r4'"):
        evaluate_recipe("lora-las-r", out=tmp_path)
    with pytest.raises(UnknownNameError, match="scale of lora-las-r4 'tinny'"):
        evaluate_recipe("lora-las-r4", out=tmp_path, place=Place(scale="tinny"))


def test_no_adapter_says_how_to_train_one(tmp_path: Path, base_folder: Path) -> None:
    where = Place(base=str(base_folder), device="cpu")
    with pytest.raises(InputError, match="no trained adapter of 'lora-las-r4'") as caught:
        evaluate_recipe("lora-las-r4", out=tmp_path, place=where)
    told = str(caught.value)
    assert f"ovbench train --model lora-las-r4 --base {base_folder}" in told
    assert str(tmp_path / "lora-las-r4" / "train") in told


def test_where_adapters_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("lora-las-r4")
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    monkeypatch.setattr("ovbench.runs.place.adapter_folder", lambda name: bundled)
    assert find_adapter(recipe, Place(), tmp_path) == bundled  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at scale 'paper'"):
        find_adapter(recipe, Place(scale="paper"), tmp_path)  # type: ignore[arg-type]
    trained = tmp_path / "lora-las-r4" / "train" / "adapter"
    trained.mkdir(parents=True)
    # A training without its report is not finished, and its adapter is not taken unasked.
    assert find_adapter(recipe, Place(), tmp_path) == bundled  # type: ignore[arg-type]
    (trained.parent / "training.json").touch()
    assert find_adapter(recipe, Place(), tmp_path) == trained  # type: ignore[arg-type]
    given = Place(adapter=trained.parent)
    assert find_adapter(recipe, given, tmp_path / "x") == trained  # type: ignore[arg-type]
    assert find_adapter(recipe, Place(adapter=bundled), tmp_path) == bundled  # type: ignore[arg-type]


def test_another_adapter_in_the_same_folder_is_refused(
    tmp_path: Path, place: Place, base_folder: Path
) -> None:
    evaluate_recipe("lora-las-r4-wide", out=tmp_path, place=place, batch_size=4, options=OPTIONS)
    other = make_adapter("lora-las-r4-wide", base_folder, tmp_path / "other", seed=5)
    elsewhere = replace(place, adapter=other)
    with pytest.raises(InputError, match=r"system\.adapter is [0-9a-f]{12}… there and"):
        evaluate_recipe(
            "lora-las-r4-wide", out=tmp_path, place=elsewhere, batch_size=4, options=OPTIONS
        )


def test_a_run_is_opened_again_by_hash(tmp_path: Path, place: Place, base_folder: Path) -> None:
    (run,) = evaluate_recipe(
        "lora-las-r4-wide", out=tmp_path, place=place, batch_size=4, options=OPTIONS
    )
    found = reopen(run.folder, place)
    assert found.record == run.record
    assert [*found.predictions] == [item.id for item in found.task.items]
    other = make_adapter("lora-las-r4-wide", base_folder, tmp_path / "other", seed=5)
    with pytest.raises(ValidationError, match="the adapter is not the one that made this run"):
        reopen(run.folder, replace(place, adapter=other))
    (trivial,) = evaluate_recipe("majority", out=tmp_path, options=OPTIONS)
    with pytest.raises(InputError, match="majority is of kind constant"):
        reopen(trivial.folder)
    path = Path(run.folder) / "run.json"
    text = path.read_text().replace(run.record.settings.task_digest, "0" * 64)
    path.write_text(text)
    with pytest.raises(ValidationError, match="the task is not the one"):
        reopen(run.folder, place)


def test_the_las_report_of_a_run(tmp_path: Path, place: Place) -> None:
    (run,) = evaluate_recipe(
        "lora-las-r4-wide", out=tmp_path, place=place, batch_size=4, options=OPTIONS
    )
    found = las_report_of(run.folder, place, batch_size=5)
    assert (found.system, found.task, found.items) == ("lora-las-r4-wide", "tinyov", 11)
    assert (found.amplitude, found.omega) == (0.5, 3.0)
    assert found.changes["context_swap"].mean_abs > 100 * found.changes["rounding"].mean_abs
    assert json.loads(found.to_json())["changes"]["las_off"]["reference"] == "las"


def test_the_leak_test_of_a_run(tmp_path: Path, place: Place) -> None:
    """A part of the items, contexts exchanged among all of them, answers as recorded."""
    recipe = variant(tmp_path, "exchanged", "[context]", "[context]\nshuffled = true")
    options = replace(OPTIONS, limit=5)
    (run,) = evaluate_recipe(str(recipe), out=tmp_path, place=place, batch_size=2, options=options)
    found = leak_test_of(run.folder, place, recipe=str(recipe))
    assert found.verdict == "no leak"
    assert found.items == 5
    assert found.not_as_recorded == ()
    assert found.control.differing > 0
    assert las_report_of(run.folder, place, recipe=str(recipe)).items == 5


def variant(folder: Path, name: str, old: str, new: str) -> Path:
    """A recipe file like lora-las-r4-wide's, under another name and with one thing changed."""
    adapters = Path(__file__).parents[2] / "adapters"
    (folder / "prompts").mkdir()
    for file in (adapters / "prompts").iterdir():
        (folder / "prompts" / file.name).write_text(file.read_text())
    text = (adapters / "lora-las-r4-wide.toml").read_text()
    assert old in text
    named = text.replace('name = "lora-las-r4-wide"', f'name = "{name}"').replace(old, new, 1)
    path = folder / f"{name}.toml"
    path.write_text(named)
    return path


def test_two_passes_are_kept_and_opened_again(tmp_path: Path, place: Place) -> None:
    """The contexts of the second pass follow from the run: the very ones that it was made with."""
    recipe = str(variant(tmp_path, "twice", 'source = "description"', 'source = "two_pass"'))
    (run,) = evaluate_recipe(recipe, out=tmp_path, place=place, batch_size=4, options=OPTIONS)
    _, done = read_run(Path(run.folder))
    assert all(one.passes == 2 and one.first_pass is not None for one in done.values())
    assert any(one.first_pass != one.text for one in done.values())
    opened = reopen(run.folder, place, recipe)
    system = opened.system()
    items = opened.task.items
    texts = {name: one.first_pass or "" for name, one in done.items()}
    rows = system.context_rows(items, texts)
    again = {answer.id: answer for answer in system.predict(items, 4)}
    assert {name: answer.first_pass for name, answer in again.items()} == texts
    seen: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "ovbench.runs.las_report.las_report", lambda model, data, **_: seen.append(data)
        )
        las_report_of(run.folder, place, recipe=recipe)
    assert np.array_equal(seen[0].context, rows)  # type: ignore[attr-defined]
    assert not np.array_equal(rows, system.context_rows(items))
    found = leak_test_of(run.folder, place, recipe=recipe)
    assert found.verdict == "no leak"
    path = Path(run.folder) / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["first_pass"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="does not hold the answers of the first pass"):
        las_report_of(run.folder, place, recipe=recipe)


def test_predictions_of_one_pass_are_the_bytes_they_always_were() -> None:
    plain = Prediction(id="a", text="sad", labels=("sad",), status="ok", tokens=2)
    assert b"first_pass" not in plain.line()
    assert Prediction.model_validate_json(plain.line()) == plain
    twice = plain.model_copy(update={"passes": 2, "first_pass": "happy"})
    assert Prediction.model_validate_json(twice.line()) == twice


def test_tasks_that_nobody_names_are_the_recipe_s(tmp_path: Path, place: Place) -> None:
    recipe = variant(tmp_path, "own", "[scales.tiny]", '[scales.tiny]\neval_tasks = ["other", "b"]')
    assert load_recipe(recipe).digest() == load_recipe("lora-las-r4-wide").digest()
    found = evaluate_recipe(str(recipe), out=tmp_path, place=place, batch_size=4, options=OPTIONS)
    assert [run.record.settings.task for run in found] == ["other", "b"]
    (run,) = evaluate_recipe("majority", out=tmp_path, options=OPTIONS)
    assert run.record.settings.task == "tinyov"
    (run,) = evaluate_recipe("majority", out=tmp_path, options=OPTIONS, place=Place(scale="paper"))
    assert run.record.settings.task == "ov-merd"


def test_all_that_is_missing_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    from ovbench.systems import memory
    from ovbench.tasks import MissingDataError

    def no_data(name: str, split: str | None = None) -> object:
        raise MissingDataError(f"the data of {name}", ["a.csv"], [], "ask for them")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ovbench.runs.recipe.load_task", no_data)
    monkeypatch.setattr(memory, "memory_of", lambda device: 4_000_000_000)
    with pytest.raises(MissingPartsError) as caught:
        evaluate_recipe("affectgpt-lora-r8", out=tmp_path, place=Place(scale="paper", device="cpu"))
    told = str(caught.value)
    for part in (
        "4 things are missing",
        "1. the data of ov-merd: a.csv is not there",
        "2. the weights of Qwen/Qwen2.5-7B-Instruct are not on this machine",
        "hf download Qwen/Qwen2.5-7B-Instruct",
        "3. the weights of Qwen/Qwen2.5-7B-Instruct take 15.2 GB in bfloat16; cpu has 4.0 GB",
        "4. " + str(tmp_path / "affectgpt-lora-r8" / "train-paper"),
        "ovbench train --model affectgpt-lora-r8 --scale paper",
    ):
        assert part in told
    assert not (tmp_path / "affectgpt-lora-r8").exists()


def test_a_task_that_shows_a_model_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = fake_load("tinyov")
    bare = tuple(replace(item, description="", transcript="") for item in task.items)
    monkeypatch.setattr("ovbench.runs.recipe.load_task", lambda *_: replace(task, items=bare))
    with pytest.raises(InputError, match=f"no item of {task.id}/{task.split} has a transcript"):
        evaluate_recipe("lora-las-r4", out=tmp_path, place=Place(device="cpu"))
    heard = tuple(replace(item, description="", transcript="so") for item in task.items)
    monkeypatch.setattr("ovbench.runs.recipe.load_task", lambda *_: replace(task, items=heard))
    with pytest.raises(InputError, match=r"made of descriptions, and no item of .* has one"):
        evaluate_recipe("lora-las-r4", out=tmp_path, place=Place(device="cpu"))
    assert list(tmp_path.iterdir()) == []


def test_what_was_given_is_in_the_next_command(tmp_path: Path, base_folder: Path) -> None:
    recipe = variant(tmp_path, "mine", "r = 4", "r = 8")
    with pytest.raises(InputError, match=rf"ovbench train --model {recipe} --base"):
        evaluate_recipe(str(recipe), out=tmp_path, place=Place(base=str(base_folder), device="cpu"))


def test_costs_of_runs_are_those_of_what_made_them(
    tmp_path: Path, place: Place, base_folder: Path
) -> None:
    """Counted as in a comparison from names; what cannot be found again is null, and is told."""
    (run,) = evaluate_recipe(
        "lora-las-r4-wide", out=tmp_path, place=place, batch_size=4, options=OPTIONS
    )
    found = compare_runs([run.folder], draws=100)
    lost = costs_of_runs(found, Place(base=str(base_folder), device="cpu"))["lora-las-r4-wide"]
    assert lost.adapter_bytes is None
    assert "no trained adapter of 'lora-las-r4-wide'" in str(lost.unknown)
    home = tmp_path / "lora-las-r4-wide" / "train"
    shutil.copytree(place.adapter, home / "adapter")  # type: ignore[arg-type]
    (home / "training.json").write_text(report("lora-las-r4-wide", 0, 0).to_json())
    cost = costs_of_runs(found, Place(base=str(base_folder), device="cpu"))["lora-las-r4-wide"]
    recipe = load_recipe("lora-las-r4-wide")
    counted = footprint(recipe, replace(place, adapter=None), fake_load("tinyov", "train"))  # type: ignore[arg-type]
    assert cost.total_parameters == counted.total_parameters
    assert cost.saved_activation_bytes == counted.saved_activation_bytes
    assert cost.trainable_parameters == counted.trainable_parameters
    weights = home / "adapter" / "adapter_model.safetensors"
    assert cost.adapter_bytes == weights.stat().st_size
    assert (cost.peak_memory_bytes, cost.train_tokens_per_second) == (1000, 100.0)
    assert cost.decode_tokens_per_second
    assert cost.unknown is None
    other = costs_of_runs(found, Place(device="cpu"))["lora-las-r4-wide"]  # the recipe's own base
    assert other.total_parameters is None
    assert other.saved_activation_bytes is None
    assert "tinyov is not the base of the runs" in str(other.unknown)
    warned = with_costs(found, {"lora-las-r4-wide": other})
    assert warned.warnings[-1].startswith("costs of lora-las-r4-wide are not all known: ")
    strange = found.rows[0].model_copy(update={"name": "nobody-knows"})
    nobody = costs_of_runs(found.model_copy(update={"rows": (strange,)}))["nobody-knows"]
    assert "unknown model 'nobody-knows'" in str(nobody.unknown)


def test_an_oracle_recipe_is_marked(tmp_path: Path, place: Place) -> None:
    recipe = variant(tmp_path, "upper", 'source = "description"', 'source = "oracle"')
    (run,) = evaluate_recipe(str(recipe), out=tmp_path, place=place, batch_size=4, options=OPTIONS)
    assert run.record.settings.system.oracle
    assert not run.comparable


def test_prototypes_of_another_vocabulary_are_refused(
    tmp_path: Path, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = short_recipe(tmp_path / "recipes", like="lora-las-r4")
    text = own.read_text("utf-8").replace('source = "description"', 'source = "prototypes"', 1)
    own.write_text(text, "utf-8")
    recipe, base = load_recipe(str(own)), str(base_folder)
    splits = fake_load("tinyov", "train"), fake_load("tinyov", "dev")
    out = tmp_path / "train"
    train(recipe, "tiny", 0, out, splits=splits, base=base, device="cpu", steps=1)  # type: ignore[arg-type]

    def run(folder: str, adapter: Path = out / "adapter") -> None:
        place = Place(adapter=adapter, base=base, device="cpu")
        evaluate_recipe(str(own), out=tmp_path / folder, place=place, options=OPTIONS)

    def other(name: str, split: str | None = None, *, clips: bool = True) -> Task:
        task = fake_load(name, split)
        gold = {one: replace(said, labels=("elated",)) for one, said in task.gold.items()}
        return replace(task, gold=gold)

    run("same")
    monkeypatch.setattr("ovbench.runs.opened.load_task", other)
    with pytest.raises(InputError, match=r"another vocabulary .* 1 words of tinyov's train"):
        run("other")
    assert not (tmp_path / "other").exists()
    former = tmp_path / "former"
    shutil.copytree(out / "adapter", former)
    record = json.loads((former / "base.json").read_text())
    assert len(record.pop("vocabulary")) == 64
    (former / "base.json").write_text(json.dumps(record))
    run("former", former)
