"""Training of systems that hear: against a plain loop, broken and resumed, and what it refuses."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import speech_kit as kit
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from torch.nn.functional import cross_entropy

from ovbench.errors import InputError, InterruptedRunError, ValidationError
from ovbench.io.lock import locked
from ovbench.progress import reporting
from ovbench.systems.answers import item_seed
from ovbench.systems.hearing.classifier import SpeechClassifier
from ovbench.systems.hearing.opening import build_model
from ovbench.systems.hearing.saved import open_speech_model
from ovbench.tasks import Gold, Item, Task, load_task
from ovbench.training import speech, splits
from ovbench.training.speech_data import balanced_weights, class_of, dev_scores, examples
from ovbench.training.speech_report import EpochPoint, read_speech_report
from ovbench.training.speech_trainer import SpeechTrainer, rate_factor
from ovbench.training.splits import split_of
from ovbench.training.stop import NonFiniteError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tones")


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    kit.train(out, data)
    return out


def same(out: Path, other: Path) -> bool:
    """Whether two runs kept the same weights, byte for byte, and saw the same on the way."""
    files = [(folder / "adapter" / "model.safetensors").read_bytes() for folder in (out, other)]
    curves = [read_speech_report(folder / "training.json").curve for folder in (out, other)]
    return files[0] == files[1] and curves[0] == curves[1]


def test_it_learns_and_keeps_the_epoch_that_is_best_on_dev(data: Path, tmp_path: Path) -> None:
    report = kit.train(tmp_path, data, epochs=12)
    assert report.total_parameters > report.trainable_parameters > 12_288  # LoRA's, and the head's
    assert report.best_value > 0.9
    best = max(report.curve, key=lambda point: point.uar)  # the first of equals
    assert (report.best_epoch, report.best_value) == (best.epoch, best.uar)
    assert report.steps == 12 * 5
    assert report.train_items == {"ok": 18, "error": 0, "other_class": 0}
    assert report.classes == {"sad": 6, "happy": 6, "angry": 6}
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "training.json"}
    model = open_speech_model(kit.recipe(), tmp_path / "adapter", "tiny", device="cpu").model
    dev = kit.split(data, "dev")
    answers = {one.id: one.text for one in model.answers(dev.items)}
    gold = [dev.gold[item.id].category for item in dev.items]
    found = [answers[item.id] for item in dev.items]
    assert balanced_accuracy_score(gold, found) == pytest.approx(best.uar)
    assert read_speech_report(tmp_path / "training.json") == report


def test_a_plain_loop_comes_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    chosen = kit.recipe(epochs=2, learning_rate=1e-3, clip=0.5, augment={"time_mask": [0.0, 0.3]})
    chosen = chosen.model_copy(update={"dropout": 0.0})
    train, dev = kit.split(data, "train"), kit.split(data, "dev")
    model: Any = build_model(chosen, "tiny", seed=5, device="cpu")
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-3, betas=(0.9, 0.98), weight_decay=1e-4)
    losses = []
    for epoch in range(2):
        model.train()
        model.clips.epoch = epoch
        draw = torch.Generator().manual_seed(item_seed(5, f"order of epoch {epoch}"))
        order = torch.randperm(18, generator=draw).tolist()
        for start in range(0, 18, 4):
            items = [train.items[row] for row in order[start : start + 4]]
            target = [model.classes.index(train.gold[item.id].category) for item in items]
            optimizer.zero_grad()
            cross_entropy(model(**model.batch(items))["logits"], torch.tensor(target)).backward()
            torch.nn.utils.clip_grad_norm_(trained, 0.5)
            optimizer.step()
        model.eval()
        target = [model.classes.index(dev.gold[item.id].category) for item in dev.items]
        with torch.no_grad():
            logits = model(**model.batch(dev.items))["logits"]
        losses.append(float(cross_entropy(logits, torch.tensor(target))))
    choose = chosen.scales["tiny"].training.model_copy(update={"choose_by": "loss"})
    part = chosen.scales["tiny"].model_copy(update={"training": choose})
    chosen = chosen.model_copy(update={"scales": {**chosen.scales, "tiny": part}})
    report = kit.train(tmp_path, data, recipe=chosen, seed=5)
    assert [point.loss for point in report.curve] == pytest.approx(losses, rel=1e-5)
    if report.best_epoch == 2:
        state = load_file(tmp_path / "adapter" / "model.safetensors")
        for name, tensor in model.trained_state().items():
            torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-6)
    assert report.best_epoch == 2  # so that the weights were compared


@pytest.mark.slow
def test_a_killed_run_ends_with_the_bytes_of_an_unbroken_one(
    unbroken: Path, data: Path, tmp_path: Path
) -> None:
    script = Path(kit.__file__)
    command = [sys.executable, str(script), str(tmp_path), str(data), "13"]
    killed = subprocess.run(command, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert sorted(p.name for p in (tmp_path / "last").iterdir()) == [
        "step-00000005",
        "step-00000010",
    ]
    names = {p.name for p in (tmp_path / "last").rglob("*") if p.is_file()}
    assert names == {"tensors.safetensors", "state.json", "trainer_state.json"}  # no pickles
    report = kit.train(tmp_path, data, resume=True)
    assert report.resumed == 1
    assert same(tmp_path, unbroken)


def test_ctrl_c_in_an_epoch_leaves_a_state_and_says_how_to_go_on(
    unbroken: Path, data: Path, tmp_path: Path
) -> None:
    undo = kit.before_step(8, signal.SIGINT)
    try:
        with pytest.raises(InterruptedRunError, match=r"after step 8 of 20.*--resume") as caught:
            kit.train(tmp_path, data)
    finally:
        undo()
    assert caught.value.exit_code == 130
    assert (tmp_path / "last" / "step-00000008").is_dir()
    report = kit.train(tmp_path, data, resume=True)
    assert (report.resumed, len(report.curve)) == (1, kit.EPOCHS)
    assert same(tmp_path, unbroken)


def test_ctrl_c_at_the_end_of_an_epoch_is_no_loss_either(
    unbroken: Path, data: Path, tmp_path: Path
) -> None:
    undo = kit.before_step(10, signal.SIGINT)
    try:
        with pytest.raises(InterruptedRunError, match="after step 10 of 20"):
            kit.train(tmp_path, data)
    finally:
        undo()
    kit.train(tmp_path, data, resume=True)
    assert same(tmp_path, unbroken)


@pytest.fixture
def stopped(data: Path, tmp_path: Path) -> Path:
    """A run that was stopped in its third epoch, with two whole states."""
    undo = kit.before_step(12, signal.SIGINT)
    with pytest.raises(InterruptedRunError):
        kit.train(tmp_path, data)
    undo()
    return tmp_path


@pytest.mark.parametrize("damaged", ["tensors.safetensors", "trainer_state.json", "state.json"])
def test_a_damaged_state_costs_the_steps_since_the_one_before(
    unbroken: Path, data: Path, stopped: Path, damaged: str
) -> None:
    file = stopped / "last" / "step-00000012" / damaged
    file.write_bytes(file.read_bytes()[:-40])
    report = kit.train(stopped, data, resume=True)
    assert "step-00000012 is damaged" in report.notes[0]
    assert same(stopped, unbroken)


def test_what_cannot_be_resumed_is_refused(data: Path, stopped: Path) -> None:
    with pytest.raises(InputError, match="holds a training that was begun"):
        kit.train(stopped, data)
    with pytest.raises(InputError, match="of another run: seed was 0, is 1"):
        kit.train(stopped, data, resume=True, seed=1)
    with pytest.raises(InputError, match="epochs was 4, is 9"):
        kit.train(stopped, data, resume=True, epochs=9)
    shutil.move(stopped / "adapter", stopped / "gone")
    with pytest.raises(InputError, match=r"the weights of epoch \d, the best so far, are gone"):
        kit.train(stopped, data, resume=True)
    shutil.move(stopped / "gone", stopped / "adapter")
    for file in stopped.glob("last/*/tensors.safetensors"):
        file.write_bytes(b"x")
    with pytest.raises(ValidationError, match="no state can be resumed"):
        kit.train(stopped, data, resume=True)


def test_a_finished_run_is_returned_or_refused(unbroken: Path, data: Path) -> None:
    before = (unbroken / "adapter" / "model.safetensors").stat().st_mtime_ns
    report = kit.train(unbroken, data, resume=True)
    assert report == read_speech_report(unbroken / "training.json")
    assert (unbroken / "adapter" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="holds a finished training"):
        kit.train(unbroken, data)
    with pytest.raises(InputError, match="the finished training here is of another run"):
        kit.train(unbroken, data, resume=True, recipe=kit.recipe("adapter"))


def test_the_seed_covers_everything_and_nothing_else_matters(
    unbroken: Path, data: Path, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    random.seed(99)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    kit.train(tmp_path / "same", data)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert same(tmp_path / "same", unbroken)
    kit.train(tmp_path / "other", data, seed=1)
    assert not same(tmp_path / "other", unbroken)
    report = kit.train(tmp_path / "order", data, batch_order_seed=1)
    assert (report.seed, report.batch_order_seed) == (0, 1)
    assert not same(tmp_path / "order", unbroken)


def test_a_loss_that_is_no_number_stops_with_what_was_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = SpeechClassifier.forward, [0]

    def broken(self: Any, **batch: Any) -> Any:
        calls[0] += 1
        found = forward(self, **batch)
        return {name: t * float("nan") for name, t in found.items()} if calls[0] == 11 else found

    monkeypatch.setattr(SpeechClassifier, "forward", broken)  # 5 steps and 3 of dev come before
    with pytest.raises(NonFiniteError, match=r"step 8: the loss is not a number") as caught:
        kit.train(tmp_path, data)
    assert "The weights of epoch 1" in str(caught.value)
    assert (tmp_path / "adapter" / "model.safetensors").exists()


NOTHING_LEARNT: dict[str, Any] = {"clip": 1e-30, "weight_decay": 0.0}


def test_patience_ends_a_run(data: Path, tmp_path: Path) -> None:
    level = kit.recipe(epochs=9, patience=3, **NOTHING_LEARNT)
    report = kit.train(tmp_path, data, recipe=level)
    assert (report.epochs, report.ended_by, report.best_epoch) == (4, "patience", 1)
    report = kit.train(tmp_path, data, resume=True, recipe=level)
    assert report.epochs == 4


def test_a_plateau_halves_the_rate_down_to_its_least(data: Path, tmp_path: Path) -> None:
    level = kit.recipe(learning_rate=1.6e-4, epochs=8, plateau_patience=1, **NOTHING_LEARNT)
    report = kit.train(tmp_path, data, recipe=level)
    rates = [1.6e-4] * 3 + [8e-5] * 2 + [5e-5] * 3
    assert [point.learning_rate for point in report.curve] == pytest.approx(rates)


def test_a_plateau_is_one_of_the_dev_loss_whatever_the_epoch_is_chosen_by(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, dev_point = [1.0, 0.9, 1.1, 1.2, 1.3, 0.8], SpeechTrainer._dev_point

    def told(self: Any) -> EpochPoint:
        point = dev_point(self)
        return point.model_copy(
            update={"loss": losses[point.epoch - 1], "uar": 0.1 * point.epoch}  # ever better
        )

    monkeypatch.setattr(SpeechTrainer, "_dev_point", told)
    chosen = kit.recipe(epochs=6, plateau_patience=1, choose_by="uar")
    report = kit.train(tmp_path, data, recipe=chosen)
    assert report.best_epoch == 6
    # .9 is not fallen below in epochs 3 and 4, which is one more than the patience.
    rates = [3e-3] * 4 + [1.5e-3] * 2
    assert [point.learning_rate for point in report.curve] == pytest.approx(rates)


def factors(schedule: str, epochs: int, **more: int) -> list[float]:
    """Of the last step of each epoch of five steps."""
    settings = kit.recipe(schedule=schedule, plateau_patience=None, **more)
    training = settings.scale("tiny").training
    return [rate_factor(training, 5 * epoch + 4, 5) for epoch in range(epochs)]


def test_schedules_give_the_rates_that_they_say() -> None:
    assert factors("constant", 4) == [1.0, 1.0, 1.0, 1.0]
    assert factors("step", 4, step_epochs=2) == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_the_step_schedule_is_pytorchs_from_one_to_a_tenth() -> None:
    replayed = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.LinearLR(
        replayed, start_factor=1.0, end_factor=0.1, total_iters=5
    )
    expected = []
    for _ in range(8):
        expected.append(replayed.param_groups[0]["lr"])
        replayed.step()
        oracle.step()
    assert factors("step", 8, step_epochs=5) == pytest.approx(expected)


def test_a_step_schedule_is_what_the_run_follows(data: Path, tmp_path: Path) -> None:
    step = kit.recipe(schedule="step", plateau_patience=None, step_epochs=2, optimizer="adamw")
    report = kit.train(tmp_path, data, recipe=step)
    rates = [3e-3, 1.65e-3, 3e-4, 3e-4]
    assert [point.learning_rate for point in report.curve] == pytest.approx(rates)


def test_balanced_weights_are_items_over_classes_times_their_items() -> None:
    assert balanced_weights(["a", "a", "a", "b"], ["a", "b", "c"]) == [4 / 6, 2.0, 1.0]


def test_dev_figures_are_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    gold, answers = draw.integers(0, 3, 50), draw.integers(0, 4, 50)
    names = ["a", "b", "c", "d"]
    found = dev_scores([names[k] for k in gold], answers.tolist(), names)
    recalls = [np.mean(answers[gold == k] == k) for k in range(3)]  # d is in no gold
    assert found["uar"] == pytest.approx(np.mean(recalls))
    assert found["macro_f1"] == pytest.approx(f1_score(gold, answers, average="macro"))
    assert found["accuracy"] == pytest.approx(accuracy_score(gold, answers))


def test_the_class_of_an_item_is_its_category_or_its_only_label() -> None:
    four = ("neutral", "angry", "sad", "happy")
    assert class_of(Gold(category="sad"), four) == "sad"
    assert class_of(Gold(category="excited", labels=("happy",)), four) == "happy"
    assert class_of(Gold(category="excited", labels=("joy",)), four) == "happy"
    assert class_of(Gold(category="excited", labels=("happy", "sad")), four) is None
    assert class_of(Gold(category="fearful"), four) is None


def test_what_cannot_be_learnt_from_is_left_out_and_counted(data: Path, tmp_path: Path) -> None:
    model = build_model(kit.recipe(), "tiny", device="cpu")
    task = kit.split(data, "train")
    items = [*task.items, Item("mute", "", ""), Item("odd", "", "", task.items[0].audio)]
    more = {"mute": Gold(category="sad"), "odd": Gold(category="calm")}
    whole = type(task)(
        "tones", "", "train", "train", tuple(items), {**task.gold, **more}, "class", ()
    )
    found = examples(whole, model)
    assert found.statuses == {"ok": 18, "error": 1, "other_class": 1}
    assert found.items == task.items
    assert found.notes == (
        "tones, train: 1 items cannot be heard: mute has no audio file",
        "tones, train: items of classes that the model does not have: 1 of calm",
    )
    nothing = type(task)(
        "tones", "", "train", "train", (items[-2],), {"mute": more["mute"]}, "class", ()
    )
    with pytest.raises(InputError, match="no item that the model could learn from"):
        examples(nothing, model)


def test_test_splits_and_tasks_without_dev_are_refused() -> None:
    with pytest.raises(InputError, match="is a test split"):
        split_of("tinyspeech-6class", "test")
    with pytest.raises(InputError, match="has no train split"):
        split_of("ov-merd", "train")


def test_all_that_is_missing_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="2 things are missing") as caught:
        speech.look_speech(kit.recipe(), "paper", "iemocap-4class")
    assert "hf download openai/whisper-tiny" in str(caught.value)
    assert "iemocap" in str(caught.value)


def test_a_folder_takes_one_training_at_a_time(data: Path, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match="being written by process"):
        kit.train(tmp_path, data)


def test_what_it_cannot_do_is_refused_before_anything_is_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="float16 training needs a GPU"):
        kit.train(out, data, dtype="float16")
    with pytest.raises(InputError, match="0 epochs"):
        kit.train(out, data, epochs=0)
    with pytest.raises(InputError, match="no system that hears"):
        speech.train_speech("majority", "tiny", 0, out)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="in one process"):
        kit.train(out, data)
    assert not out.exists()


def test_nothing_is_printed_and_progress_is_reported(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, int] = {}

    def reporter(items: Any, what: str, total: int | None) -> Any:
        for item in items:
            seen[what] = seen.get(what, 0) + 1
            yield item

    with reporting(reporter):
        kit.train(tmp_path, data, epochs=1)
    assert seen["training peft-ser-whisper-tiny-lora"] == 5
    assert seen["listening to tones, train"] == 18
    assert capfd.readouterr() == ("", "")


def test_bfloat16_encoders_train_too(data: Path, tmp_path: Path) -> None:
    report = kit.train(tmp_path, data, epochs=1, dtype="bfloat16")
    assert report.dtype == "bfloat16"
    state = load_file(tmp_path / "adapter" / "model.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    assert json.loads((tmp_path / "training.json").read_text())["schema_version"] == (
        "ovbench.speech-training/1"
    )


@pytest.mark.parametrize(("task", "held_out"), [("iemocap-4class", False), ("emobox-cafe", True)])
def test_a_fold_is_learned_from_and_chosen_on(
    task: str, held_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str, split: str) -> Task:
        found = load_task("tinyspeech-6class", split.partition("-")[2])
        return replace(found, id=name, split=split)

    monkeypatch.setattr(splits, "load_task", load)
    learnt, dev = splits.fold_of(task, 2)
    assert (learnt.split, learnt.role, dev.role) == ("fold2-train", "train", "dev")
    whole = load(task, "fold2-train")
    if held_out:
        assert len(learnt.items) + len(dev.items) == len(whole.items)
        assert "held out to choose on" in dev.notes[0]
    else:
        assert (learnt, dev) == (whole, load(task, "fold2-dev"))
    with pytest.raises(InputError, match=r"no fold 9 to train on; expected one of fold1, fold2"):
        splits.fold_of(task, 9)
    with pytest.raises(InputError, match=r"'tinyspeech' has no fold 1.*expected a task with folds"):
        splits.fold_of("tinyspeech", 1)
