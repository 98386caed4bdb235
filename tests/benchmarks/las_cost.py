"""What LoRA-LAS costs, as ratios to plain LoRA measured in the same run.

Run: ``OMP_NUM_THREADS=1 python tests/benchmarks/las_cost.py [--repetitions 25] [--json]``
On a GPU: ``python tests/benchmarks/las_cost.py --device cuda --shape qwen2.5-7b --dtype bf16``

All arms share one base model with random weights; their repetitions are interleaved, so that what
else the machine does falls on all alike. Per arm:

- step: zero_grad, forward with loss, backward and AdamW;
- forward: with loss, without gradients;
- saved: bytes that autograd keeps between forward and backward, each storage once, parameters of
  the model left out (deterministic);
- operations: floating-point operations of the matrix products of a step (deterministic), the floor
  of its time as ``saved`` is that of its memory;
- decode: greedy generation with the key-value cache, tokens per second (``--no-decode`` skips it);
- peak: greatest allocation of a step on CUDA.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2Config, Qwen2ForCausalLM

from ovbench.lora_las import LasConfig, LoranConfig

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPES: dict[str, dict[str, int]] = {
    "hidden1024": {
        "hidden_size": 1024,
        "intermediate_size": 2816,
        "num_hidden_layers": 2,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "vocab_size": 512,
    },
    "qwen2.5-7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
    },
}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LABEL_DIM = 768


def configurations(rank: int) -> dict[str, LoraConfig]:
    """The arms, plain LoRA first."""
    common: dict[str, Any] = {
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": TARGETS,
        "task_type": "CAUSAL_LM",
    }
    arms: dict[str, LoraConfig] = {"lora": LoraConfig(**common)}
    for projection in ("shared_down", "full", "tied", "scalar"):
        arms[f"las {projection}"] = LasConfig(**common, label_dim=LABEL_DIM, projection=projection)
    return arms | {"dora": LoraConfig(**common, use_dora=True), "loran": LoranConfig(**common)}


@dataclass
class Arm:
    """One adapted copy of the base and its inputs."""

    model: Any
    optimizer: torch.optim.Optimizer
    inputs: dict[str, torch.Tensor]
    prompt: dict[str, torch.Tensor]

    def step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.model(**self.inputs).loss.backward()
        self.optimizer.step()

    def forward(self) -> None:
        with torch.no_grad():
            self.model(**self.inputs)

    def decode(self, tokens: int) -> None:
        self.model.generate(
            **self.prompt, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False
        )


def build(config: LoraConfig, options: argparse.Namespace) -> Arm:
    """An arm with B ≠ 0, so that nothing is skipped or denormal."""
    device, dtype = torch.device(options.device), DTYPES[options.dtype]
    torch.manual_seed(0)
    shape = Qwen2Config(**SHAPES[options.shape], pad_token_id=0, eos_token_id=None)
    with device:
        base = Qwen2ForCausalLM(shape).to(dtype)
    model = get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.02)
    if options.checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    ids = torch.randint(1, shape.vocab_size, (options.batch, options.length), device=device)
    inputs = {"input_ids": ids, "labels": ids}
    prompt = {"input_ids": ids[:, :8], "attention_mask": torch.ones_like(ids[:, :8])}
    if isinstance(config, LasConfig):
        context = nn.functional.normalize(torch.randn(options.batch, LABEL_DIM, device=device))
        inputs["label_context"] = prompt["label_context"] = context
    trainable = [p for p in model.parameters() if p.requires_grad]
    return Arm(model, torch.optim.AdamW(trainable, lr=1e-6), inputs, prompt)


def saved_bytes(arm: Arm) -> int:
    """Bytes kept for the backward pass, each storage once, without the model's parameters."""
    owned = {p.untyped_storage().data_ptr() for p in arm.model.parameters()}
    sizes: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = arm.model(**arm.inputs).loss
    total = sum(sizes.values())
    del loss
    return total


def operations(arm: Arm) -> int:
    """Floating-point operations of the matrix products of one training step."""
    with FlopCounterMode(display=False) as counter:
        arm.step()
    return int(counter.get_total_flops())


def seconds(function: Callable[[], None], device: str) -> float:
    """Time of one call, the device's queue emptied before and after.

    On one CPU thread it is the process's own time, so that other processes count for less.
    """
    alone = device == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    if device == "cuda":
        torch.cuda.synchronize()
    start = clock()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def measure(arms: dict[str, Arm], options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Per arm and quantity, one number per repetition."""
    times: dict[str, dict[str, list[float]]] = {
        name: {"step": [], "forward": [], "decode": []} for name in arms
    }
    for repetition in range(options.repetitions + 2):
        for name, arm in arms.items():
            arm.model.train()
            step = seconds(arm.step, options.device)
            forward = seconds(arm.forward, options.device)
            if repetition >= 2:  # the first two warm up
                times[name]["step"].append(step)
                times[name]["forward"].append(forward)
    for repetition in range(0 if options.no_decode else options.decode_repetitions + 1):
        for name, arm in arms.items():
            arm.model.eval()
            decode = seconds(lambda arm=arm: arm.decode(options.tokens), options.device)
            if repetition:
                times[name]["decode"].append(decode)
    return times


def paired(times: list[float], reference: list[float]) -> dict[str, float]:
    """Median and quartiles of the ratios to the reference within each repetition."""
    ratios = sorted(t / r for t, r in zip(times, reference, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    return {"ratio": statistics.median(ratios), "low": low, "high": high}


def report(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """All figures per arm."""
    wanted = options.arms.split(",") if options.arms else None
    chosen = {
        name: config
        for name, config in configurations(options.rank).items()
        if wanted is None or name == "lora" or name in wanted
    }
    arms = {name: build(config, options) for name, config in chosen.items()}
    table: dict[str, dict[str, Any]] = {name: {} for name in arms}
    for name, arm in arms.items():
        arm.model.train()
        table[name]["saved"] = saved_bytes(arm)
        table[name]["operations"] = operations(arm)
        if options.device == "cuda":
            arm.step()
            torch.cuda.reset_peak_memory_stats()
            arm.step()
            table[name]["peak"] = torch.cuda.max_memory_allocated()
    times = measure(arms, options)
    for name, row in table.items():
        for quantity in ("saved", "operations", "peak"):
            if quantity in row:
                row[f"{quantity}_ratio"] = row[quantity] / table["lora"][quantity]
        for quantity, values in times[name].items():
            if values:
                row[f"{quantity}_seconds"] = statistics.median(values)
                row[quantity] = paired(values, times["lora"][quantity])
        if times[name]["decode"]:
            tokens = options.batch * options.tokens
            row["tokens_per_second"] = tokens / row["decode_seconds"]
    return table


def show(table: dict[str, dict[str, Any]]) -> None:
    """The ratios as a table on stdout."""
    quantities = ("step", "forward", "decode")
    print(
        f"{'arm':<18}"
        + "".join(f"{q:>24}" for q in quantities)
        + f"{'saved':>22}{'operations':>12}{'peak':>8}"
    )
    for name, row in table.items():
        cells = [f"{name:<18}"]
        for quantity in quantities:
            r = row.get(quantity)
            cell = "-" if r is None else f"{r['ratio']:.3f} ({r['low']:.3f}–{r['high']:.3f})"
            cells.append(f"{cell:>24}")
        cells.append(f"{row['saved'] / 2**20:>12.1f} MiB {row['saved_ratio']:.3f}")
        cells.append(f"{row['operations_ratio']:>12.4f}")
        cells.append(f"{row['peak_ratio']:>8.3f}" if "peak_ratio" in row else f"{'-':>8}")
        print("".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--shape", default="hidden1024", choices=list(SHAPES))
    parser.add_argument("--dtype", default="fp32", choices=list(DTYPES))
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--repetitions", type=int, default=25)
    parser.add_argument("--decode-repetitions", type=int, default=9)
    parser.add_argument("--no-decode", action="store_true")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--arms", help="comma-separated names; lora is always measured")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    table = report(options)
    if not options.json:
        show(table)
    json.dump({"options": vars(options), "arms": table}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
