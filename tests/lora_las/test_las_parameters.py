"""Parameter counts, on the meta device too, equal those counted by hand for Qwen2.5-7B."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from las_models import COMMON, TARGETS, adapted, base_model, las_config
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from ovbench.lora_las import (
    LasConfig,
    LoranConfig,
    ParameterCounts,
    context_parameters,
    parameter_counts,
)

BASE_7B = 7_615_616_512
OUT_7B = 28 * (3584 + 512 + 512 + 3584 + 18944 + 18944 + 3584)


@pytest.fixture(scope="module")
def qwen_7b() -> Qwen2ForCausalLM:
    config = Qwen2Config(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        return Qwen2ForCausalLM(config)


def adapt(base: Qwen2ForCausalLM, config: LoraConfig) -> ParameterCounts:
    model = get_peft_model(base, config)
    try:
        return parameter_counts(model)
    finally:
        model.unload()


@pytest.mark.parametrize(
    ("changes", "adapter", "context"),
    [
        ({"r": 4, "projection": "full"}, 10_092_544, 1_069_365_248),
        ({"r": 8, "projection": "shared_down"}, 20_185_088, 12_521_480),
        ({"r": 4, "projection_rank": 4}, 10_092_544, 6_956_036),
        ({"r": 4, "projection_rank": 16}, 10_092_544, 23_652_368),
        ({"r": 8, "projection": "tied"}, 20_185_088, 2_594_816),
        ({"r": 4, "projection": "scalar"}, 10_092_544, 150_724),
    ],
)
def test_counts_at_7b(
    qwen_7b: Qwen2ForCausalLM, changes: dict[str, Any], adapter: int, context: int
) -> None:
    config = LasConfig(target_modules=TARGETS, label_dim=768, **changes)
    counts = adapt(qwen_7b, config)
    assert counts == ParameterCounts(adapter, context, BASE_7B)
    assert counts.trainable == adapter + context


def test_counts_of_other_methods_at_7b(qwen_7b: Qwen2ForCausalLM) -> None:
    common = {"r": 8, "target_modules": TARGETS, "task_type": "CAUSAL_LM"}
    assert adapt(qwen_7b, LoraConfig(**common)) == ParameterCounts(20_185_088, 0, BASE_7B)
    assert adapt(qwen_7b, LoranConfig(**common)) == ParameterCounts(20_185_088, 0, BASE_7B)
    with_magnitude = ParameterCounts(20_185_088 + OUT_7B, 0, BASE_7B)
    assert adapt(qwen_7b, LoraConfig(**common, use_dora=True)) == with_magnitude


def test_counts_agree_with_peft() -> None:
    for config in (las_config(), LoraConfig(**COMMON), LoraConfig(**COMMON, use_dora=True)):
        model = adapted(config)
        counts = parameter_counts(model)
        trainable, total = model.get_nb_trainable_parameters()
        assert (counts.trainable, counts.trainable + counts.base) == (trainable, total)


def test_modules_to_save_count_as_adapter() -> None:
    plain = parameter_counts(adapted(las_config()))
    base = base_model()
    model = get_peft_model(base, las_config(modules_to_save=["lm_head"]))
    counts = parameter_counts(model)
    assert counts.base == plain.base
    assert counts.adapter == plain.adapter + 40 * 16
    assert counts.context == plain.context


def test_context_parameters_are_the_projections() -> None:
    model = adapted(las_config())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [names[id(parameter)] for parameter in context_parameters(model)]
    assert len(found) == 2 * 14 + 2
    assert all("lora_las" in name for name in found)
    assert context_parameters(adapted(LoraConfig(**COMMON))) == []


def test_four_bit_weights_count_as_what_they_encode() -> None:
    class Params4bit(torch.nn.Parameter):
        """As bitsandbytes keeps them: two weights in a byte, in words of any size."""

    plain = torch.nn.Linear(6, 4, bias=False)
    for packed in (torch.zeros(12, 1, dtype=torch.uint8), torch.zeros(3, dtype=torch.float32)):
        quantised = torch.nn.Linear(6, 4, bias=False)
        quantised.weight = Params4bit(packed, requires_grad=False)
        assert parameter_counts(quantised) == parameter_counts(plain) == ParameterCounts(0, 0, 24)


def test_counting_does_not_need_a_peft_model() -> None:
    base = base_model()
    expected = sum(parameter.numel() for parameter in base.parameters())
    assert parameter_counts(base) == ParameterCounts(0, 0, expected)
    assert isinstance(adapted(las_config()), PeftModel)
