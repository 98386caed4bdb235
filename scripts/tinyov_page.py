"""Write docs/results/tinyov.md and its plot: every recipe on TinyOV, side by side, over seeds.

    OMP_NUM_THREADS=1 python scripts/tinyov_page.py --out comparison

Trains and evaluates what is not in the folder yet (hours on two cores), then writes the page.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ovbench.io.atomic import write_text
from ovbench.report import render
from ovbench.report.comparison import comparison_sections
from ovbench.report.plot import write_plot
from ovbench.runs.comparison import Comparison, Row
from ovbench.runs.replicate import compare_recipes

FIRST, RANK_4 = "affectgpt-lora-r8", "affectgpt-lora-r4"
LAS_4 = ("lora-las-r4", "lora-las-r4-full", "lora-las-r4-wide")
TUNED = (
    *(
        FIRST,
        RANK_4,
        "affectgpt-lora-r16",
        "rslora-r8",
        "lora-plus-r8",
        "dora-r8",
        "pissa-r8",
        "olora-r8",
    ),
    *("miss-r8", "loran-r8", "lora-las-r8", *LAS_4),
)
TRIVIAL = ("frequent-k", "majority", "all-labels", "random")
PAGE = Path("docs/results/tinyov.md")

INTRO = """\
# Fine-tuning methods on TinyOV

Measured here, by the command below: {methods} methods and {trivial} trivial answers on the test
split of TinyOV ({items} items), each method trained under {seeds} seeds on the same items with the
same steps, target modules and learning rate; LoRA+ and rsLoRA, whose definitions scale the update,
have lower ones, chosen by hand. No method's rate was tuned. Speeds are those of a machine that did
other work too; ratios of one run are in [performance](../performance.md). The backbone has two
million parameters and the corpus is generated, so **nothing here compares with results of 7B
models**; what can be compared is methods with each other.

```sh
OMP_NUM_THREADS=1 python scripts/tinyov_page.py --out comparison   # writes this page
ovbench compare affectgpt-lora-r8 lora-las-r8 --seeds 5            # any part of it
```

![Scores of all methods](tinyov.svg)

## LoRA-LAS against LoRA of the same rank

{las}

`lora-las-r8`, `lora-las-r4` and `lora-las-r4-full` have the published constants; `-wide` has A = ½
and ω = 3. Whether the label context itself can help: [las-search.md](las-search.md).

## What differs from LoRA of rank 8 by more than noise

Ranks differ: `affectgpt-lora-r4` shows what rank 4 alone costs here, `affectgpt-lora-r16` what rank
16 gives.

{verdict}

"""


def verdict(comparison: Comparison) -> str:
    """In words: which rows are above or below the first by more than chance and batch order."""
    lines = []
    for metric in comparison.metrics:
        title, rows = metric.title, comparison.rows[1:]
        tuned = [row for row in rows if row.kind != "constant"]
        told = [row for row in tuned if row.above_noise[title]]
        better = [_said(row, title) for row in told if row.differences[title].difference > 0]
        worse = [_said(row, title) for row in told if row.differences[title].difference <= 0]
        others = [_said(row, title) for row in tuned if not row.above_noise[title]]
        floor = comparison.noise[title]
        lines += [
            f"**{title}** (points; noise floor {100 * floor.floor:.2f})",
            "",
            f"- above {FIRST}: {'; '.join(better) or 'none'}",
            f"- below it: {'; '.join(worse) or 'none'}",
            f"- not told from it: {'; '.join(others) or 'none'}",
            "",
        ]
    return "\n".join(lines)


def las_verdict(rank_8: Comparison, rank_4: Comparison) -> str:
    """LoRA-LAS against LoRA, each at its own rank."""
    lines = [_las(rank_8, "lora-las-r8"), *(_las(rank_4, name) for name in LAS_4)]
    return "\n".join(lines)


def _said(row: Row, title: str) -> str:
    found = row.differences[title]
    p = "" if found.p_holm is None else f", p {found.p_holm:.3f}"
    return f"{row.name} {100 * found.difference:+.2f}{p}"


def _las(comparison: Comparison, name: str) -> str:
    """One form of LoRA-LAS against the comparison's first row, LoRA of the same rank."""
    title = comparison.metrics[0].title
    row = next(row for row in comparison.rows if row.name == name)
    found = row.differences[title]
    if not row.above_noise[title]:
        said = "is **no better than LoRA**"
    else:
        said = "is **better than LoRA**" if found.difference > 0 else "is **worse than LoRA**"
    p = "–" if found.p_holm is None else f"{found.p_holm:.3f}"
    return (
        f"- {name} {said} of the same rank ({comparison.rows[0].name}): "
        f"{100 * found.difference:+.2f} points of {title} [{100 * found.low:+.2f}, "
        f"{100 * found.high:+.2f}], corrected p = {p}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of trainings and runs")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    found = compare_recipes([*TUNED, *TRIVIAL], seeds=given.seeds, out=given.out)
    write_plot(found, str(PAGE.with_suffix(".svg")))
    rank_4 = compare_recipes([RANK_4, *LAS_4], seeds=given.seeds, out=given.out, noise=False)
    intro = INTRO.format(
        methods=len(TUNED),
        trivial=len(TRIVIAL),
        items=found.items,
        seeds=given.seeds,
        las=las_verdict(found, rank_4),
        verdict=verdict(found),
    )
    write_text(PAGE, intro + render.markdown(comparison_sections(found)))
    write_text(PAGE.with_suffix(".json"), found.to_json())
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
