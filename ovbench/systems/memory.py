"""How much memory evaluating and training take, worked out before anything is loaded.

*Weights*: parameters of the base times the bytes of its dtype. *Adapter*: weights, gradients and
Adam's two moments in float32, 16 bytes for each trained parameter. Both are exact. Activations are
an estimate: 0.8 to 2 times what :mod:`ovbench.runs.footprint` counts.

*Activations* are those of one example of ``max_length`` tokens, the least that training can do with
(the trainer halves a batch that does not fit). Per token and layer the backward pass keeps, with
hidden size h, q and k the widths of queries and keys, m the inner width of the feed-forward part
and b the bytes of the dtype:

- the adapters' inputs in float32, one copy per adapted module, and another with dropout;
- both norms: input in float32 and output, 2 h (4 + b);
- attention: queries, keys, values and output, b (2 q + 2 k);
- the gated feed-forward part: gate, up, activation and product, 4 m b;
- DoRA: the outputs of base and branch, 2 b per output of an adapted module.

Checkpointing keeps b h per token and layer, and one layer as above at a time. The logits are those
of the answer's tokens alone, in the dtype, in float32 and as a gradient: V (b + 8) bytes each.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ovbench.errors import InputError
from ovbench.systems.backbones import find_shape, locate, read_config
from ovbench.systems.devices import DTYPES, gigabytes, memory_of, resolve_device
from ovbench.systems.parameters import count_parameters
from ovbench.systems.settings import DoraSettings

if TYPE_CHECKING:
    from ovbench.systems.recipe import CausalLmRecipe


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that training takes at a batch of one."""

    weights: int
    adapter: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.adapter + self.activations


def training_memory(
    recipe: CausalLmRecipe, scale: str, base: str, dtype: str | None = None
) -> TrainingMemory:
    """What training ``recipe`` takes on a base: a known shape, or weights that are here.

    ``dtype`` takes the place of the recipe's. Raises as
    :func:`ovbench.systems.parameters.count_parameters`.
    """
    shape = find_shape(base)
    where = base if shape is not None else str(locate(base))
    config = read_config(locate(base)) if shape is None else shape.config()
    counted = count_parameters(recipe, where)
    width = DTYPES[dtype or recipe.scale(scale).training.dtype].itemsize
    return TrainingMemory(
        weights=width * counted.base_parameters,
        adapter=counted.training_bytes,
        activations=activation_bytes(recipe, scale, config, width),
    )


def activation_bytes(
    recipe: CausalLmRecipe,
    scale: str,
    config: dict[str, Any],
    width: int,
    tokens: int | None = None,
) -> int:
    """Bytes kept for the backward pass of one example (see the module's docstring).

    ``config`` is a base's ``config.json``, ``width`` the bytes of its dtype; ``tokens`` default to
    the recipe's ``max_length``.
    """
    training = recipe.scale(scale).training
    hidden, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    heads, layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
    head = int(config.get("head_dim") or hidden // heads)
    queries, keys = heads * head, int(config.get("num_key_value_heads") or heads) * head
    inputs = {"o_proj": queries, "down_proj": inner}
    outputs = {
        "q_proj": queries,
        "k_proj": keys,
        "v_proj": keys,
        "gate_proj": inner,
        "up_proj": inner,
    }
    targets = recipe.method.target_modules
    adapted = sum(inputs.get(name, hidden) for name in targets)
    dora = isinstance(recipe.method, DoraSettings)
    layer = (
        (8 if training.dropout else 4) * adapted
        + 2 * hidden * (4 + width)
        + width * (2 * queries + 2 * keys)
        + 4 * inner * width
        + 2 * dora * width * sum(outputs.get(name, hidden) for name in targets)
    )
    count = training.max_length if tokens is None else tokens
    kept = layers * width * hidden + layer if training.checkpointing else layers * layer
    answer = min(count, recipe.decoding_at(scale).max_new_tokens)
    return count * kept + answer * int(config["vocab_size"]) * (width + 8)


def check_training_memory(
    recipe: CausalLmRecipe, scale: str, base: str, dtype: str, device: str
) -> None:
    """Raise :class:`InputError` if training with a batch of one does not fit into memory."""
    needed = training_memory(recipe, scale, base, dtype)
    where = resolve_device(device)
    if where == torch.device("cuda"):  # a launcher gives each process a GPU of its own
        where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    there = memory_of(where)
    if there is None or needed.total <= there:
        return
    raise InputError(
        f"training {recipe.name} takes about {gigabytes(needed.total)} at a batch of one (weights "
        f"{gigabytes(needed.weights)} in {dtype}, adapter with gradients and Adam's moments "
        f"{gigabytes(needed.adapter)}, activations {gigabytes(needed.activations)}); {where} has "
        f"{gigabytes(there)}",
        mend="use --dtype bfloat16"
        if DTYPES[dtype].itemsize > 2
        else "take a GPU with that much memory, a smaller --base, or a smaller adapter (ovbench "
        "params says what each takes)",
    )


def check_evaluation_memory(base: str, dtype: str, device: str) -> None:
    """Raise :class:`InputError` if the weights of a known shape do not fit into memory.

    Those of other bases are counted when they are loaded.
    """
    shape = find_shape(base)
    if shape is None or shape.parameters is None:
        return
    where = resolve_device(device)
    needed, there = DTYPES[dtype].itemsize * shape.parameters, memory_of(where)
    if there is not None and needed > there:
        raise InputError(
            f"the weights of {base} take {gigabytes(needed)} in {dtype}; {where} has "
            f"{gigabytes(there)}",
            mend="use --dtype bfloat16"
            if DTYPES[dtype].itemsize > 2
            else "take a GPU with that much memory, or a smaller --base",
        )
