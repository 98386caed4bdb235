"""Tiny adapted models, and LoRA-LAS written a second time from its formula."""

from __future__ import annotations

import copy
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from ovbench.lora_las import LasConfig

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LABEL_DIM = 6
VOCABULARY = 40
COMMON: dict[str, Any] = {
    "r": 3,
    "lora_alpha": 6,
    "target_modules": TARGETS,
    "task_type": "CAUSAL_LM",
}


def base_model(dtype: torch.dtype = torch.float32, seed: int = 0) -> Qwen2ForCausalLM:
    """Random Qwen2 of two layers, hidden 16."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
    )
    return Qwen2ForCausalLM(config).to(dtype).eval()


def las_config(**changes: Any) -> LasConfig:
    """A LasConfig whose term is large, unless told otherwise."""
    defaults = {"label_dim": LABEL_DIM, "amplitude": 0.5, "omega": 3.0, "projection_rank": 2}
    return LasConfig(**{**COMMON, **defaults, **changes})


def adapted(config: LoraConfig, dtype: torch.dtype = torch.float32, seed: int = 0) -> PeftModel:
    """The tiny base under `config`, with A and B of a size that makes the branch matter."""
    model = get_peft_model(base_model(dtype, seed), config)
    stir(model, seed)
    return model.eval()


def stir(model: nn.Module, seed: int = 0) -> None:
    """Give B (and A) values away from their initial ones, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed + 17)
    for name, parameter in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data.copy_(values * 0.3)


def batch(rows: int = 3, length: int = 5, seed: int = 0) -> dict[str, Tensor]:
    """Token ids without padding, and contexts of unit norm."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (rows, length), generator=generator)
    context = torch.randn(rows, LABEL_DIM, generator=generator)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "label_context": nn.functional.normalize(context),
    }


def gradients(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients of the language model loss by every trainable parameter that has one."""
    model.zero_grad()
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


class PlainFormula(nn.Module):
    """One adapted linear layer, straight from the formula, with autograd doing the gradients."""

    def __init__(self, base: nn.Linear, values: dict[str, Any]) -> None:
        super().__init__()
        self.base, self.values = base, values
        self.context: Tensor | None = None

    def forward(self, h: Tensor) -> Tensor:
        v = self.values
        x = (h @ v["A"].T) @ v["B"].T
        c = self.context if v["V"] is None else self.context @ v["V"].T + v["v"]
        logits = c @ v["W"].T
        if v["tied"]:
            logits = logits @ v["B"].T
        s = 1 / (1 + torch.exp(-(logits + v["b"])))[:, None, :]
        leaky = torch.maximum(x, torch.zeros(())) + v["slope"] * torch.minimum(x, torch.zeros(()))
        f = x + leaky * v["amplitude"] * torch.sin(v["omega"] * (x * s))
        return self.base(h) + v["scaling"] * f


def plain_formula(model: PeftModel) -> tuple[nn.Module, dict[str, Tensor]]:
    """A base model whose adapted layers are `PlainFormula`, and its leaves by parameter name.

    The leaves are copies of the adapter's parameters, named as in `model`.
    """
    config = model.peft_config["default"]
    leaves = {
        name: parameter.detach().clone().requires_grad_()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    plain = copy.deepcopy(model).base_model.model
    prefix = "base_model.model."
    shared = "base_model.lora_las_context.default."
    for name, module in list(plain.named_modules()):
        if not hasattr(module, "lora_las_proj"):
            continue
        own = f"{prefix}{name}."
        values = {
            "A": leaves[f"{own}lora_A.default.weight"],
            "B": leaves[f"{own}lora_B.default.weight"],
            "W": leaves[f"{own}lora_las_proj.default.weight"],
            "b": leaves[f"{own}lora_las_proj.default.bias"],
            "V": leaves.get(f"{shared}weight"),
            "v": leaves.get(f"{shared}bias"),
            "tied": config.projection == "tied",
            "slope": config.negative_slope,
            "amplitude": config.amplitude,
            "omega": config.omega,
            "scaling": config.lora_alpha / config.r,
        }
        parent, _, child = name.rpartition(".")
        setattr(plain.get_submodule(parent), child, PlainFormula(module.base_layer, values))
    return plain, leaves


def set_context(plain: nn.Module, context: Tensor) -> None:
    """Hand the context to every `PlainFormula` of a model."""
    for module in plain.modules():
        if isinstance(module, PlainFormula):
            module.context = context
