"""LoRA-LAS behaves as a PEFT method: saving, loading, several adapters, and clear refusals."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from las_models import COMMON, LABEL_DIM, adapted, base_model, batch, gradients, las_config, stir
from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    convert_to_lora,
    get_peft_model,
    inject_adapter_in_model,
)
from peft.utils.hotswap import hotswap_adapter
from torch import Tensor, nn

from ovbench.errors import InputError
from ovbench.lora_las import LasConfig, LasError, context_parameters

PROJECTIONS = ["full", "shared_down", "tied", "scalar"]


def logits(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model(**inputs).logits


# --- saving and loading ---------------------------------------------------------------------


@pytest.mark.parametrize("low_cpu_mem_usage", [False, True])
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_saved_adapter_loads_exactly(
    projection: str, low_cpu_mem_usage: bool, tmp_path: Path
) -> None:
    model, inputs = adapted(las_config(projection=projection, context_schema="mean-1")), batch()
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(base_model(), tmp_path, low_cpu_mem_usage=low_cpu_mem_usage)
    assert torch.equal(logits(model, inputs), logits(loaded, inputs))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    config = PeftConfig.from_pretrained(tmp_path)
    assert isinstance(config, LasConfig)
    assert (config.projection, config.amplitude, config.context_schema) == (
        projection,
        0.5,
        "mean-1",
    )


def test_saved_file_says_what_it_is(tmp_path: Path) -> None:
    adapted(las_config()).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert saved["peft_type"] == "LORA_LAS"
    assert saved["task_type"] == "CAUSAL_LM"
    assert saved["omega"] == 3.0


def test_loaded_adapter_can_be_trained_on(tmp_path: Path) -> None:
    model, inputs = adapted(las_config()), batch()
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(base_model(), tmp_path, is_trainable=True)
    expected, found = gradients(model, inputs), gradients(loaded, inputs)
    assert set(expected) == set(found)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_sixteen_bit_base_keeps_adapters_in_fp32(tmp_path: Path) -> None:
    model, inputs = adapted(las_config(), torch.bfloat16), batch()
    trainable = [p for p in model.parameters() if p.requires_grad]
    assert {p.dtype for p in trainable} == {torch.float32}
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(base_model(torch.bfloat16), tmp_path)
    assert torch.equal(logits(model, inputs), logits(loaded, inputs))
    low = PeftModel.from_pretrained(
        base_model(torch.bfloat16), tmp_path, autocast_adapter_dtype=False
    )
    assert torch.isfinite(logits(low, inputs)).all()


def test_deep_copy_is_a_model_of_its_own() -> None:
    model, inputs = adapted(las_config()), batch()
    twin = copy.deepcopy(model)
    expected = logits(model, inputs)
    assert torch.equal(expected, logits(twin, inputs))
    stir(twin, seed=9)
    assert not torch.equal(expected, logits(twin, inputs))
    assert torch.equal(expected, logits(model, inputs))
    assert twin.base_model.las_state is not model.base_model.las_state


def test_rank_and_alpha_patterns_and_rslora() -> None:
    config = las_config(rank_pattern={"q_proj": 5}, alpha_pattern={"q_proj": 9}, use_rslora=True)
    model = adapted(config)
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    assert layer.lora_A["default"].weight.shape == (5, 16)
    assert layer.scaling["default"] == pytest.approx(9 / 5**0.5)
    assert torch.isfinite(logits(model, batch())).all()


# --- several adapters -----------------------------------------------------------------------


@pytest.mark.parametrize("second", ["full", "shared_down"])
def test_several_adapters(second: str, tmp_path: Path) -> None:
    inputs = batch()
    model = adapted(las_config())
    first = logits(model, inputs)
    other = adapted(las_config(projection=second), seed=4)
    other.save_pretrained(tmp_path)
    model.load_adapter(tmp_path, "other")
    assert torch.equal(first, logits(model, inputs))
    shared = dict(model.base_model.lora_las_context.named_parameters())
    assert shared["default.weight"].requires_grad
    assert not any(p.requires_grad for n, p in model.named_parameters() if ".other" in n)

    model.set_adapter("other")
    expected = PeftModel.from_pretrained(base_model(), tmp_path)
    assert torch.equal(logits(expected, inputs), logits(model, inputs))
    assert not shared["default.weight"].requires_grad
    assert set(gradients(model, inputs)) == {
        name for name, _ in model.named_parameters() if ".other" in name
    }

    model.delete_adapter("default")
    assert torch.equal(logits(expected, inputs), logits(model, inputs))
    assert not any("default" in name for name, _ in model.named_parameters())
    model.save_pretrained(tmp_path / "again", selected_adapters=["other"])
    again = PeftModel.from_pretrained(base_model(), tmp_path / "again" / "other")
    assert torch.equal(logits(expected, inputs), logits(again, inputs))


def test_deleting_the_active_adapter_frees_the_next() -> None:
    model = adapted(las_config())
    model.add_adapter("other", las_config())
    with pytest.warns(UserWarning, match="active"):
        model.delete_adapter("default")
    assert model.active_adapter == "other"
    assert all(p.requires_grad for p in context_parameters(model))


def test_two_active_adapters_add_up() -> None:
    model, inputs = adapted(las_config(target_modules=["q_proj"])), batch()
    model.add_adapter("other", las_config(target_modules=["q_proj"]))
    stir(model)
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    h = torch.randn(3, 4, 16)
    outputs = []
    for names in (["default"], ["other"], ["default", "other"]):
        model.base_model.set_adapter(names)
        snapshot = model.base_model._snapshot(inputs["label_context"], (), {}, expand=1)
        with model.base_model.las_state.using(snapshot), torch.no_grad():
            outputs.append(layer(h) - layer.base_layer(h))
    torch.testing.assert_close(outputs[0] + outputs[1], outputs[2], rtol=1e-5, atol=1e-5)


def test_disabled_adapter_is_the_base_with_or_without_context() -> None:
    model, inputs = adapted(las_config()), batch()
    plain = {name: value for name, value in inputs.items() if name != "label_context"}
    expected = logits(base_model(), plain)
    with model.disable_adapter():
        assert torch.equal(expected, logits(model, inputs))
        assert torch.equal(expected, logits(model, plain))
    assert all(p.requires_grad for p in context_parameters(model))
    assert torch.equal(expected, logits(model.unload(), plain))


def test_set_requires_grad_reaches_the_shared_projection() -> None:
    model = adapted(las_config())
    model.set_requires_grad("default", requires_grad=False)
    assert not any(p.requires_grad for p in model.parameters())
    model.set_requires_grad("default")
    assert all(p.requires_grad for p in context_parameters(model))


def test_set_requires_grad_of_adapters_without_a_shared_projection() -> None:
    model = adapted(las_config(projection="full"))
    model.add_adapter("shared", las_config())
    model.set_requires_grad(["default", "shared"], requires_grad=False)
    assert not any(p.requires_grad for p in model.parameters())
    model.set_requires_grad("shared")
    free = {name for name, p in model.named_parameters() if p.requires_grad}
    assert free == {name for name, _ in model.named_parameters() if ".shared." in name}
    model.delete_adapter("shared")
    assert not list(model.base_model.lora_las_context.parameters())


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "no label context reached"),
        (lambda c: c[:2], "2 rows and the batch 3"),
        (lambda c: c[:, :-1], rf"expected \(batch, {LABEL_DIM}\)"),
        (lambda c: c[0], "has shape"),
        (lambda c: c[:, None], "has shape"),
        (lambda c: (c * 9).long(), "has dtype torch.int64"),
        (lambda c: c.numpy(), "is a ndarray"),
    ],
)
def test_context_that_does_not_fit(change: Callable[[Tensor], Any] | None, words: str) -> None:
    model, inputs = adapted(las_config()), batch()
    context = inputs.pop("label_context")
    if change is not None:
        inputs["label_context"] = change(context)
    with pytest.raises(LasError, match=words) as error:
        model(**inputs)
    assert isinstance(error.value, InputError)
    assert error.value.exit_code == 2
    assert str(error.value).endswith(".")
    assert model.base_model.las_state.current is None
    with pytest.raises(LasError, match=words):
        model.generate(**inputs, max_new_tokens=1)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_any_float_context_is_taken(dtype: torch.dtype, projection: str) -> None:
    model, inputs = adapted(las_config(projection=projection)), batch()
    context = inputs["label_context"].to(dtype)
    expected = logits(model, {**inputs, "label_context": context.float()})
    assert torch.equal(expected, logits(model, {**inputs, "label_context": context}))


def merge_layer(model: PeftModel) -> None:
    model.base_model.model.model.layers[0].mlp.up_proj.merge()


@pytest.mark.parametrize(
    "operation",
    [
        lambda model: model.merge_and_unload(),
        lambda model: model.merge_adapter(),
        lambda model: model.unmerge_adapter(),
        merge_layer,
        lambda model: (
            model.base_model.model.model.layers[0].mlp.up_proj.lora_variant["default"].unmerge()
        ),
        lambda model: model.base_model.model.model.layers[0].mlp.up_proj.merge(safe_merge=True),
    ],
)
def test_merging_is_refused(operation: Callable[[PeftModel], object]) -> None:
    model, inputs = adapted(las_config()), batch()
    before = logits(model, inputs)
    with pytest.raises(LasError, match="cannot be folded into W"):
        operation(model)
    assert torch.equal(before, logits(model, inputs))


def test_conversions_are_refused(tmp_path: Path) -> None:
    model = adapted(las_config())
    with pytest.raises(TypeError, match="do not support LoRA conversion"):
        convert_to_lora(model, rank=2)
    model.add_adapter("other", las_config())
    with pytest.raises(LasError, match="cannot be added up"):
        model.add_weighted_adapter(["default", "other"], [0.5, 0.5], "both")
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="Hotswapping only supports LORA"):
        hotswap_adapter(model, tmp_path, "default")


def test_conversion_of_the_initial_model_is_refused(tmp_path: Path) -> None:
    model = adapted(las_config())
    model.save_pretrained(tmp_path / "initial")
    with pytest.raises(LasError, match="not converted to LoRA"):
        model.save_pretrained(
            tmp_path / "final", path_initial_model_for_weight_conversion=tmp_path / "initial"
        )


def test_mixed_batches_are_refused() -> None:
    model, inputs = adapted(las_config()), batch()
    with pytest.raises(LasError, match="Split the batch"):
        model(**inputs, adapter_names=["default", "__base__", "default"])
    with pytest.raises(LasError, match="Split the batch"):
        model.generate(**inputs, adapter_names=["default"] * 3)


def test_ways_around_the_tuner_are_refused() -> None:
    with pytest.raises(ValueError, match="shared state"):
        inject_adapter_in_model(las_config(), base_model())
    with pytest.raises(ValueError, match="shared state"):
        base_model().add_adapter(las_config())


def test_plain_lora_cannot_join() -> None:
    model = adapted(las_config())
    with pytest.raises(ValueError, match="different peft types"):
        model.add_adapter("plain", LoraConfig(**COMMON))


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head|embed_tokens"])
def test_targets_that_are_not_linear(target: str) -> None:
    with pytest.raises(LasError, match="linear layers only, not Embedding"):
        get_peft_model(base_model(), las_config(target_modules=rf".*({target})"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"alora_invocation_tokens": [1]}, "aLoRA"),
        ({"target_parameters": ["x"]}, "target_parameters"),
        ({"lora_bias": True}, "lora_bias"),
        ({"layer_replication": [(0, 1)]}, "layer replication"),
        ({"init_lora_weights": "pissa"}, "B = 0"),
        ({"init_lora_weights": "pissa_niter_4"}, "B = 0"),
        ({"init_lora_weights": "olora"}, "B = 0"),
        ({"init_lora_weights": "orthogonal"}, "B = 0"),
        ({"projection": "half"}, "one of 'full', 'shared_down', 'tied', 'scalar'"),
        ({"control": "off"}, "'constant_s', 'random_phase'"),
        ({"backend": "cuda"}, "'triton'"),
        ({"missing_context": "ignore"}, "'zeros'"),
        ({"label_dim": 0}, "positive integer"),
        ({"projection_rank": -1}, "positive integer"),
        ({"amplitude": -1e-4}, "amplitude of 0 or more"),
        ({"omega": 0.0}, "omega above 0"),
        ({"amplitude": float("nan")}, "finite numbers"),
    ],
)
def test_configurations_that_mean_nothing(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(LasError, match=words):
        las_config(**changes)
