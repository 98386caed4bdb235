"""A model, a tokenizer and texts that train in a second, for the tests of the loop."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from ovbench.lora_las import LasConfig
from ovbench.systems.settings import TrainingSettings
from ovbench.training.encode import Encoded, Pair, encode
from ovbench.training.loop import Plan
from ovbench.training.processes import open_accelerator

WORDS = [f"w{i}" for i in range(56)]
DIM = 5


def tokenizer(**special: Any) -> PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate(["<eos>", "<unk>", ",", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **{"eos_token": "<eos>", "unk_token": "<unk>"} | special
    )


def base(vocab: int = 64) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocab,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        eos_token_id=0,
    )
    return Qwen2ForCausalLM(config)


def lora(seed: int = 0, **options: Any) -> PeftModel:
    model = base()
    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}
    config = LoraConfig(**settings | {"task_type": "CAUSAL_LM"} | options)
    return get_peft_model(model, config)


def las(seed: int = 0, **options: Any) -> PeftModel:
    model = base()
    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "label_dim": DIM}
    return get_peft_model(model, LasConfig(**settings | {"task_type": "CAUSAL_LM"} | options))


def pairs(n: int, seed: int = 0) -> list[Pair]:
    """Texts whose completion is learnable: the last words of the prompt, once more."""
    draw = random.Random(seed)
    found = []
    for i in range(n):
        words = draw.choices(WORDS, k=draw.randint(3, 20))
        answer = " , ".join(words[-draw.randint(1, 3) :])
        found.append(Pair(f"item-{i}", " ".join(words) + " :", f" {answer}"))
    return found


def texts(n: int, seed: int = 0, *, context: bool = False, max_length: int = 64) -> Encoded:
    vectors = None
    if context:
        vectors = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return encode(pairs(n, seed), tokenizer(), max_length, vectors)


def settings(**options: Any) -> TrainingSettings:
    defaults = {
        "learning_rate": 1e-2,
        "batch_size": 8,
        "steps": 12,
        "eval_every": 4,
        "max_length": 64,
        "clip": 1.0,
        "weight_decay": 0.01,
        "warmup_share": 0.1,
    }
    return TrainingSettings(**defaults | options)


def save_as_peft(model: PeftModel, folder: Path) -> None:
    model.save_pretrained(folder)


def plan(out: Path, model: PeftModel, seed: int = 0, **options: Any) -> Plan:
    order = options.pop("batch_order_seed", seed)
    identity = options.pop("identity", {"seed": seed})
    save = options.pop("save_adapter", lambda folder: save_as_peft(model, folder))
    chosen = settings(**options)
    assert chosen.steps is not None
    return Plan("test", chosen, chosen.steps, seed, order, out, identity, save)


def accelerator(dtype: str = "float32") -> Any:
    return open_accelerator("cpu", dtype)


def weights(out: Path) -> bytes:
    return (out / "adapter" / "adapter_model.safetensors").read_bytes()


def scaled_accelerator(scale: float = 1024.0) -> Any:
    """float16 with a gradient scaler on a CPU, where accelerate itself offers none."""
    found = accelerator()
    found.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1000)
    found.native_amp = True
    found.state._mixed_precision = "fp16"
    return found
