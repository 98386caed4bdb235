"""Contracts with PEFT and transformers: each test names the internal that the tuners rest on."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from las_models import COMMON, LABEL_DIM, adapted, base_model, batch, las_config
from peft import LoraConfig, PeftModelForCausalLM, get_peft_model, get_peft_model_state_dict
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners.lora import LoraModel
from peft.tuners.lora.layer import LoraLayer, LoraVariant
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import Tensor

import ovbench.lora_las
from ovbench.errors import InputError
from ovbench.lora_las import LasConfig, LasModel, LoranConfig, LoranModel
from ovbench.lora_las.config import _FORBIDDEN
from ovbench.lora_las.model import _SERVED


@pytest.mark.parametrize(
    ("name", "config", "model"),
    [("LORA_LAS", LasConfig, LasModel), ("LORAN", LoranConfig, LoranModel)],
)
def test_mapping_tables(name: str, config: type, model: type) -> None:
    tables: tuple[Any, ...] = (
        PEFT_TYPE_TO_CONFIG_MAPPING,
        PEFT_TYPE_TO_TUNER_MAPPING,
        PEFT_TYPE_TO_PREFIX_MAPPING,
    )
    for table, value in zip(tables, (config, model, "lora_"), strict=True):
        assert table.get(name) is not None, "peft.mapping.PEFT_TYPE_TO_*_MAPPING: str keys"
        assert table[name] == value
    key = next(key for key in PEFT_TYPE_TO_TUNER_MAPPING if key == name)
    assert key.value == name, "PEFT reads .value of a peft_type in messages"


def test_variant_is_asked_by_the_linear_layer() -> None:
    class Probe(LoraVariant):
        def forward(  # type: ignore[override]
            self, module: Any, active_adapter: str, x: Tensor, result: Tensor, **_: Any
        ) -> Tensor:
            return torch.full_like(result, 7.0)

    model = get_peft_model(base_model(), LoraConfig(**COMMON))
    layer = model.base_model.model.model.layers[0].mlp.up_proj
    layer.lora_variant["default"] = Probe()
    assert (layer(torch.randn(1, 2, 16)) == 7).all(), "LoraLayer.lora_variant[adapter].forward"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("bnb", "Linear8bitLt"),
        ("bnb", "Linear4bit"),
        ("gptq", "GPTQLoraLinear"),
        ("hqq", "HqqLoraLinear"),
    ],
)
def test_variant_is_asked_by_quantised_layers(module: str, name: str) -> None:
    assert name in _SERVED
    spec = importlib.util.find_spec(f"peft.tuners.lora.{module}")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text("utf-8")
    body = source.partition(f"class {name}(")[2].partition("\nclass ")[0]
    assert "self.lora_variant[active_adapter].forward(" in body, f"lora.{module}.{name}.forward"


def test_variant_methods() -> None:
    expected = {"forward", "init", "merge_safe", "merge_unsafe", "unmerge"}
    for name in (*expected, "supports_lora_conversion"):
        assert callable(getattr(LoraVariant, name, None)), f"LoraVariant.{name}"


def test_tuner_methods_that_are_overridden() -> None:
    for name in (
        "inject_adapter",
        "_create_and_replace",
        "_post_injection_hook",
        "_enable_peft_forward_hooks",
        "_enable_adapter_layers",
        "_check_merge_allowed",
        "set_adapter",
        "set_requires_grad",
        "delete_adapter",
        "unmerge_adapter",
        "add_weighted_adapter",
        "subtract_mutated_init",
    ):
        assert callable(getattr(LoraModel, name, None)), f"LoraModel.{name}"
    assert BaseTuner.uses_shared_state is False, "BaseTuner.uses_shared_state"
    parameters = list(inspect.signature(BaseTuner.inject_adapter).parameters)[1:]
    assert parameters == [
        "model",
        "adapter_name",
        "autocast_adapter_dtype",
        "low_cpu_mem_usage",
        "state_dict",
    ], "BaseTuner.inject_adapter's arguments"
    parameters = list(inspect.signature(LoraModel._create_and_replace).parameters)[1:7]
    assert parameters == [
        "lora_config",
        "adapter_name",
        "target",
        "target_name",
        "parent",
        "current_key",
    ], "LoraModel._create_and_replace's arguments"


def test_layer_attributes() -> None:
    assert isinstance(BaseTunerLayer.adapter_layer_names, tuple), "adapter_layer_names"
    assert BaseTunerLayer.frozen_peft_weight_names == {}, "frozen_peft_weight_names"
    layer = adapted(las_config()).base_model.model.model.layers[0].mlp.up_proj
    assert isinstance(layer, LoraLayer)
    assert layer.cast_input_dtype_enabled is False
    x = torch.zeros(1, dtype=torch.bfloat16)
    assert layer._cast_input_dtype(x, torch.float32).dtype == torch.bfloat16, (
        "BaseTunerLayer.cast_input_dtype_enabled"
    )
    assert layer._get_available_adapters() == {"default"}
    layer.delete_adapter("default")
    assert not layer.lora_las_proj, "BaseTunerLayer.delete_adapter walks adapter_layer_names"


def test_extra_arguments_reach_the_tuner(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = adapted(las_config()), []
    assert type(model) is PeftModelForCausalLM
    for name in ("forward", "generate"):
        monkeypatch.setattr(
            LasModel, name, lambda self, *args, name=name, **kw: seen.append((name, kw))
        )
    model(**batch())
    model.generate(**batch())
    assert [name for name, _ in seen] == ["forward", "generate"]
    for name, arguments in seen:
        assert arguments["label_context"].shape == (3, LABEL_DIM), f"PeftModelForCausalLM.{name}"


def test_tuner_modules_are_saved_without_the_adapter_name() -> None:
    saved = get_peft_model_state_dict(adapted(las_config()))
    layer = "base_model.model.model.layers.0.mlp.up_proj"
    for key in (
        "base_model.lora_las_context.weight",
        "base_model.lora_las_context.bias",
        f"{layer}.lora_las_proj.weight",
        f"{layer}.lora_las_proj.bias",
    ):
        assert key in saved, "tuners_utils._get_tuner_state_dict_key_prefixes"
    assert not any("base_layer" in key for key in saved)


def test_config_fields_that_are_refused() -> None:
    fields = {field.name for field in dataclasses.fields(LoraConfig)}
    assert set(_FORBIDDEN) <= fields, "a field of LoraConfig has another name now"
    metadata = {f.name for f in dataclasses.fields(LoraConfig) if f.metadata.get("is_lora_variant")}
    assert metadata <= set(_FORBIDDEN), "LoraConfig has a variant that LasConfig does not refuse"


def test_checkpointing_function_of_transformers() -> None:
    base = base_model()
    base.activation_checkpointing_enable()
    for layer in base.model.layers:
        function = layer._gradient_checkpointing_func
        assert function.keywords == {"use_reentrant": False}, "_gradient_checkpointing_func"


@pytest.mark.parametrize(("version", "refused"), [("0.20.4", True), ("0.21.0", False)])
def test_peft_that_cannot_save_foreign_methods(
    version: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peft, "__version__", version)
    expectation = pytest.raises(InputError, match=r"pip install 'peft>=0\.21'")
    with expectation if refused else contextlib.nullcontext():
        importlib.reload(ovbench.lora_las)
