"""Training by name: recipes in, adapters and reports out."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import torch
import training_kit as kit
from transformers import Qwen2Config, Qwen2ForCausalLM

from ovbench.context import context_of
from ovbench.errors import (
    InputError,
    InterruptedRunError,
    MissingExtraError,
    UnknownNameError,
    ValidationError,
)
from ovbench.systems import CausalLmRecipe, load_recipe
from ovbench.systems.loading import load_base, load_tokenizer
from ovbench.systems.prompting import completion_ids, prompt_ids
from ovbench.systems.saved import open_adapter
from ovbench.tasks import Task, load_task
from ovbench.tasks.card import Split
from ovbench.testbed.bundled import backbone_folder
from ovbench.training import splits
from ovbench.training.evaluate import evaluate
from ovbench.training.prepare import encode_task
from ovbench.training.processes import DeviceBatch
from ovbench.training.report import StepReport, TrainingReport, read_report
from ovbench.training.train import train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped tokenizer with two small random layers."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = load_tokenizer(backbone_folder())
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def few() -> dict[str, Task]:
    """The first items of the splits: enough to take all the turns."""
    return {split: load_task("tinyov", split).limited(48) for split in ("train", "dev")}


@pytest.fixture(autouse=True)
def few_items(monkeypatch: pytest.MonkeyPatch, few: dict[str, Task]) -> None:
    monkeypatch.setattr(splits, "load_task", lambda name, split: few[split])


def recipe(name: str, **training: object) -> CausalLmRecipe:
    """A bundled recipe whose training evaluates early."""
    found = load_recipe(name)
    assert isinstance(found, CausalLmRecipe)
    tiny = found.scale("tiny")
    settings = tiny.training.model_copy(update={"eval_every": 2, "batch_size": 16} | training)
    return found.model_copy(
        update={"scales": {"tiny": tiny.model_copy(update={"training": settings})}}
    )


def dev_loss(recipe: CausalLmRecipe, folder: Path, base: Path) -> float:
    """Of the adapter as it was saved, on the base as it is on disk."""
    loaded = load_base(base, device="cpu", dtype="float32")
    model = open_adapter(recipe, folder / "adapter", loaded).model
    train_split, dev = (splits.load_task("tinyov", split) for split in ("train", "dev"))
    builder = context_of(recipe.context_at("tiny"), dev, train_split)
    data = encode_task(dev, recipe.scale("tiny").prompt, loaded.tokenizer, 192, builder)
    accelerator = kit.accelerator()
    return evaluate(model, data, accelerator, DeviceBatch(16, accelerator), 0).loss


METHODS = ["affectgpt-lora-r8", "lora-plus-r8", "dora-r8", "pissa-r8", "olora-r8", "miss-r8"]
METHODS += ["rslora-r8", "loran-r8", "lora-las-r4", "lora-las-r4-full", "lora-las-r4-wide"]


@pytest.mark.parametrize("name", METHODS)
def test_what_is_saved_is_what_was_best_on_dev(name: str, base: Path, tmp_path: Path) -> None:
    """Every method: saved, put on an untouched base, it has the dev loss of the report."""
    chosen = recipe(name, warmup_share=0.0)
    report = train(chosen, "tiny", 1, tmp_path, base=base, device="cpu", steps=3)
    assert report.steps == 3
    assert report.best_loss == min(point.loss for point in report.curve)
    assert dev_loss(chosen, tmp_path, base) == pytest.approx(report.best_loss, rel=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "training.json"}


def test_the_report_tells_what_was_done(base: Path, tmp_path: Path) -> None:
    chosen = recipe("lora-las-r4", accumulation=2, batch_size=8)
    reports: list[StepReport] = []
    report = train(
        chosen, "tiny", 5, tmp_path, base=base, device="cpu", steps=6, on_step=reports.append
    )
    assert read_report(tmp_path / "training.json") == report
    tasks = {split: splits.load_task("tinyov", split) for split in ("train", "dev")}
    assert report.train_digest == tasks["train"].digest()
    assert report.dev_digest == tasks["dev"].digest()
    assert report.recipe_digest == chosen.digest()
    assert report.base == load_base(base, device="cpu").sha256
    assert (report.system, report.scale) == ("lora-las-r4", "tiny")
    assert (report.seed, report.batch_order_seed) == (5, 5)
    assert (report.effective_batch, report.device_batch, report.processes) == (16, 8, 1)
    assert report.train_items == report.dev_items == {"ok": 48}
    assert (report.context_source, report.dtype, report.device) == ("description", "float32", "cpu")
    assert report.context
    assert (report.steps, report.planned_steps, report.ended_by) == (6, 6, "steps")
    assert [point.step for point in report.curve] == [2, 4, 6]
    tokenizer = load_tokenizer(base)
    prompt, gold = chosen.scale("tiny").prompt, tasks["train"].gold
    targets = [
        len(completion_ids(tokenizer, prompt.completion(gold[item.id].labels)))
        for item in tasks["train"].items
    ]
    prompts = [len(prompt_ids(tokenizer, prompt.render(i))) for i in tasks["train"].items]
    assert report.target_tokens == 2 * sum(targets)  # 6 steps of 16: two passes over 48
    assert report.tokens == 2 * (sum(targets) + sum(prompts))
    assert 0 < report.padding_share < 0.2
    assert report.peak_memory_bytes > 50_000_000
    assert report.versions["torch"] == torch.__version__
    assert report.tokens_per_second == pytest.approx(report.tokens / report.train_seconds)
    assert len(reports) == 6


def test_a_finished_run_is_not_done_again(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe("affectgpt-lora-r8")
    first = train(chosen, "tiny", 0, tmp_path, base=base, device="cpu", steps=2)
    assert train(chosen, "tiny", 0, tmp_path, base=base, resume=True, steps=2) == first
    assert first.context is None
    with pytest.raises(InputError, match=r"holds a finished training\. Go on with --resume"):
        train(chosen, "tiny", 0, tmp_path, base=base, steps=2)
    with pytest.raises(InputError, match="another run: seed was 0, is 1; batch order seed"):
        train(chosen, "tiny", 1, tmp_path, base=base, resume=True, steps=2)
    with pytest.raises(InputError, match="steps was 2, is 3"):
        train(chosen, "tiny", 0, tmp_path, base=base, resume=True, steps=3)
    with pytest.raises(InputError, match=r"base was .*, is"):
        train(chosen, "tiny", 0, tmp_path, resume=True, steps=2)
    other = splits.load_task("tinyov", "train").limited(5)
    monkeypatch.setattr(splits, "load_task", lambda name, split: other)
    with pytest.raises(InputError, match=r"train split was .*; dev split was"):
        train(chosen, "tiny", 0, tmp_path, base=base, resume=True, steps=2)


@pytest.mark.parametrize("name", ["pissa-r8", "lora-las-r4"])
def test_an_interrupted_run_ends_as_an_unbroken_one(name: str, base: Path, tmp_path: Path) -> None:
    chosen = recipe(name)
    steady, broken = tmp_path / "steady", tmp_path / "broken"
    train(chosen, "tiny", 2, steady, base=base, device="cpu", steps=5)

    def stop(report: StepReport) -> None:
        if report.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="after step 3 of 5"):
        train(chosen, "tiny", 2, broken, base=base, device="cpu", steps=5, on_step=stop)
    with pytest.raises(InputError, match="a training that was begun"):
        train(chosen, "tiny", 2, broken, base=base, device="cpu", steps=5)
    with pytest.raises(InputError, match="of another run: batch order seed was 2, is 3"):
        train(
            chosen,
            "tiny",
            2,
            broken,
            base=base,
            device="cpu",
            steps=5,
            resume=True,
            batch_order_seed=3,
        )
    report = train(chosen, "tiny", 2, broken, base=base, device="cpu", steps=5, resume=True)
    assert report.resumed == 1
    assert kit.weights(broken) == kit.weights(steady)


def test_seeds_change_the_start_and_the_order_apart(base: Path, tmp_path: Path) -> None:
    chosen = recipe("affectgpt-lora-r8")
    reports = {
        name: train(
            chosen,
            "tiny",
            seed,
            tmp_path / name,
            base=base,
            device="cpu",
            steps=2,
            batch_order_seed=order,
        )
        for name, seed, order in (("a", 0, None), ("b", 0, 0), ("c", 0, 9), ("d", 1, 0))
    }
    weights = {name: kit.weights(tmp_path / name) for name in reports}
    assert weights["a"] == weights["b"]
    assert len(set(weights.values())) == 3
    assert (reports["c"].seed, reports["c"].batch_order_seed) == (0, 9)


def test_tensorboard_gets_the_curves(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    chosen = recipe("affectgpt-lora-r8")
    report = train(
        chosen, "tiny", 0, tmp_path, base=base, device="cpu", steps=4, tracker="tensorboard"
    )
    logs = EventAccumulator(str(next((tmp_path / "logs").rglob("events.*")).parent))
    logs.Reload()
    dev = [(event.step, event.value) for event in logs.Scalars("dev/loss")]
    assert dev == [(p.step, pytest.approx(p.loss, rel=1e-6)) for p in report.curve]
    assert [event.step for event in logs.Scalars("train/loss")] == [1, 2, 3, 4]


def test_wandb_gets_the_run_without_a_network(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="W&B is not installed (extra trackers)")
    monkeypatch.setenv("WANDB_MODE", "offline")
    chosen = recipe("affectgpt-lora-r8")
    train(chosen, "tiny", 0, tmp_path, base=base, device="cpu", steps=4, tracker="wandb")
    (written,) = (tmp_path / "logs").rglob("*.wandb")
    assert b"train/loss" in written.read_bytes()


def test_trackers_that_are_absent_or_unknown_are_said(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelerate.utils.is_wandb_available", lambda: False)
    chosen = recipe("affectgpt-lora-r8")
    with pytest.raises(MissingExtraError, match="--tracker wandb needs"):
        train(chosen, "tiny", 0, tmp_path, base=base, tracker="wandb")
    with pytest.raises(UnknownNameError, match="did you mean 'tensorboard'"):
        train(chosen, "tiny", 0, tmp_path, base=base, tracker="tensorbord")
    assert not list(tmp_path.iterdir())


def test_a_task_of_a_test_split_alone_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'ov-merd' has no train split \(it has test\)"):
        train(recipe("affectgpt-lora-r8"), "tiny", 0, tmp_path / "t", task="ov-merd", device="cpu")
    assert not (tmp_path / "t").exists()


def test_test_splits_and_trivial_baselines_are_not_trained(base: Path, tmp_path: Path) -> None:
    chosen = recipe("affectgpt-lora-r8")
    test = load_task("tinyov", "test")
    builder = context_of(chosen.context_at("tiny"), test, splits.load_task("tinyov", "train"))
    with pytest.raises(InputError, match="test split"):
        encode_task(test, chosen.scale("tiny").prompt, load_tokenizer(base), 192, builder)
    with pytest.raises(InputError, match="nothing to train"):
        train("majority", "tiny", 0, tmp_path)
    with pytest.raises(UnknownNameError, match="lora-las-r4"):
        train("lora-las-4", "tiny", 0, tmp_path)


def test_only_train_and_dev_are_ever_asked_for(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    given = splits.load_task

    def load(name: str, split: str) -> Task:
        asked.append(split)
        return given(name, split)

    monkeypatch.setattr(splits, "load_task", load)
    train(recipe("lora-las-r4"), "tiny", 0, tmp_path, base=base, device="cpu", steps=1)
    assert set(asked) == {"train", "dev"}


def test_without_a_dev_split_a_tenth_of_train_is_held_out(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = splits.load_task("tinyov", "train")
    card = splits.card_of("tinyov")
    monkeypatch.setattr(
        splits, "card_of", lambda _: card.model_copy(update={"splits": _without_dev(card.splits)})
    )
    learnt, dev = (splits.split_of("tinyov", name) for name in ("train", "dev"))
    assert (learnt.role, dev.role) == ("train", "dev")
    ids = [{item.id for item in part.items} for part in (learnt, dev)]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {item.id for item in whole.items}
    counts = [Counter(part.gold[n].category for n in part.gold) for part in (whole, dev)]
    for category, count in counts[0].items():
        assert abs(counts[1][category] - count / 10) < 1
    report = train(recipe("lora-las-r4"), "tiny", 0, tmp_path, base=base, device="cpu", steps=1)
    assert any("tinyov has no dev split" in note for note in report.notes)


def _without_dev(there: dict[str, Split]) -> dict[str, Split]:
    return {name: split for name, split in there.items() if split.role != "dev"}


@pytest.mark.parametrize("source", ["prototypes", "candidates", "two_pass", "oracle"])
def test_every_context_source_trains(source: str, base: Path, tmp_path: Path) -> None:
    chosen = recipe("lora-las-r4")
    chosen = chosen.model_copy(
        update={"context": chosen.context.model_copy(update={"source": source})}
    )
    report = train(chosen, "tiny", 0, tmp_path, base=base, device="cpu", steps=1)
    assert report.context_source == source


def test_settings_that_cannot_be_are_refused(base: Path, tmp_path: Path) -> None:
    chosen = recipe("affectgpt-lora-r8")
    with pytest.raises(InputError, match="0 training steps"):
        train(chosen, "tiny", 0, tmp_path, base=base, steps=0)
    with pytest.raises(UnknownNameError, match="float8"):
        train(chosen, "tiny", 0, tmp_path, base=base, dtype="float8")
    with pytest.raises(InputError, match="float16 training needs a GPU"):
        train(chosen, "tiny", 0, tmp_path, base=base, dtype="float16", device="cpu")
    with pytest.raises(UnknownNameError, match="scale"):
        train(chosen, "huge", 0, tmp_path, base=base)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        train(chosen, "tiny", 0, tmp_path / "file" / "out", base=base, device="cpu", steps=1)


def test_all_that_is_missing_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, memory and data of the paper scale, whose task nobody named."""
    from huggingface_hub import constants

    from ovbench.systems import memory
    from ovbench.systems.missing import MissingPartsError
    from ovbench.tasks import MissingDataError

    def no_data(name: str, split: str) -> Task:
        raise MissingDataError(f"the data of {name}", ["labels.csv"], [], "ask for them")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(splits, "load_task", no_data)
    monkeypatch.setattr(memory, "memory_of", lambda device: 4_000_000_000)
    out = tmp_path / "out"
    with pytest.raises(MissingPartsError) as caught:
        train("affectgpt-lora-r8", "paper", 0, out, device="cpu")
    told = str(caught.value)
    for part in (
        "training affectgpt-lora-r8 at scale paper cannot start; 3 things are missing",
        "1. the weights of Qwen/Qwen2.5-7B-Instruct are not on this machine",
        "hf download Qwen/Qwen2.5-7B-Instruct",
        "2. training affectgpt-lora-r8 takes about 16.4 GB at a batch of one (weights 15.2 GB",
        "cpu has 4.0 GB",
        "3. the data of mer-caption-plus: labels.csv is not there",
    ):
        assert part in told
    assert told.count("mer-caption-plus") == 1
    assert not out.exists()


def test_a_broken_report_is_said(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    path.write_text(json.dumps({"schema_version": "ovbench.training/1"}))
    with pytest.raises(ValidationError, match=r"not a training report \(system: Field required\)"):
        read_report(path)
    path.write_text("{")
    with pytest.raises(ValidationError, match="not a training report"):
        read_report(path)
    assert "curve" in TrainingReport.model_json_schema()["properties"]
