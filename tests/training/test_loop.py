"""The loop: what is kept, when it stops, what it does when memory runs out or numbers break."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
import training_kit as kit
from safetensors.torch import load_file

from ovbench.errors import InputError, OvbenchError
from ovbench.progress import reporting
from ovbench.training.checkpoint import Progress, load_state
from ovbench.training.loop import fit
from ovbench.training.report import DevPoint, StepReport
from ovbench.training.stop import NonFiniteError


def train(out: Path, model=None, *, n: int = 40, on_step=None, dtype="float32", **options):
    out.mkdir(exist_ok=True)
    model = model or kit.lora()
    plan = kit.plan(out, model, dtype=dtype, **options)
    accelerator = kit.accelerator(dtype)
    return fit(model, kit.texts(n), kit.texts(20, 1), plan, accelerator, on_step=on_step)


def adapter(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "adapter" / "adapter_model.safetensors")


def last(out: Path) -> dict[str, torch.Tensor]:
    found = load_state(out / "last")
    assert found is not None
    return {k: v for k, v in found[0].tensors.items() if k.startswith("parameter/")}


OVERFIT = {"n": 8, "learning_rate": 3e-2, "eval_every": 5, "steps": 200, "schedule": "constant"}


def test_training_learns(tmp_path: Path) -> None:
    progress = train(tmp_path, n=8, learning_rate=3e-2, steps=60, eval_every=60)
    reports: list[StepReport] = []
    train(tmp_path, n=8, learning_rate=3e-2, steps=60, eval_every=60, on_step=reports.append)
    assert reports[0].loss == pytest.approx(math.log(64), abs=0.3)  # random weights, 64 words
    assert reports[-1].loss < reports[0].loss - 0.3
    assert progress.targets == 60 * sum(len(t) for t in kit.texts(8).tokens) - 60 * sum(
        kit.texts(8).prompt_lengths
    )


def test_the_best_step_on_dev_is_kept_and_patience_ends_the_run(tmp_path: Path) -> None:
    """Eight texts are learned by heart, so dev gets worse; the kept adapter is the one that a run
    of just that many steps ends with."""
    progress = train(tmp_path / "a", warmup_share=0, patience=3, **OVERFIT)
    best = progress.best
    assert best is not None
    assert progress.step < 200
    assert best.loss == min(point.loss for point in progress.curve)
    assert progress.step == best.step + 3 * 5
    short = OVERFIT | {"steps": best.step}
    train(tmp_path / "b", warmup_share=0, **short)
    ends = adapter_of_last(tmp_path / "b")
    kept = adapter(tmp_path / "a")
    assert kept.keys() == ends.keys()
    assert all(torch.equal(kept[name], ends[name]) for name in kept)
    assert any(not torch.equal(kept[n], v) for n, v in adapter_of_last(tmp_path / "a").items())


def adapter_of_last(out: Path) -> dict[str, torch.Tensor]:
    return {k.split("parameter/")[1].replace(".default", ""): v for k, v in last(out).items()}


def test_another_batch_order_is_another_run_from_the_same_start(tmp_path: Path) -> None:
    runs: dict[str, list[StepReport]] = {"a": [], "b": [], "c": []}
    for name, order in (("a", 0), ("b", 1), ("c", 0)):
        train(tmp_path / name, batch_order_seed=order, on_step=runs[name].append)
    assert [r.loss for r in runs["a"]] == [r.loss for r in runs["c"]]
    assert [r.loss for r in runs["a"]] != [r.loss for r in runs["b"]]
    assert kit.weights(tmp_path / "a") == kit.weights(tmp_path / "c")
    assert kit.weights(tmp_path / "a") != kit.weights(tmp_path / "b")


def test_accumulation_is_one_large_batch_over_a_whole_run(tmp_path: Path) -> None:
    train(tmp_path / "a", batch_size=32)
    train(tmp_path / "b", batch_size=8, accumulation=4)
    for name, tensor in adapter(tmp_path / "a").items():
        assert torch.allclose(tensor, adapter(tmp_path / "b")[name], rtol=1e-3, atol=2e-5)


def test_checkpointing_changes_nothing_but_memory(tmp_path: Path) -> None:
    train(tmp_path / "a")
    train(tmp_path / "b", checkpointing=True)
    assert kit.weights(tmp_path / "a") == kit.weights(tmp_path / "b")


def test_bfloat16_trains_beside_a_float32_run(tmp_path: Path) -> None:
    full, half = train(tmp_path / "a"), train(tmp_path / "b", dtype="bfloat16")
    assert half.best is not None
    assert full.best is not None
    assert half.best.loss == pytest.approx(full.best.loss, rel=0.02)
    assert kit.weights(tmp_path / "a") != kit.weights(tmp_path / "b")
    assert {t.dtype for t in adapter(tmp_path / "b").values()} == {torch.float32}


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(InputError, match="float16 training needs a GPU"):
        kit.accelerator("float16")


def test_numbers_that_break_stop_the_run_and_keep_the_best(tmp_path: Path) -> None:
    model = kit.lora()

    def poison(report: StepReport) -> None:
        if report.step == 6:
            next(p for p in model.parameters() if p.requires_grad).data.fill_(math.nan)

    train(tmp_path / "a", kit.lora(), steps=12, schedule="constant", warmup_share=0)
    with pytest.raises(NonFiniteError) as caught:
        train(tmp_path / "b", model, schedule="constant", warmup_share=0, on_step=poison)
    text = str(caught.value)
    assert "stopped at step 7: the loss is not a number (learning rate 0.01)" in text
    assert "The adapter of step 4 (dev loss " in text
    assert str(tmp_path / "b" / "adapter") in text
    assert "smaller learning rate" in text
    assert caught.value.exit_code == 1
    assert all(torch.isfinite(t).all() for t in adapter(tmp_path / "b").values())
    assert all(torch.isfinite(t).all() for t in last(tmp_path / "b").values())


def test_a_rate_far_too_high_is_noticed_before_anything_is_kept(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match="No adapter was kept"):
        train(tmp_path, learning_rate=1e30, clip=None, warmup_share=0, eval_every=12)
    assert not (tmp_path / "adapter").exists()


def small_memory(model, most: int):
    """A model for which a batch of more than ``most`` items is too much."""

    def refuse(module, arguments, named) -> None:
        if len(named["input_ids"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    model.register_forward_pre_hook(refuse, with_kwargs=True)
    return model


def test_when_memory_runs_out_the_effective_batch_stays(tmp_path: Path) -> None:
    train(tmp_path / "a", batch_size=16)
    progress = train(tmp_path / "b", small_memory(kit.lora(), 5), batch_size=16)
    assert (progress.device_batch, progress.halvings) == (4, 2)
    assert progress.notes == [
        "memory ran out before step 1 was done: 4 items at a time from then on, 16 per step as "
        "before"
    ]
    for name, tensor in adapter(tmp_path / "a").items():
        assert torch.allclose(tensor, adapter(tmp_path / "b")[name], rtol=1e-3, atol=2e-5)


def test_memory_for_less_than_one_item_is_an_error_with_remedies(tmp_path: Path) -> None:
    with pytest.raises(OvbenchError, match=r"one item at a time\. Set checkpointing"):
        train(tmp_path, small_memory(kit.lora(), 0))


def test_other_errors_of_the_model_are_not_taken_for_memory(tmp_path: Path) -> None:
    model = kit.lora()

    def broken(module, arguments, named) -> None:
        raise RuntimeError("shapes do not match")

    model.register_forward_pre_hook(broken, with_kwargs=True)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(tmp_path, model)


def test_every_step_is_reported(tmp_path: Path) -> None:
    reports: list[StepReport] = []
    progress = train(tmp_path, on_step=reports.append)
    assert [r.step for r in reports] == list(range(1, 13))
    assert [r.step for r in reports if r.dev] == [4, 8, 12]
    assert [r.dev for r in reports if r.dev] == progress.curve
    assert reports[4].epoch == 1.0  # 40 texts, 8 a step
    assert reports[-1].seconds_left == 0 < reports[0].seconds_left
    assert all(r.tokens_per_second > 0 for r in reports)
    spent = reports[-1].tokens_per_second * progress.train_seconds
    assert spent == pytest.approx(progress.tokens, rel=1e-6)
    # warm-up over two steps, then down along the cosine
    assert [r.learning_rate for r in reports[:3]] == pytest.approx([5e-3, 1e-2, 1e-2])
    assert reports[-1].learning_rate < 1e-3


def test_progress_is_shown_when_nobody_takes_the_reports(tmp_path: Path) -> None:
    shown: list[tuple[str, int | None]] = []

    def reporter(items: Iterable[object], what: str, total: int | None) -> Iterable[object]:
        shown.append((what, total))
        return items

    with reporting(reporter):
        train(tmp_path / "a")
        train(tmp_path / "b", on_step=lambda report: None)
    assert shown == [("training test", 12)]


def test_the_best_point_is_the_earliest_of_equals() -> None:
    curve = [DevPoint(step=s, loss=loss, accuracy=0) for s, loss in ((1, 2.0), (2, 1.0), (3, 1.0))]
    progress = Progress(device_batch=1, curve=curve)
    assert progress.best is curve[1]
    assert progress.stale == 1
    assert Progress(device_batch=1).best is None
    assert Progress(device_batch=1).stale == 0
