"""Comparisons from names: what is missing is trained and evaluated, what is there is not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from run_fakes import fake_load
from run_models import las_model, lora_model, make_adapter

from ovbench.errors import InputError, OvbenchError, UnknownNameError
from ovbench.runs import replicate
from ovbench.runs.comparison import Comparison
from ovbench.runs.footprint import footprint, saved_activation_bytes
from ovbench.runs.generation_cache import AnswerCache
from ovbench.runs.place import ADAPTER, Place, find_adapter
from ovbench.runs.replicate import Job, compare_recipes, train_apart
from ovbench.systems import load_recipe
from ovbench.systems.generation import CausalLmSystem
from ovbench.systems.registry import load_tunable
from ovbench.training.collate import collate
from ovbench.training.encode import Encoded, Pair, encode
from ovbench.training.report import REPORT_FILE, TrainingReport

pytestmark = pytest.mark.usefixtures("fake_tasks")
NAMES = ["affectgpt-lora-r8", "lora-las-r4-wide", "majority"]


def report(name: str, seed: int, order: int) -> TrainingReport:
    return TrainingReport(
        system=name,
        scale="tiny",
        recipe_digest="0",
        base=None,
        context=None,
        context_source="none",
        train_digest="0",
        dev_digest="0",
        seams=0,
        train_items={},
        dev_items={},
        seed=seed,
        batch_order_seed=order,
        steps=1,
        planned_steps=1,
        ended_by="steps",
        effective_batch=1,
        device_batch=1,
        memory_halvings=0,
        skipped_steps=0,
        tokens=10,
        target_tokens=5,
        padding_share=0.0,
        train_seconds=1.0,
        eval_seconds=1.0,
        tokens_per_second=100.0 + seed,
        peak_memory_bytes=1000 + seed,
        trainable_parameters=1,
        curve=(),
        best_step=1,
        best_loss=1.0,
        dtype="float32",
        device="cpu",
        threads=1,
        processes=1,
        resumed=0,
        notes=(),
        versions={},  # type: ignore[arg-type]
    )


seen: list[Job] = []
"""Finished trainings that a comparison looked at, to see that they are the ones asked for."""


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch, base_folder: Path) -> list[Job]:
    """Training makes an adapter at once; every one is noted."""
    done: list[Job] = []
    seen.clear()

    def quick(job: Job, folder: Path, task: str, place: Place) -> None:
        done.append(job)
        make_adapter(job.name, base_folder, folder / "adapter", job.seed + 50 * job.reordered)
        text = report(job.name, job.seed, job.seed + 50 * job.reordered).to_json()
        (folder / "training.json").write_text(text)

    monkeypatch.setattr(replicate, "train_apart", quick)
    monkeypatch.setattr(replicate, "_train", lambda job, *_: seen.append(job))
    return done


def run(out: Path, base_folder: Path, names: list[str], seeds: int = 2, **options: object):  # type: ignore[no-untyped-def]
    place = Place(base=str(base_folder), device="cpu")
    return compare_recipes(
        names,
        seeds=seeds,
        out=out,
        place=place,
        batch_size=8,
        draws=100,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.slow
def test_everything_missing_is_made_and_nothing_twice(
    tmp_path: Path, base_folder: Path, trainings: list[Job]
) -> None:
    found = run(tmp_path, base_folder, NAMES, limit=4)
    assert [row.name for row in found.rows] == NAMES
    assert all(row.seeds == (0, 1) for row in found.rows)
    assert found.noise_of == "affectgpt-lora-r8"
    assert trainings == [
        *(Job(name, seed) for seed in (0, 1) for name in NAMES[:2]),
        *(Job(NAMES[0], seed, reordered=True) for seed in (0, 1)),
    ]
    assert {p.name for p in tmp_path.iterdir()} == {
        *("seed-0", "seed-1", "seed-0-reordered", "seed-1-reordered"),
    }
    cost = found.rows[1].cost
    assert cost.train_tokens_per_second == 100.5
    assert cost.peak_memory_bytes == 1001
    adapter = tmp_path / "seed-0" / NAMES[1] / "train" / "adapter" / "adapter_model.safetensors"
    assert cost.adapter_bytes == adapter.stat().st_size
    assert cost.decode_tokens_per_second is not None
    assert found.rows[2].cost.trainable_parameters is None
    before = len(trainings)
    again = run(tmp_path, base_folder, NAMES, limit=4)
    assert len(trainings) == before
    assert seen == trainings
    assert again.rows == found.rows
    more = run(tmp_path, base_folder, NAMES[:1], seeds=3, limit=4)
    assert trainings[before:] == [Job(NAMES[0], 2), Job(NAMES[0], 2, reordered=True)]
    assert more.rows[0].scores["WF"].by_seed[:2] == found.rows[0].scores["WF"].by_seed


@pytest.mark.slow
def test_the_same_weights_elsewhere_answer_from_the_cache(
    tmp_path: Path, base_folder: Path, trainings: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(out: str, cache: AnswerCache | None) -> Comparison:
        return run(tmp_path / out, base_folder, NAMES[:2], seeds=1, limit=4, cache=cache)

    def answers(out: str) -> dict[str, bytes]:
        found = (tmp_path / out).rglob("predictions.jsonl")
        return {str(path.relative_to(tmp_path / out)): path.read_bytes() for path in found}

    cache = AnswerCache(tmp_path / "cache")
    first = compared("a", cache)
    asked: list[object] = []
    predict = CausalLmSystem.predict
    monkeypatch.setattr(
        CausalLmSystem, "predict", lambda self, *told: asked.append(self) or predict(self, *told)
    )
    again = compared("b", cache)
    assert not asked, "nothing is generated"
    assert len(answers("a")) == 3
    assert answers("a") == answers("b")
    assert [row.scores for row in again.rows] == [row.scores for row in first.rows]
    assert all(row.cost.decode_tokens_per_second for row in first.rows)
    assert not any(row.cost.decode_tokens_per_second for row in again.rows)
    assert all("from the cache" in (row.cost.unknown or "") for row in again.rows)
    assert "from the cache, so generation was not timed" in again.warnings[-1]
    assert compared("c", None).rows[0].cost.decode_tokens_per_second
    assert asked, "without a cache, all of it is"


def test_without_training_there_is_no_noise_floor(
    tmp_path: Path, base_folder: Path, trainings: list[Job]
) -> None:
    found = run(tmp_path, base_folder, ["majority", "random"])
    assert trainings == []
    assert found.noise == {}
    assert found.rows[1].scores["WF"].sd != 0


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_a_training_lies_where_runs_look_for_it(tmp_path: Path, scale: str) -> None:
    job = Job("lora-las-r4", 3)
    training = job.train_folder(tmp_path, "lora-las-r4", scale)
    (training / ADAPTER).mkdir(parents=True)
    (training / REPORT_FILE).write_text("{}")
    found = find_adapter(load_tunable("lora-las-r4"), Place(scale=scale), job.home(tmp_path))
    assert found == training / ADAPTER


def test_mistakes_are_told_before_anything_is_trained(
    tmp_path: Path, base_folder: Path, trainings: list[Job]
) -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'dora-r9'"):
        run(tmp_path, base_folder, [NAMES[0], "dora-r9"])
    with pytest.raises(InputError, match="no seeds"):
        run(tmp_path, base_folder, NAMES, seeds=0)
    assert trainings == []


def test_what_fails_in_the_training_process_is_told_here(tmp_path: Path) -> None:
    place = Place(base="no/such/folder/at/all", device="cpu")
    with pytest.raises(OvbenchError, match="no/such/folder") as caught:
        train_apart(Job("affectgpt-lora-r8", 0), tmp_path / "t", "tinyov", place)
    assert caught.value.exit_code == 2


@pytest.mark.slow
def test_a_real_training_in_a_process_of_its_own(tmp_path: Path, base_folder: Path) -> None:
    adapters = Path(__file__).parents[2] / "adapters"
    (tmp_path / "prompts").mkdir()
    for file in (adapters / "prompts").iterdir():
        (tmp_path / "prompts" / file.name).write_text(file.read_text())
    text = (adapters / "affectgpt-lora-r8.toml").read_text()
    recipe = tmp_path / "short.toml"
    named = text.replace('name = "affectgpt-lora-r8"', 'name = "short"')
    short, changed = re.subn(r"^steps = 200$", "steps = 2", named, count=1, flags=re.M)
    assert changed
    recipe.write_text(short)
    found = run(tmp_path / "out", base_folder, [str(recipe), "majority"], seeds=1)
    assert [row.name for row in found.rows] == ["short", "majority"]
    assert found.noise_of == "short"
    assert found.rows[0].cost.peak_memory_bytes


def batch() -> Encoded:
    class Characters:
        eos_token_id, pad_token_id = 1, 0

        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": [2 + ord(c) % 60 for c in text]}

    pairs = [Pair(f"{k}", "what is it " * 3, "happy, sad") for k in range(4)]
    rows = torch.nn.functional.normalize(torch.ones(4, 6)).numpy()
    return encode(pairs, Characters(), 100, rows)  # type: ignore[arg-type]


def test_saved_activations_are_counted_the_same_every_time() -> None:
    data = batch()
    las, lora = las_model().train(), lora_model().train()
    four = collate(data, range(4))
    assert saved_activation_bytes(las, four) == saved_activation_bytes(las, four)
    two = saved_activation_bytes(las, collate(data, range(2)))
    assert saved_activation_bytes(las, four) == pytest.approx(2 * two, rel=0.01)
    plain = replace(four, label_context=None)
    ratio = saved_activation_bytes(las, four) / saved_activation_bytes(lora, plain)
    assert 1.0 < ratio < 1.1, "LAS keeps s per sample and nothing else more than LoRA"


def test_what_a_discarded_graph_kept_does_not_count() -> None:
    """As DoRA's norms do: computed with gradients, then detached."""
    model, four = lora_model().train(), replace(collate(batch(), range(4)), label_context=None)
    plain = saved_activation_bytes(model, four)
    weight = torch.ones(100_000, requires_grad=True)

    def norm(*_: object) -> None:
        ((weight + 1) * (weight + 2)).sum().detach()

    handle = next(model.modules()).register_forward_pre_hook(norm)
    assert saved_activation_bytes(model, four) == plain
    handle.remove()


def test_saved_activations_against_a_count_by_hand() -> None:
    """y = x², z = y·W: autograd keeps x for the square and y for the product, 4 bytes each."""

    class Squares(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(torch.ones(64, 16))
            self.weight = torch.nn.Parameter(torch.ones(16, 64))
            self.more = 0

        def forward(self, input_ids: torch.Tensor, **_: object) -> object:
            x = self.table[input_ids]
            for _ in range(self.more):
                x = x * x
            return type("Output", (), {"logits": (x * x) @ self.weight})

    four = collate(batch(), range(4))
    plain = four.__class__(**{**vars(four), "label_context": None})
    model = Squares()
    one = saved_activation_bytes(model, plain)
    model.more = 3
    four_squares = saved_activation_bytes(model, plain)
    assert four_squares - one == 3 * plain.input_ids.numel() * 16 * 4


def test_the_footprint_of_recipes(base_folder: Path) -> None:
    place = Place(base=str(base_folder), device="cpu")
    train = fake_load("tinyov", "train")
    lora, las, dora = (
        footprint(load_recipe(name), place, train)  # type: ignore[arg-type]
        for name in ("affectgpt-lora-r8", "lora-las-r8", "dora-r8")
    )
    assert lora.total_parameters - lora.trainable_parameters == (
        las.total_parameters - las.trainable_parameters
    )
    assert dora.trainable_parameters > lora.trainable_parameters
    assert dora.saved_activation_bytes > 1.1 * lora.saved_activation_bytes
    # 7 targets on two layers, in + out each, rank 8, hidden 32, keys 16, inner 48.
    shapes = [(32, 32), (32, 16), (32, 16), (32, 32), (32, 48), (32, 48), (48, 32)]
    assert lora.trainable_parameters == 2 * sum(8 * (a + b) for a, b in shapes)
