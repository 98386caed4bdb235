"""float16's gradient scaler: overflows are skipped and counted, and the scale is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import training_kit as kit
from safetensors.torch import load_file

from ovbench.training.checkpoint import Progress, load_state
from ovbench.training.loop import MAX_SKIPPED, fit
from ovbench.training.report import StepReport
from ovbench.training.stop import NonFiniteError


def run(out: Path, accelerator, model=None, on_step=None, resume=False, **options) -> Progress:
    out.mkdir(exist_ok=True)
    model = model or kit.lora()
    plan = kit.plan(out, model, **options)
    data = kit.texts(40), kit.texts(20, 1)
    return fit(model, *data, plan, accelerator, resume=resume, on_step=on_step)


def adapter(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "adapter" / "adapter_model.safetensors")


def test_scaled_training_is_training(tmp_path: Path) -> None:
    reports: list[StepReport] = []
    full = run(tmp_path / "a", kit.accelerator())
    half = run(tmp_path / "b", kit.scaled_accelerator(), on_step=reports.append)
    assert half.skipped == 0
    assert [p.loss for p in half.curve] == pytest.approx([p.loss for p in full.curve], rel=2e-3)
    assert all(r.gradient_norm < 2 for r in reports)  # unscaled: 1024 times as much otherwise


def test_overflows_are_skipped_and_counted(tmp_path: Path) -> None:
    accelerator = kit.scaled_accelerator(scale=2.0**40)
    progress = run(tmp_path, accelerator, steps=40, eval_every=40)
    assert 10 < progress.skipped < 40
    assert accelerator.scaler.get_scale() == 2.0 ** (40 - progress.skipped)
    assert progress.step == 40
    assert any(t.abs().sum() > 0 for n, t in adapter(tmp_path).items() if "lora_B" in n)


def test_the_scale_is_resumed(tmp_path: Path) -> None:
    one = kit.scaled_accelerator(scale=2.0**40)
    run(tmp_path, one, steps=12, eval_every=6)
    state = load_state(tmp_path / "last")
    assert state is not None
    assert state[0].scaler["scale"] == one.scaler.get_scale() < 2.0**40
    other = kit.scaled_accelerator()
    run(tmp_path, other, steps=12, eval_every=6, resume=True)
    assert other.scaler.get_scale() == one.scaler.get_scale()


def test_gradients_that_stay_broken_stop_the_run(tmp_path: Path) -> None:
    model = kit.lora()

    def broken(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("inf")

    next(p for p in model.parameters() if p.requires_grad).register_hook(broken)
    with pytest.raises(NonFiniteError, match=f"step {MAX_SKIPPED + 1}: the gradient"):
        run(tmp_path, kit.scaled_accelerator(), model, steps=200, eval_every=200)
