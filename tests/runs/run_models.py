"""Tiny random Qwen2 models with adapters, and a tokenizer of single characters."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

from ovbench.context import open_context
from ovbench.lora_las import LasConfig
from ovbench.systems import load_recipe
from ovbench.systems.answers import Answer
from ovbench.systems.generation import CausalLmSystem
from ovbench.systems.loading import Base, build, load_base
from ovbench.systems.prompting import Prompt
from ovbench.systems.saved import write_adapter
from ovbench.systems.settings import Decoding

DIM = 6
TARGETS = ["q_proj", "v_proj", "down_proj"]


class Characters:
    """One token per character."""

    eos_token_id, pad_token_id = 1, 0

    def decode(self, ids: list[int], **_: Any) -> str:
        return "".join(chr(97 + i % 26) for i in ids)

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [2 + ord(c) % 60 for c in text]}


def base_model(seed: int = 0) -> Qwen2ForCausalLM:
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )
    return Qwen2ForCausalLM(config).eval()


def las_model(trained: bool = True, **changes: Any) -> PeftModel:
    """With constants under which the term is large, unless told otherwise."""
    settings = {"amplitude": 0.5, "omega": 3.0, "label_dim": DIM, "target_modules": TARGETS}
    return _adapted(LasConfig(r=4, lora_alpha=8, **{**settings, **changes}), trained)


def lora_model(trained: bool = True) -> PeftModel:
    return _adapted(
        LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, task_type="CAUSAL_LM"), trained
    )


def _adapted(config: LoraConfig, trained: bool) -> PeftModel:
    model = get_peft_model(base_model(), config)
    if trained:  # as good as: B is no longer zero
        torch.manual_seed(1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def contexts(items: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = [np.random.default_rng(sum(map(ord, item.id))).normal(size=DIM) for item in items]
    return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


def render(item: Any) -> str:
    return PROMPT.render(item)


PROMPT = Prompt(file="test.txt", text="voice: {description}words: {transcript}", sha256="0" * 64)


def system_of(model: PeftModel, name: str = "tiny", leak: bool = False) -> CausalLmSystem:
    """The model as a system that answers with 4 tokens; ``leak`` lets the batch's size in."""
    base = model.get_base_model()
    base.generation_config = GenerationConfig(eos_token_id=[1], pad_token_id=0)
    about = Base(
        base,
        Characters(),  # type: ignore[arg-type]
        name="random",
        folder=Path(),
        sha256="0" * 64,
        device=torch.device("cpu"),
        dtype=next(base.parameters()).dtype,
    )
    las = isinstance(model.active_peft_config, LasConfig)
    builder = SimpleNamespace(
        source="description", dim=DIM, schema=None, build=lambda items, *_: contexts(items)
    )
    kind = Leaky if leak else CausalLmSystem
    return kind(name, model, about, PROMPT, Decoding(max_new_tokens=4), builder if las else None)  # type: ignore[arg-type]


class Leaky(CausalLmSystem):
    """Its answers tell how many items were asked together."""

    def predict(self, items: Any, batch_size: int) -> Any:
        for answer in super().predict(items, batch_size):
            yield Answer(answer.id, f"{answer.text} {len(items)}", "ok", 1)


def make_adapter(name: str, base_folder: Path, folder: Path, seed: int = 0) -> Path:
    """An adapter of a recipe that is as good as trained: B is not zero."""
    recipe = load_recipe(name)
    base = load_base(base_folder, device="cpu")
    builder = open_context(recipe.context_at("tiny"))  # type: ignore[union-attr]
    model = build(
        recipe,  # type: ignore[arg-type]
        "tiny",
        base,
        label_dim=builder.dim or None,
        context_schema=builder.schema,
    )
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                parameter.normal_(std=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    write_adapter(model, folder, base)
    return folder
