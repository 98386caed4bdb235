"""Train the backbone of TinyOV: a Qwen2 of 2 M parameters on generated text, never on its answers.

    python scripts/build_backbone.py --out FOLDER --steps 4500
    python scripts/build_backbone.py --out FOLDER --steps 4500 --resume

FOLDER gets config.json, generation_config.json, model.safetensors (bfloat16), tokenizer files and
training.json, as they ship in ovbench/testbed/backbone, and checkpoint.pt while training runs.
With --steps a run that was broken off and resumed ends with the same bits as an unbroken one on the
same machine and number of threads; with --minutes the learning rate follows the clock.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import backbone_tokenizer
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from ovbench.io.atomic import write_bytes, write_text
from ovbench.testbed.pretraining import pretraining_text

SHAPE = {
    "hidden_size": 160,
    "intermediate_size": 448,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}
PROMPT_WEIGHT = 0.2
"""Weight of the loss on what a document gives; its last line, which must be worked out, has 1."""


def main() -> None:
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    tokenizer = backbone_tokenizer.build(asked.seed)
    model = Qwen2ForCausalLM(_config(tokenizer, asked.small))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0, betas=(0.9, 0.98), weight_decay=0.05)
    state: dict[str, Any] = {"step": 0, "document": 0, "seconds": 0.0, "losses": []}
    checkpoint = asked.out / "checkpoint.pt"
    if asked.resume and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"])
        state = saved["state"]
    _train(model, optimizer, tokenizer, state, asked)
    if _share(state, asked) < 1:
        print(f"stopped at step {state['step']}; go on with --resume", flush=True)
        return
    _export(model, tokenizer, state, asked)
    print(f"written to {asked.out}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int, help="optimiser steps in all")
    length.add_argument("--minutes", type=float, help="minutes of training in all")
    parser.add_argument("--stop-at", type=int, help="break off after this step, to be resumed")
    parser.add_argument("--resume", action="store_true", help="go on from FOLDER/checkpoint.pt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=8, help="rows of a step")
    parser.add_argument("--length", type=int, default=192, help="tokens of a row")
    parser.add_argument("--rate", type=float, default=2.5e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--small", action="store_true", help="two narrow layers, to try the script")
    return parser.parse_args()


def _config(tokenizer: PreTrainedTokenizerFast, small: bool) -> Qwen2Config:
    shape = dict(SHAPE)
    if small:
        shape |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    return Qwen2Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        **shape,
    )


def _train(
    model: Qwen2ForCausalLM,
    optimizer: torch.optim.AdamW,
    tokenizer: PreTrainedTokenizerFast,
    state: dict[str, Any],
    asked: argparse.Namespace,
) -> None:
    model.train()
    before, began = state["seconds"], time.monotonic()
    batches = _batches(tokenizer, asked, state["document"])
    while (share := _share(state, asked)) < 1 and state["step"] != asked.stop_at:
        rows, state["document"] = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = asked.rate * _schedule(share, state["step"])
        loss = _loss(model, *rows)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state["step"] += 1
        state["seconds"] = before + time.monotonic() - began
        if not math.isfinite(loss.item()):
            raise SystemExit(
                f"the loss is {loss.item()} at step {state['step']}: nothing was saved"
            )
        if state["step"] % 50 == 0:
            state["losses"].append([state["step"], round(loss.item(), 4)])
            print(
                f"step {state['step']}  loss {loss.item():.4f}  {state['seconds']:.0f} s"
                f"  {share:.1%}",
                flush=True,
            )
        if state["step"] % asked.save_every == 0 or state["step"] == asked.stop_at:
            _save_checkpoint(model, optimizer, state, asked.out / "checkpoint.pt")


def _share(state: dict[str, Any], asked: argparse.Namespace) -> float:
    if asked.steps is not None:
        return state["step"] / asked.steps
    return state["seconds"] / (60 * asked.minutes)


def _schedule(share: float, step: int) -> float:
    """Warm-up over 100 steps, then a cosine from 1 to .02."""
    return min(1, (step + 1) / 100) * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)


def _loss(
    model: Qwen2ForCausalLM, tokens: torch.Tensor, positions: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Weighted cross-entropy; ``positions`` start at 0 with each document and keep them apart."""
    logits = model(input_ids=tokens, position_ids=positions, use_cache=False).logits[:, :-1]
    losses = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    wanted = weights[:, 1:].flatten()
    return (losses * wanted).sum() / wanted.sum()


def _batches(
    tokenizer: PreTrainedTokenizerFast, asked: argparse.Namespace, document: int
) -> Iterator[tuple[tuple[torch.Tensor, torch.Tensor, torch.Tensor], int]]:
    """Rows of whole documents, each with the number of the first document not yet used."""
    while True:
        rows = []
        for _ in range(asked.batch):
            row: list[tuple[int, int, float]] = []
            while True:
                text = next(pretraining_text(asked.seed, 1, document))
                piece = _encode(tokenizer, text)
                if row and len(row) + len(piece) > asked.length:
                    break
                row += piece[: asked.length]
                document += 1
            padding = (tokenizer.pad_token_id, 0, 0.0)
            rows.append(row + [padding] * (asked.length - len(row)))
        columns = torch.tensor(rows, dtype=torch.float64)
        tokens, positions = columns[..., 0].long(), columns[..., 1].long()
        yield (tokens, positions, columns[..., 2].float()), document


def _encode(tokenizer: PreTrainedTokenizerFast, text: str) -> list[tuple[int, int, float]]:
    """Token, position and loss weight of a document and the end mark after it."""
    given, _, answer = text.rpartition("\n")
    head = tokenizer(f"{given}\n").input_ids if given else []
    tail = [*tokenizer(answer).input_ids, tokenizer.eos_token_id]
    weights = [PROMPT_WEIGHT] * len(head) + [1.0] * len(tail)
    # The first token of a document has nothing before it in its own text.
    weights[0] = 0.0
    return list(zip(head + tail, range(len(weights)), weights, strict=True))


def _save_checkpoint(
    model: Qwen2ForCausalLM, optimizer: torch.optim.AdamW, state: dict[str, Any], path: Path
) -> None:
    saved = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "state": state,
    }
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    write_bytes(path, buffer.getvalue())


def _export(
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    state: dict[str, Any],
    asked: argparse.Namespace,
) -> None:
    shipped = Qwen2ForCausalLM(model.config)
    shipped.load_state_dict(model.state_dict())
    shipped.to(torch.bfloat16).save_pretrained(asked.out)
    GenerationConfig(
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id
    ).save_pretrained(asked.out)
    backbone_tokenizer.save(tokenizer, asked.out)
    record = {
        "command": _command(asked),
        "seed": asked.seed,
        "steps": state["step"],
        "documents": state["document"],
        "batch": [asked.batch, asked.length],
        "learning_rate": asked.rate,
        "seconds": round(state["seconds"]),
        "threads": asked.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "losses": state["losses"],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    write_text(asked.out / "training.json", json.dumps(record, indent=1) + "\n")


def _command(asked: argparse.Namespace) -> str:
    length = f"--steps {asked.steps}" if asked.minutes is None else f"--minutes {asked.minutes:g}"
    small = " --small" if asked.small else ""
    return (
        f"python scripts/build_backbone.py --out FOLDER {length} --seed {asked.seed}"
        f" --batch {asked.batch} --length {asked.length} --rate {asked.rate:g}"
        f" --threads {asked.threads}{small}"
    )


if __name__ == "__main__":
    main()
