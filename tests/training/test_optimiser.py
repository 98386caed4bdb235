"""Learning rates and weight decay, parameter by parameter and step by step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import training_kit as kit
from torch import nn
from transformers import get_linear_schedule_with_warmup

from ovbench.systems import CausalLmRecipe, load_recipe
from ovbench.training.optim import adamw, parameter_groups, rate_factor, set_rates


def options(model: nn.Module, ratio: float = 1.0) -> dict[str, tuple[float, float]]:
    """Name of every trainable parameter → its learning rate and weight decay."""
    groups = parameter_groups(
        model.named_parameters(), learning_rate=1e-3, weight_decay=0.05, lora_plus_ratio=ratio
    )
    names = {id(p): name for name, p in model.named_parameters()}
    found: dict[str, tuple[float, float]] = {}
    for group in groups:
        for parameter in group["params"]:
            assert names[id(parameter)] not in found
            found[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    assert set(found) == {name for name, p in model.named_parameters() if p.requires_grad}
    return found


def test_lora_plus_makes_b_matrices_faster_and_nothing_else() -> None:
    for name, (rate, decay) in options(kit.lora(), ratio=16).items():
        assert rate == pytest.approx(16e-3 if "lora_B" in name else 1e-3)
        assert decay == 0.05


def test_dora_magnitudes_are_not_decayed() -> None:
    found = options(kit.lora(use_dora=True), ratio=16)
    magnitudes = [value for name, value in found.items() if "magnitude" in name]
    assert magnitudes
    assert set(magnitudes) == {(1e-3, 0.0)}


@pytest.mark.parametrize("projection", ["full", "shared_down", "tied", "scalar"])
def test_the_context_projection_learns_at_the_base_rate(projection: str) -> None:
    found = options(kit.las(projection=projection), ratio=16)
    context = {name: value for name, value in found.items() if "lora_las" in name}
    assert context
    assert {rate for rate, _ in context.values()} == {1e-3}
    biases = [decay for name, (_, decay) in context.items() if name.endswith("bias")]
    assert biases
    assert set(biases) == {0.0}


def test_frozen_parameters_are_in_no_group() -> None:
    model = kit.lora()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert parameter_groups(model.named_parameters(), learning_rate=1, weight_decay=0) == []


def rates(steps: int, share: float, schedule: Any) -> list[float]:
    return [rate_factor(step, steps, share, schedule) for step in range(steps)]


def test_warm_up_then_cosine() -> None:
    found = rates(10, 0.4, "cosine")
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    expected = [0.5 * (1 + math.cos(math.pi * k / 6)) for k in range(6)]
    assert found[4:] == pytest.approx(expected)
    assert found[-1] > 0


def test_warm_up_then_a_straight_line() -> None:
    assert rates(8, 0.5, "linear") == pytest.approx([0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25])
    assert rates(1, 0.0, "linear") == [1]
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, 0, 12)  # type: ignore[no-untyped-call]
    expected = []
    for _ in range(12):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert rates(12, 0.0, "linear") == pytest.approx(expected)


def test_the_linear_schedule_is_thau_upms() -> None:
    recipe = load_recipe("thau-gemma-lora")
    assert isinstance(recipe, CausalLmRecipe)
    assert recipe.scale("paper").training.schedule == "linear"


def test_warm_up_then_constant_and_no_warm_up() -> None:
    assert rates(6, 0.5, "constant") == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])
    assert rates(4, 0.0, "constant") == [1, 1, 1, 1]
    assert rates(4, 0.0, "cosine")[0] == 1
    assert rates(1, 0.5, "cosine") == [1]


def test_setting_rates_keeps_the_ratio_of_the_groups() -> None:
    groups = parameter_groups(
        kit.lora().named_parameters(), learning_rate=1e-3, weight_decay=0, lora_plus_ratio=16
    )
    optimizer = adamw(groups)
    assert set_rates(optimizer, 0.5) == pytest.approx(5e-4)
    assert sorted(g["lr"] for g in optimizer.param_groups) == pytest.approx([5e-4, 8e-3])
    assert set_rates(optimizer, 1.0) == pytest.approx(1e-3)  # from the base, not from the last


def test_one_step_is_adamw_as_published() -> None:
    """arXiv:1711.05101, algorithm 2, in float64 by hand."""
    weight = nn.Parameter(torch.tensor([[0.5, -2.0]]))
    optimizer = adamw([{"params": [weight], "lr": 0.1, "base_lr": 0.1, "weight_decay": 0.05}])
    value, m, v = weight.detach().double(), torch.zeros(1, 2).double(), torch.zeros(1, 2).double()
    for step, slope in enumerate(([[0.3, -0.1]], [[-0.2, 4.0]]), 1):
        gradient = torch.tensor(slope)
        weight.grad = gradient.clone()
        optimizer.step()
        g = gradient.double()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        update = (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        value = value * (1 - 0.1 * 0.05) - 0.1 * update
    assert torch.allclose(weight.detach().double(), value, atol=1e-6)
