"""Sweeps: folds as scikit-learn deals them, grids from text, and a sweep that is killed."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apart_kit
import numpy as np
import pytest
import sweep_kit as kit
from hypothesis import given, settings
from hypothesis import strategies as st
from run_fakes import fake_task
from sklearn.model_selection import StratifiedKFold

from ovbench.errors import InputError, OvbenchError, UnknownNameError
from ovbench.protocols import Protocol
from ovbench.report.sweep import check_figure, sweep_sections, write_figure
from ovbench.runs import sweep as sweep_module
from ovbench.runs import sweep_fold
from ovbench.runs.apart import run_apart
from ovbench.runs.generation_cache import AnswerCache
from ovbench.runs.grid import cell_name, cells, read_grid, settings_of, variant
from ovbench.runs.sweep import Sweep
from ovbench.systems import CausalLmRecipe, load_recipe
from ovbench.systems.generation import CausalLmSystem
from ovbench.tasks import Task
from ovbench.tasks.card import card_of
from ovbench.tasks.stratified import fold_of_items, fold_splits, strata, stratified_folds

# --- folds -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from("abcde"), min_size=4, max_size=120),
    folds=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_folds_are_those_of_scikit_learn(labels: list[str], folds: int, seed: int) -> None:
    theirs = StratifiedKFold(folds, shuffle=True, random_state=seed)
    if max(map(labels.count, labels)) < folds:
        with pytest.raises(ValueError, match="n_splits"):
            list(theirs.split(labels, labels))
        with pytest.raises(InputError, match="no class has"):
            stratified_folds(labels, folds, seed)
        return
    ours = stratified_folds(labels, folds, seed)
    for number, (_, held_out) in enumerate(theirs.split(labels, labels)):
        assert np.flatnonzero(ours == number).tolist() == held_out.tolist()


def test_the_folds_of_the_papers_seed_are_known() -> None:
    """EmoSPeech's class counts, k = 5 and seed 42: each fold its share of every class."""
    counts = {"neutral": 1166, "disgust": 705, "anger": 399, "joy": 362, "sadness": 345, "fear": 23}
    labels = [name for name, count in counts.items() for _ in range(count)]
    dealt = stratified_folds(labels, 5, 42)
    for name, count in counts.items():
        shares = [sum(dealt[i] == k and labels[i] == name for i in range(3000)) for k in range(5)]
        assert max(shares) - min(shares) <= 1
        assert sum(shares) == count


def test_parts_of_a_split_keep_apart_and_leave_nothing_out() -> None:
    task = kit.load("tinyov-6class", "train")
    seen: list[str] = []
    for part in fold_splits(task, 3, seed=1):
        ids = [{item.id for item in one.items} for one in (part.train, part.dev, part.held_out)]
        assert sum(map(len, ids)) == len(set.union(*ids)) == len(task.gold)
        assert part.train.role == "train"
        assert part.train.digest() != part.held_out.digest()
        assert 0 < len(ids[1]) < len(ids[0])
        seen += sorted(ids[2])
    assert sorted(seen) == sorted(task.gold)
    assert set(fold_of_items(task, 3, 1).values()) == {"fold1", "fold2", "fold3"}


def test_what_items_are_dealt_by() -> None:
    assert strata(fake_task(9, "class"))[1] == "class"
    task = fake_task(9, "sentiment")
    gold = {name: type(one)(one.labels, None, one.valence) for name, one in task.gold.items()}
    by_sign, how = strata(type(task)(**{**vars(task), "gold": gold}))
    assert how == "sign of the sentiment"
    assert set(by_sign) == {"-1", "+0", "+1"}
    words = type(task)(**{**vars(fake_task(9)), "gold": gold})
    assert strata(words)[1] == "the most frequent of an item's labels"


@pytest.mark.parametrize(
    ("folds", "seed", "message"),
    [(1, 0, "1 folds"), (9, 0, "no class has 9"), (2, -1, "a seed of -1"), (2, 2**32, "a seed")],
)
def test_folds_that_cannot_be_dealt(folds: int, seed: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        stratified_folds(["a", "b"] * 4, folds, seed)


# --- grids -------------------------------------------------------------------------------------


def recipe(name: str = "lora-las-r4") -> CausalLmRecipe:
    found = load_recipe(name)
    assert isinstance(found, CausalLmRecipe)
    return found


def test_a_grid_changes_what_it_names_and_nothing_else() -> None:
    own = recipe()
    axes = read_grid(["lora_r=4,16", "learning_rate=1e-3,.002", "epochs=2"], own, "tiny")
    every = list(cells(axes))
    assert len(every) == 4
    assert cell_name(every[-1]) == "lora_r=16,learning_rate=0.002,epochs=2"
    found = variant(own, axes, every[-1])
    training = found.scale("tiny").training
    assert (found.method.r, training.learning_rate) == (16, 0.002)
    assert (training.epochs, training.steps) == (2, None), "one length unsets the other"
    assert found.scale("paper") == own.scale("paper")
    assert found.digest() != own.digest()
    same = read_grid([f"r={own.method.r}"], own, "tiny")
    assert variant(own, same, next(cells(same))).digest() == own.digest()


def test_every_scalar_setting_can_be_swept() -> None:
    known = settings_of(recipe(), "tiny")
    assert known["r"] == ("method", "r")
    assert known["warmup_share"] == ("scales", "tiny", "training", "warmup_share")
    assert not {"name", "target_modules", "kind", "title"} & set(known)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([], "there is no grid; expected --grid lora_r=16"),
        (["lora_r"], "--grid lora_r; expected KEY=V1,V2"),
        (["=3"], "expected KEY=V1,V2"),
        (["lora_r="], "an empty value"),
        (["lora_r=2,,4"], "an empty value"),
        (["lora_r=2,4,2"], "2 comes twice"),
        (["lora_r=2", "r=4"], "the grid has 'r' twice"),
        (["lora_r=two"], "--grid lora_r=two; expected a whole number"),
        (["lora_r=2.5"], "--grid lora_r=2.5; expected a whole number"),
        (["lora_r=8,0"], "--grid lora_r=0; expected greater than or equal to 1"),
        (["learning_rate=nan"], "--grid learning_rate=nan; expected a finite number"),
        (
            ["schedule=cosine,cosin"],
            "--grid schedule=cosin; expected 'cosine', 'linear' or 'constant'",
        ),
        (["lora_plus_ratio=2"], "belongs to method 'lora_plus'"),
        (["steps=10,20", "epochs=1,2"], "the grid has 'epochs' and 'steps'"),
    ],
)
def test_a_bad_grid_is_one_clear_message(grid: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_grid(grid, recipe(), "tiny")
    assert caught.value.exit_code == 2


def test_an_unknown_setting_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'lora_ranc'.*did you mean 'lora_r'"):
        read_grid(["lora_ranc=2"], recipe(), "tiny")
    with pytest.raises(UnknownNameError, match="scale of lora-las-r4 'huge'"):
        read_grid(["lora_r=2"], recipe(), "huge")


# --- a process of its own ----------------------------------------------------------------------


def test_what_comes_of_the_work_comes_back() -> None:
    pid = run_apart(apart_kit.who, "told", "asking", "nowhere")
    assert pid[0] == "told"
    assert pid[1] != os.getpid()
    assert run_apart(apart_kit.nothing, 1, "asking", "nowhere") is None


def test_what_fails_in_the_process_is_told_here() -> None:
    with pytest.raises(OvbenchError, match="no such weights") as caught:
        run_apart(apart_kit.fail, "no such weights", "training x", "out")
    assert caught.value.exit_code == 2
    with pytest.raises(OvbenchError, match="Training x died with exit code 7"):
        run_apart(apart_kit.die, 7, "training x", "out")


# --- sweeps ------------------------------------------------------------------------------------


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[sweep_fold.FoldJob]:
    """Folds are trained in this process, on a small task; every one is noted."""
    done: list[sweep_fold.FoldJob] = []

    def here(
        work: Callable[[sweep_fold.FoldJob], object], job: sweep_fold.FoldJob, what: str, kept: str
    ) -> object:
        done.append(job)
        return kit.here(work, job, what, kept)

    monkeypatch.setattr(sweep_module, "run_apart", here)
    for module in (sweep_module, sweep_fold):
        monkeypatch.setattr(module, "load_task", kit.load)
    return done


def files(out: Path) -> dict[str, int]:
    """When every file of trainings and answers was written."""
    kept = ("training.json", "predictions.jsonl", "adapter_model.safetensors")
    return {
        str(path.relative_to(out)): path.stat().st_mtime_ns
        for path in sorted(out.rglob("*"))
        if path.name in kept
    }


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(
    tmp_path: Path, base_folder: Path, in_process: list[sweep_fold.FoldJob]
) -> None:
    own = kit.short_recipe(tmp_path / "recipes")
    out = tmp_path / "out"
    command = [sys.executable, str(Path(kit.__file__)), str(own), str(base_folder), str(out)]
    path = os.pathsep.join([str(Path(kit.__file__).parent), *sys.path])
    stopped = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
    )
    assert stopped.returncode == -9, stopped.stderr.decode()[-2000:]
    assert not (out / "sweep.json").exists()
    before = files(out)
    whole = [name for name in before if name.endswith("predictions.jsonl")]
    trained = [name for name in before if name.endswith("training.json")]
    assert (len(whole), len(trained)) == (3, 3), "the third fold is not answered to its end"
    found = kit.run(own, base_folder, out)
    assert [(job.home.parent.name, job.fold) for job in in_process] == [
        ("lora_r=4,steps=2", 1),
        ("lora_r=4,steps=2", 2),
    ]
    after = files(out)
    unfinished = [name for name in whole if "lora_r=4" in name]
    assert {
        name: at for name, at in after.items() if name in before and name not in unfinished
    } == {name: at for name, at in before.items() if name not in unfinished}, (
        "what was finished is not done again"
    )
    unbroken = kit.run(own, base_folder, tmp_path / "unbroken")
    assert found == unbroken
    assert (out / "sweep.json").read_text() == (tmp_path / "unbroken/sweep.json").read_text()
    before_again = len(in_process)
    assert kit.run(own, base_folder, out) == found
    assert len(in_process) == before_again, "a finished sweep trains nothing"
    _check_shape(found)
    _check_other_settings(own, base_folder, out)


def _check_shape(found: Sweep) -> None:
    """What a sweep of 2 cells and 2 folds over 36 items holds."""
    assert found.grid == {"lora_r": (2, 4), "steps": (2,)}
    assert [cell.settings for cell in found.cells] == [
        {"lora_r": 2, "steps": 2},
        {"lora_r": 4, "steps": 2},
    ]
    assert (found.items, found.dealt_by) == (36, "class")
    assert (found.protocol, found.score) == ("closed-set", "balanced_accuracy")
    means = []
    for cell in found.cells:
        folds = cell.result.folds
        assert folds is not None
        assert [fold.items for fold in folds.by_fold.values()] == [18, 18]
        assert cell.result.counts.scored == 36
        assert cell.result.intervals
        means.append(folds.mean["balanced_accuracy"])
    assert means[found.best] == max(m for m in means if m is not None)
    assert found.against[found.best] is None
    assert sum(one is not None for one in found.against) == 1


def _check_other_settings(own: Path, base_folder: Path, out: Path) -> None:
    with pytest.raises(InputError, match="holds another sweep: folds was 2, is 3"):
        kit.run(own, base_folder, out, folds=3)
    with pytest.raises(InputError, match=r"holds another sweep: .*seed was 0, is 1"):
        kit.run(own, base_folder, out, seed=1)


def test_the_context_is_made_from_what_was_learnt_from(
    tmp_path: Path,
    base_folder: Path,
    in_process: list[sweep_fold.FoldJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prototypes are made of a train split's labels: here, none of the held-out fold's."""
    from ovbench.runs import opened
    from ovbench.training import prepare

    own = kit.short_recipe(tmp_path / "recipes", like="lora-las-r4")
    text = own.read_text().replace('source = "description"', 'source = "prototypes"', 1)
    own.write_text(text)
    given: list[tuple[set[str], set[str]]] = []
    original = prepare.context_of

    def context_of(settings, split, train):  # type: ignore[no-untyped-def]
        given.append(({item.id for item in split.items}, {item.id for item in train.items}))
        return original(settings, split, train)

    for module in (prepare, opened):
        monkeypatch.setattr(module, "context_of", context_of)
    kit.run(own, base_folder, tmp_path / "out", ("lora_r=2", "steps=1"), draws=0)
    held_out = [one for one in given if len(one[0]) == 18]
    assert len(held_out) == 2
    assert not any(items & learnt for items, learnt in held_out)


def test_the_same_weights_elsewhere_answer_from_the_cache(
    tmp_path: Path,
    base_folder: Path,
    in_process: list[sweep_fold.FoldJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = kit.short_recipe(tmp_path / "recipes")
    asked: list[object] = []
    predict = CausalLmSystem.predict
    monkeypatch.setattr(
        CausalLmSystem, "predict", lambda self, *told: asked.append(self) or predict(self, *told)
    )

    def swept(out: str, cache: AnswerCache | None) -> Sweep:
        return kit.run(own, base_folder, tmp_path / out, ("lora_r=2", "steps=1"), cache=cache)

    cache = AnswerCache(tmp_path / "cache")
    first = swept("a", cache)
    batches = len(asked)
    assert batches == 2 * kit.BATCHES
    assert swept("b", cache) == first
    assert len(asked) == batches, "nothing is generated"
    assert swept("c", None) == first
    assert len(asked) == 2 * batches
    costs = [json.loads(path.read_bytes()) for path in (tmp_path / "b").rglob("cost.json")]
    assert [(cost["items"], cost["cached"], cost["seconds"]) for cost in costs] == [(0, 18, 0)] * 2


def test_what_the_folds_cannot_keep_is_known_to_the_caller(
    tmp_path: Path,
    base_folder: Path,
    in_process: list[sweep_fold.FoldJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fold has its own copy of the cache, as in a process of its own."""

    def copied(work: Callable[[object], object], job: object, what: str, kept: str) -> object:
        return pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(job)))))

    monkeypatch.setattr(sweep_module, "run_apart", copied)
    own = kit.short_recipe(tmp_path / "recipes")
    (tmp_path / "file").write_text("in the way of a folder")
    for folder, told in (("good", False), ("file/cache", True)):
        cache = AnswerCache(tmp_path / folder)
        out = tmp_path / f"out-{told}"
        kit.run(own, base_folder, out, ("lora_r=2", "steps=1"), draws=0, cache=cache)
        assert (str(tmp_path / "file") in (cache.fault or "")) == told, cache.fault


def test_unfinished_files_of_a_killed_sweep_are_removed(
    tmp_path: Path, base_folder: Path, in_process: list[sweep_fold.FoldJob]
) -> None:
    own = kit.short_recipe(tmp_path / "recipes")
    out = tmp_path / "out"
    out.mkdir()
    for name in (".settings.json.a2b4c6d8", ".sweep.json._b4c6d8_"):
        (out / name).write_text("{")
    kit.run(own, base_folder, out, ("lora_r=2", "steps=1"), draws=0)
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "test"}, "split 'test' of tinyov-6class is a test split.*expected a split to"),
        ({"split": "dev"}, "is a dev split"),
        ({"split": "tset"}, "unknown split of tinyov-6class 'tset'"),
        ({"protocol": "sentiment-non0"}, "does not score what task"),
        ({"folds": 1}, "1 folds"),
    ],
)
def test_refused_before_anything_is_trained(
    tmp_path: Path, base_folder: Path, options: dict[str, object], message: str
) -> None:
    own = kit.short_recipe(tmp_path / "recipes")
    with pytest.raises(InputError, match=message):
        kit.run(own, base_folder, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("task", "named", "protocol"),
    [
        ("emospeech", None, "closed-set-macro-f1-1"),
        ("tinyspeech-6class", None, "closed-set"),
        ("iemocap-4class", None, "closed-set-iemocap4-1"),
        ("tinyspeech", None, "ew-open-1"),
        ("cmu-mosi", None, "sentiment-non0"),
        ("tinyov-6class", None, "hit-open-1"),  # has no other
        ("emospeech", "hit-open-1", "hit-open-1"),
    ],
)
def test_cells_are_ranked_by_the_classes_where_a_task_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, named: str | None, protocol: str
) -> None:
    view = card_of(task).views[task]
    small = fake_task(8, view.answers, protocols=view.protocols, role="train")
    asked: list[str] = []

    def read_gold(_task: Task, chosen: Protocol, _options: object) -> None:
        asked.append(chosen.id)
        raise InputError("far enough")

    monkeypatch.setattr(sweep_module, "load_task", lambda *_: small)
    monkeypatch.setattr(sweep_module, "read_gold", read_gold)
    with pytest.raises(InputError, match="far enough"):
        sweep_module.sweep(
            "thau-gemma-lora", ["lora_r=2"], out=tmp_path / "out", task=task, protocol=named
        )
    assert asked == [protocol]


def test_trivial_systems_have_nothing_to_sweep(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'majority' has nothing to train"):
        sweep_module.sweep("majority", ["r=2"], out=tmp_path / "out")


# --- its table and its figure ------------------------------------------------------------------


def made(grid: dict[str, tuple[int, ...]], scores: list[float]) -> Sweep:
    """A sweep with given means over folds, without any training."""
    import itertools

    import ovbench
    from ovbench.runs.sweep import Sweep as Record
    from ovbench.runs.sweep import SweepCell, SweepSettings

    gold = {f"i{k}": "sad" if k % 2 else "happy" for k in range(40)}
    base = ovbench.score(gold, gold, "closed-set", draws=50)
    every = []
    for values, score in zip(itertools.product(*grid.values()), scores, strict=True):
        folds = {"column": "fold", "by_fold": {}, "mean": {"macro_f1": score}}
        update = {"scores": {**base.scores, "macro_f1": score}}
        result = base.model_copy(update=update).model_dump() | {
            "folds": {**folds, "sd": {"macro_f1": 0.02}}
        }
        every.append(SweepCell(settings=dict(zip(grid, values, strict=True)), result=result))
    return Record(
        settings=SweepSettings(
            model="thau-gemma-lora", recipe="0", scale="tiny", dtype="auto", task="emospeech",
            split="train", task_digest="0", folds=5, seed=42,
        ),
        items=40, dealt_by="class", protocol="closed-set-macro-f1-1", score="macro_f1",
        grid=grid, cells=tuple(every), best=scores.index(max(scores)),
        against=(None,) * len(scores), notes=("a note",),
    )  # fmt: skip


def test_the_table_warns_of_the_best_cell() -> None:
    found = made({"lora_r": (16, 64), "lora_alpha": (32, 128)}, [0.76, 0.81, 0.79, 0.8])
    (section,) = sweep_sections(found)
    assert section.columns[:4] == ("lora_r", "lora_alpha", "mean of folds", "sd")
    assert section.rows[1][:4] == ("16", "128", "81.00", "2.00")
    assert [row[-1] for row in section.rows] == ["", "best", "", ""]
    notes = " ".join(section.notes)
    assert "the highest of 4: its score is too high an estimate" in notes
    assert "a note" in notes
    assert "happy 20, sad 20" in notes


@pytest.mark.parametrize("form", ["svg", "png"])
@pytest.mark.parametrize("grid", [{"r": (1, 2)}, {"r": (1, 2), "a": (1, 2), "steps": (5,)}])
def test_figures(tmp_path: Path, form: str, grid: dict[str, tuple[int, ...]]) -> None:
    count = 4 if "a" in grid else 2
    path = tmp_path / f"figure.{form}"
    write_figure(made(grid, [0.5, 0.75, 0.6, 0.7][:count]), str(path))
    data = path.read_bytes()
    assert data.startswith(b"<svg" if form == "svg" else b"\x89PNG")
    if form == "svg" and count == 4:
        assert "75.00 ± 2.00" in data.decode()


def test_figures_that_cannot_be_drawn() -> None:
    with pytest.raises(InputError, match=r"ends in \.svg or \.png"):
        check_figure("heat.pdf", {"r": (1, 2)})
    for grid in ({"r": (1,)}, {"r": (1, 2), "a": (1, 2), "steps": (5, 6)}):
        with pytest.raises(InputError, match=r"one \(a line\) or two \(a heat map\)"):
            check_figure("heat.svg", grid)
