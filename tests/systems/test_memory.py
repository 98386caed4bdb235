"""What training takes, worked out beforehand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ovbench.errors import InputError
from ovbench.systems.recipe import CausalLmRecipe

pytest.importorskip("torch")
pytest.importorskip("peft")

from ovbench.systems import memory
from ovbench.systems.backbones import find_shape
from ovbench.systems.memory import (
    activation_bytes,
    check_evaluation_memory,
    check_training_memory,
    training_memory,
)

Get = Callable[[str], CausalLmRecipe]
QWEN = "Qwen/Qwen2.5-7B-Instruct"


def test_weights_and_adapter_are_exact(recipe_of: Get) -> None:
    """Qwen2.5-7B in bfloat16, and 1,079,457,792 trained parameters at 16 bytes each."""
    found = training_memory(recipe_of("lora-las-r4-full"), "paper", QWEN)
    assert found.weights == 2 * 7_615_616_512
    assert found.adapter == 16 * 1_079_457_792
    assert found.total == found.weights + found.adapter + found.activations
    assert training_memory(recipe_of("dora-r8"), "paper", QWEN, "float32").weights == (
        4 * 7_615_616_512
    )


def test_activations_by_hand(recipe_of: Get) -> None:
    """Checkpointed: 28 inputs of 3584 numbers, one layer, and the logits of 64 tokens."""
    adapted = 5 * 3584 + 3584 + 18944  # q, k, v, gate, up; o; down
    layer = 8 * adapted + 2 * 3584 * 6 + 2 * 2 * (3584 + 512) + 4 * 18944 * 2
    expected = 1024 * (28 * 2 * 3584 + layer) + 64 * 152_064 * 10
    shape = find_shape(QWEN)
    assert shape is not None
    recipe = recipe_of("affectgpt-lora-r8")
    assert activation_bytes(recipe, "paper", shape.config(), 2) == expected


@pytest.mark.parametrize(
    "name", ["affectgpt-lora-r8", "dora-r8", "miss-r8", "lora-las-r4", "lora-las-r4-full"]
)
@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("bfloat16", 2)])
def test_activations_against_those_counted(
    name: str, dtype: str, width: int, recipe_of: Get
) -> None:
    """Within the factors that the module's docstring gives."""
    from ovbench.runs.footprint import footprint
    from ovbench.runs.place import Place
    from ovbench.tasks import load_task

    recipe, shape = recipe_of(name), find_shape("tinyov")
    assert shape is not None
    train = load_task("tinyov", "train").limited(8)
    counted = footprint(recipe, Place(device="cpu", dtype=dtype), train)
    told = activation_bytes(recipe, "tiny", shape.config(), width, counted.tokens)
    assert 0.75 < told / counted.saved_activation_bytes < 2.1


def test_a_machine_that_is_too_small(recipe_of: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_of", lambda device: 24_000_000_000)
    check_training_memory(recipe_of("lora-las-r4"), "paper", QWEN, "bfloat16", "cpu")
    check_evaluation_memory(QWEN, "bfloat16", "cpu")
    with pytest.raises(InputError) as caught:
        check_training_memory(recipe_of("lora-las-r4-full"), "paper", QWEN, "bfloat16", "cpu")
    for part in ("weights 15.2 GB in bfloat16", "moments 17.3 GB", "cpu has 24.0 GB", "--base"):
        assert part in str(caught.value)
    for check in (
        lambda: check_training_memory(recipe_of("lora-las-r4"), "paper", QWEN, "float32", "cpu"),
        lambda: check_evaluation_memory(QWEN, "float32", "cpu"),
    ):
        with pytest.raises(InputError, match="Use --dtype bfloat16"):
            check()
    monkeypatch.setattr(memory, "memory_of", lambda device: None)
    check_training_memory(recipe_of("lora-las-r4-full"), "paper", QWEN, "bfloat16", "cpu")
