"""Generation: cache, padding, beams and samples give what a step-by-step forward pass gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from las_models import adapted, batch, las_config
from peft import PeftModel
from torch import Tensor
from transformers import GenerationConfig

from ovbench.lora_las import LasError
from ovbench.lora_las.projection import ContextProjection

GREEDY: dict[str, Any] = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}


@pytest.fixture(scope="module")
def model() -> PeftModel:
    return adapted(las_config())


def padded_batch() -> dict[str, Tensor]:
    """Left padding of 0, 1 and 2 tokens."""
    inputs = batch()
    for row in range(3):
        inputs["attention_mask"][row, :row] = 0
        inputs["input_ids"][row, :row] = 0
    return inputs


def one_by_one(model: PeftModel, inputs: dict[str, Tensor], steps: int) -> list[list[int]]:
    """Greedy continuation of each row by itself, unpadded and without a cache."""
    answers = []
    for row in range(len(inputs["input_ids"])):
        kept = inputs["attention_mask"][row].bool()
        ids = inputs["input_ids"][row][kept][None]
        context = inputs["label_context"][row][None]
        for _ in range(steps):
            with torch.no_grad():
                scores = model(input_ids=ids, label_context=context, use_cache=False).logits[:, -1]
            scores[:, 2] = -torch.inf  # min_new_tokens keeps the end out
            ids = torch.cat([ids, scores.argmax(-1, keepdim=True)], dim=1)
        answers.append(ids[0, -steps:].tolist())
    return answers


@pytest.mark.parametrize("cache", [{}, {"cache_implementation": "static"}, {"use_cache": False}])
def test_greedy_equals_step_by_step(model: PeftModel, cache: dict[str, Any]) -> None:
    inputs = padded_batch()
    found = model.generate(**inputs, **GREEDY, **cache)[:, inputs["input_ids"].shape[1] :]
    assert found.tolist() == one_by_one(model, inputs, 6)


def test_context_reaches_generation(model: PeftModel) -> None:
    inputs = batch()
    first = model.generate(**inputs, **GREEDY, output_logits=True, return_dict_in_generate=True)
    inputs["label_context"] = inputs["label_context"].flip(0)
    second = model.generate(**inputs, **GREEDY, output_logits=True, return_dict_in_generate=True)
    assert not torch.equal(first.logits[0][0], second.logits[0][0])
    assert torch.equal(first.logits[0][1], second.logits[0][1])  # the middle row keeps its context


@pytest.mark.parametrize("by_config", [False, True])
@pytest.mark.parametrize("returned", [1, 2, 4])
def test_beams_equal_one_row_at_a_time(model: PeftModel, returned: int, by_config: bool) -> None:
    inputs = batch()
    options = {"num_beams": 4, "num_return_sequences": returned, "max_new_tokens": 5}
    if by_config:
        options = {"generation_config": GenerationConfig(**options, do_sample=False)}
    found = model.generate(**inputs, **options)
    assert len(found) == 3 * returned
    for row in range(3):
        alone = {name: value[row : row + 1] for name, value in inputs.items()}
        expected = model.generate(**alone, **options)
        together = found[row * returned : (row + 1) * returned, : expected.shape[1]]
        assert torch.equal(together, expected)


def test_positional_generation_config(model: PeftModel) -> None:
    inputs = batch()
    config = GenerationConfig(num_beams=2, max_new_tokens=3, do_sample=False)
    expected = model.generate(**inputs, generation_config=config)
    tuner = model.base_model
    found = tuner.generate(inputs["input_ids"], config, label_context=inputs["label_context"])
    assert torch.equal(found, expected)


def test_config_of_the_model_is_read(model: PeftModel) -> None:
    inputs, defaults = batch(), model.generation_config
    model.generation_config = GenerationConfig(num_beams=3, max_new_tokens=3, do_sample=False)
    try:
        assert model.generate(**inputs).shape[0] == 3
    finally:
        model.generation_config = defaults


def test_samples_take_the_context_of_their_prompt(model: PeftModel) -> None:
    inputs = batch()
    options = {"do_sample": True, "num_return_sequences": 5, "max_new_tokens": 2}
    out = model.generate(**inputs, **options, output_logits=True, return_dict_in_generate=True)
    with torch.no_grad():
        expected = model(**inputs).logits[:, -1]
    torch.testing.assert_close(out.logits[0], expected.repeat_interleave(5, 0), rtol=0, atol=1e-5)


def test_embeddings_as_prompt(model: PeftModel) -> None:
    inputs = batch()
    expected = model.generate(**inputs, **GREEDY)[:, 5:]
    embeds = model.get_input_embeddings()(inputs.pop("input_ids"))
    assert torch.equal(model.generate(inputs_embeds=embeds, **inputs, **GREEDY), expected)


def test_s_is_computed_once_per_call(model: PeftModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = ContextProjection.forward
    monkeypatch.setattr(
        ContextProjection,
        "forward",
        lambda self, *args: calls.append(self) or forward(self, *args),
    )
    inputs = batch()
    model.generate(**inputs, **GREEDY)
    assert len(calls) == len(set(calls)) == 14
    model.generate(**inputs, **GREEDY)
    assert len(calls) == 28


def test_state_is_clean_after_a_failure(model: PeftModel) -> None:
    inputs = batch()
    with pytest.raises(ValueError, match="nonsense"):
        model.generate(**inputs, nonsense=1)
    assert model.base_model.las_state.current is None
    with pytest.raises(LasError, match="no label context"):
        model(input_ids=inputs["input_ids"])
