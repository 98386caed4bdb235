"""Work out on paper what evaluating many systems on many tasks takes, from stated inputs.

Item counts come from the task cards; everything else is an input, and an argument. The tables of
docs/scale.md are made by

    python scripts/plan_scale.py --write docs/scale.md

Speed is bounded by two figures of the accelerator: reading a prompt costs 2 floating-point
operations per parameter and token; writing a token costs one pass over the weights in memory per
batch (or those operations, where the batch is so large that they take longer). Each is divided by
the share of the peak that is reached, which is an assumption until it is measured: give
``--items-per-second`` once it is.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from ovbench.io.atomic import write_text
from ovbench.tasks.card import card_of

TASKS = (
    *("ov-merd", "ov-merd-plus", "mer2023", "mer2024", "mer2025", "mer2025-fg", "meld"),
    *("cmu-mosei", "cmu-mosi", "sims", "simsv2", "iemocap-4class", "crema-d", "ravdess"),
    *("emospeech", "emobox-mead", "emobox-esd", "emobox-m3ed", "emobox-asvpesd"),
    "emobox-msppodcast",
)
BEGIN, END = "<!-- made by scripts/plan_scale.py -->", "<!-- end -->"
GPUS = (1, 8, 64)


@dataclass(frozen=True)
class Backend:
    """How a backend generates.

    Attributes
    ----------
    batch:
        Items at a time.
    tokens:
        Steps of a batch: transformers goes on until the longest answer ends, vLLM fills the place
        of an answer that has ended.
    reads:
        Prompt tokens per item, with the padding.
    start:
        Seconds until a process answers: start-up, and weights from the disk.
    """

    name: str
    batch: int
    tokens: float
    reads: float
    start: float


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", default=",".join(TASKS), help="of the task cards")
    parser.add_argument("--systems", type=int, default=20)
    parser.add_argument("--parameters", type=float, default=7.62e9, help="of the base")
    parser.add_argument("--prompt-tokens", type=float, default=160)
    parser.add_argument("--answer-tokens", type=float, default=8, help="mean")
    parser.add_argument("--longest-answer", type=float, default=20, help="of a batch, mean")
    parser.add_argument("--flops", type=float, default=989e12, help="peak, 16 bit, dense")
    parser.add_argument("--bandwidth", type=float, default=3.35e12, help="peak, bytes a second")
    parser.add_argument("--flops-share", type=float, default=0.4)
    parser.add_argument("--bandwidth-share", type=float, default=0.3, help="with transformers")
    parser.add_argument("--bandwidth-share-vllm", type=float, default=0.6)
    parser.add_argument("--disk", type=float, default=2e9, help="bytes a second")
    parser.add_argument("--score-seconds", type=float, default=3, help="per run, on the CPU")
    parser.add_argument(
        "--items-per-second", type=float, help="measured, per GPU; for transformers"
    )
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    return parser.parse_args()


def items_of(task: str) -> int:
    """Items that a task is evaluated on; of folds, all that are tested on."""
    card = card_of(task)
    splits = card.splits_of(task)
    named = card.views[task].split
    folds = any(split.fold for split in splits.values())
    chosen = [s for s in splits.values() if s.role == "test"] if folds else [splits[named]]
    counts = [split.items for split in chosen]
    if None in counts:
        sys.exit(f"{task}: nobody has counted its items")
    return sum(count or 0 for count in counts)


def backends(told: argparse.Namespace) -> list[Backend]:
    load = 2 * told.parameters / told.disk
    padded = 1.1 * told.prompt_tokens  # batches are of like length
    return [
        Backend("transformers", 64, told.longest_answer, padded, load + 20),
        Backend("vLLM", 256, told.answer_tokens, told.prompt_tokens, load + 60),
    ]


def seconds(told: argparse.Namespace, backend: Backend) -> tuple[float, float]:
    """Seconds of one GPU per item: reading the prompt, and writing the answer."""
    share = told.bandwidth_share if backend.name != "vLLM" else told.bandwidth_share_vllm
    flops = told.flops * told.flops_share
    reading = 2 * told.parameters * backend.reads / flops
    step = max(
        2 * told.parameters / (told.bandwidth * share),
        2 * told.parameters * backend.batch / flops,
    )
    writing = backend.tokens * step / backend.batch
    if told.items_per_second and backend.name != "vLLM":
        scale = 1 / told.items_per_second / (reading + writing)
        return reading * scale, writing * scale
    return reading, writing


def wall(
    told: argparse.Namespace, backend: Backend, gpus: int, items: int, runs: int
) -> dict[str, float]:
    """Seconds from begin to end, by what they go into.

    Whole systems go to GPUs while there are more of them; more GPUs than systems share one's
    batches (``--workers``).
    """
    each = max(1, gpus // told.systems)
    rounds = math.ceil(told.systems / (gpus // each))
    reading, writing = seconds(told, backend)
    return {
        "start": rounds * backend.start,
        "read": rounds * items * reading / each,
        "write": rounds * items * writing / each,
        "score": rounds * runs * told.score_seconds,
    }


def tables(told: argparse.Namespace) -> str:
    names = told.tasks.split(",")
    counts = {name: items_of(name) for name in names}
    items = sum(counts.values())
    lines = [
        f"{told.systems} systems × {len(names)} tasks = {told.systems * len(names)} runs; "
        f"{items:,} items, {told.systems * items:,} answers, "
        f"{told.systems * items * told.prompt_tokens / 1e6:,.0f} million prompt tokens, "
        f"{told.systems * items * told.answer_tokens / 1e6:,.0f} million answer tokens. Items: "
        + ", ".join(f"{name} {count:,}" for name, count in counts.items())
        + ".",
        "",
        "| backend | GPUs | items/s per GPU | start | prompts | answers | scoring | together "
        "| GPU hours |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for backend in backends(told):
        for gpus in GPUS:
            parts = wall(told, backend, gpus, items, len(names))
            total = sum(parts.values())
            cells = [
                *(backend.name, str(gpus), f"{1 / sum(seconds(told, backend)):,.0f}"),
                *(span(value) for value in parts.values()),
                *(f"**{span(total)}**", f"{gpus * total / 3600:.1f}"),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def span(value: float) -> str:
    """Minutes, or hours from two on."""
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def main() -> None:
    told = parsed()
    made = tables(told)
    if told.write is None:
        print(made, end="")
        return
    page = told.write.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    write_text(told.write, f"{before}{BEGIN}\n\n{made}\n{END}{after}")


if __name__ == "__main__":
    main()
