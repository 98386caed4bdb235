"""Search for a setting of LoRA-LAS at which the label context itself helps, and confirm it.

Every setting is trained twice per seed: with each item's own context, and with another item's
(``shuffled``), in training and in evaluation alike. Whatever the term's shape does, both have; only
what the context says differs. On *dev* two settings are chosen: the one with the largest mean
difference, and the one whose difference is largest for its spread over seeds (a mean can be large
because one training went astray). They are then trained anew under seeds that took no part in the
choice, and scored on *test*, beside plain LoRA of the same rank and beside themselves in another
batch order (the noise floor).

    python scripts/las_search.py --out search --jobs 2 --markdown docs/results/las-search.md

What is in the folder already is not done again.
"""

from __future__ import annotations

import argparse
import math
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from ovbench.io.atomic import write_text
from ovbench.report import render
from ovbench.report.comparison import comparison_sections
from ovbench.report.sections import Section
from ovbench.runs.compare import compare_runs
from ovbench.runs.comparison import Comparison
from ovbench.runs.evaluate import EvalOptions, run_folder
from ovbench.runs.place import Place
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.replicate import REORDERED
from ovbench.runs.seeds import SeedDifference
from ovbench.scoring import Options
from ovbench.systems.registry import bundled_folder

TASK = "tinyov"
PLAIN = "affectgpt-lora-r8"
CONFIRM_FROM = 100
"""First seed of the confirmation; the search uses 0, 1, …"""


@dataclass(frozen=True)
class Setting:
    """A form of the term, and how its context is made."""

    amplitude: float
    omega: float
    slope: float = 0.01
    projection: str = "shared_down"
    source: str = "description"
    shuffled: bool = False

    @property
    def name(self) -> str:
        parts = [f"las-a{self.amplitude:g}-w{self.omega:g}-l{self.slope:g}", self.projection]
        return "-".join([*parts, self.source, *(["shuffled"] if self.shuffled else [])]).replace(
            "_", "."
        )


SETTINGS = (
    Setting(2e-4, 1e4),
    Setting(0.5, 3),
    Setting(2, 3),
    Setting(1, 10),
    Setting(1, 3, slope=1.0),
    Setting(1, 3, projection="full"),
    Setting(1, 3, source="prototypes"),
)
"""What is searched; the first is the published form."""

RECIPE = """\
name = "{name}"
kind = "causal_lm"
title = "LoRA-LAS: A {amplitude:g}, omega {omega:g}, slope {slope:g}, {projection}, {source}"

[method]
name = "las"
r = 8
lora_alpha = 16
target_modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
amplitude = {amplitude!r}
omega = {omega!r}
negative_slope = {slope!r}
projection = "{projection}"

[context]
source = "{source}"
shuffled = {shuffled}

[scales.tiny]
backbone = "tinyov"
prompt = "{prompt}"

[scales.tiny.training]
{training}
"""


INTRO = """\
# Does a label context help?

A search for a setting of LoRA-LAS (rank 8) at which the label context itself helps: amplitude A,
phase rate omega, slope, form of the projection, source of the context. Every setting is trained
with each item's own context and with another item's, in training and evaluation alike; what the
term's shape does, both have. On dev, over {seeds} seeds, two settings are chosen: the one with the
largest mean difference, and the one whose difference is largest for its spread over seeds. Both are
confirmed on test over {confirm} seeds that took no part in the choice, each with a noise floor of
its own. Written by:

```sh
OMP_NUM_THREADS=1 python scripts/las_search.py --out search --seeds {seeds} --jobs 2 \\
  --markdown docs/results/las-search.md
```

"""


def write_recipe(setting: Setting, folder: Path) -> Path:
    """The setting's recipe as a file; its training is that of the plain LoRA recipe."""
    plain = (bundled_folder() / f"{PLAIN}.toml").read_text("utf-8")
    training = plain.partition("[scales.tiny.training]\n")[2].partition("\n\n")[0]
    text = RECIPE.format(
        name=setting.name,
        amplitude=float(setting.amplitude),
        omega=float(setting.omega),
        slope=float(setting.slope),
        projection=setting.projection,
        source=setting.source,
        shuffled=str(setting.shuffled).lower(),
        prompt=(bundled_folder() / "prompts" / "tinyov.txt").resolve(),
        training=training,
    )
    path = folder / f"{setting.name}.toml"
    write_text(path, text)
    return path


@dataclass(frozen=True)
class Job:
    """One training and its evaluation."""

    recipe: str
    seed: int
    split: str
    out: Path
    reordered: bool = False

    @property
    def home(self) -> Path:
        return self.out / f"seed-{self.seed}{'-reordered' if self.reordered else ''}"


def run(job: Job) -> None:
    """Train a recipe under a seed and evaluate it on a split, each unless it is there."""
    import torch

    from ovbench.training.train import train

    torch.set_num_threads(1)
    folder = job.home / Path(job.recipe).stem / "train"
    order = job.seed + REORDERED if job.reordered else None
    train(job.recipe, "tiny", job.seed, folder, task=TASK, resume=True, batch_order_seed=order)
    evaluate_recipe(
        job.recipe,
        [TASK],
        out=job.home,
        place=Place(adapter=folder),
        split=job.split,
        options=EvalOptions(seed=job.seed, scoring=Options(draws=0, floors=False)),
    )


def run_all(work: list[Job], jobs: int) -> None:
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for number, _ in enumerate(pool.map(run, work), 1):
            print(f"{number} of {len(work)} done on {work[0].split}", flush=True)


def folders(name: str, seeds: range, split: str, out: Path, reordered: bool = False) -> list[Path]:
    homes = [Job(name, seed, split, out, reordered).home for seed in seeds]
    return [run_folder(home, name, TASK, split) for home in homes]


def context_effect(setting: Setting, seeds: range, split: str, out: Path) -> SeedDifference:
    """The score with each item's own context minus that with another item's."""
    other = replace(setting, shuffled=True)
    found = compare_runs(
        [*folders(other.name, seeds, split, out), *folders(setting.name, seeds, split, out)],
        draws=2000,
    )
    return found.rows[1].differences[found.metrics[0].title]


def consistency(one: SeedDifference) -> float:
    """The mean difference over its standard error over seeds (Student's t)."""
    return one.difference / (statistics.stdev(one.by_seed) / math.sqrt(len(one.by_seed)))


def search_section(effects: dict[Setting, SeedDifference], seeds: range) -> Section:
    rows = tuple(
        (
            f"{setting.amplitude:g}",
            f"{setting.omega:g}",
            f"{setting.slope:g}",
            setting.projection,
            setting.source,
            f"{100 * one.difference:+.2f}",
            f"{100 * statistics.stdev(one.by_seed):.2f}",
            f"{consistency(one):+.1f}",
            f"[{100 * one.low:+.2f}, {100 * one.high:+.2f}]",
        )
        for setting, one in effects.items()
    )
    columns = (
        "A",
        "ω",
        "slope",
        "projection",
        "context",
        "own − other's",
        "sd",
        "t",
        "95 % over items",
    )
    note = (
        f"WF in points, {len(seeds)} seeds; t: difference over its standard error over seeds; "
        "chosen: the largest difference and the largest t"
    )
    return Section("Search on dev", columns, rows, (note,))


def verdict(setting: Setting, confirmed: Comparison, to_plain: Comparison, tried: int) -> str:
    """What the confirmation of one of ``tried`` settings says, in two sentences."""
    title = confirmed.metrics[0].title
    own = next(row for row in confirmed.rows if row.name == setting.name)
    one, plain = own.differences[title], to_plain.rows[1].differences[title]
    p = min(1.0, tried * (one.p_holm or 0.0))
    helps = one.difference > confirmed.noise[title].floor and p < 0.05
    return (
        f"{setting.name}: the label context {'helps' if helps else 'does not show that it helps'} "
        f"({100 * one.difference:+.2f} points of {title} over another item's context, "
        f"noise floor {100 * confirmed.noise[title].floor:.2f}, p = {p:.3f}, corrected for "
        f"{tried} settings). With its own context it differs from plain LoRA of the same rank by "
        f"{100 * plain.difference:+.2f} [{100 * plain.low:+.2f}, {100 * plain.high:+.2f}], "
        f"p = {plain.p_holm:.3f}."
    )


def confirm(
    best: Setting, paths: dict[Setting, str], seeds: range, out: Path, jobs: int
) -> tuple[Comparison, Comparison]:
    """The chosen setting under fresh seeds on test: against another's context, and plain LoRA."""
    other = replace(best, shuffled=True)
    plain = str(bundled_folder() / f"{PLAIN}.toml")
    work = [Job(path, s, "test", out) for s in seeds for path in (paths[other], paths[best], plain)]
    run_all([*work, *(Job(paths[best], s, "test", out, True) for s in seeds)], jobs)
    own, others, plains = (
        folders(name, seeds, "test", out) for name in (best.name, other.name, PLAIN)
    )
    again = folders(best.name, seeds, "test", out, reordered=True)
    return (
        compare_runs([*others, *own, *plains], noise=again),
        compare_runs([*plains, *own], noise=again),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="of the search")
    parser.add_argument("--confirm", type=int, default=5, help="seeds of the confirmation")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    recipes = given.out / "recipes"
    recipes.mkdir(parents=True, exist_ok=True)
    paths = {
        one: str(write_recipe(one, recipes))
        for setting in SETTINGS
        for one in (setting, replace(setting, shuffled=True))
    }
    seeds = range(given.seeds)
    run_all(
        [Job(path, seed, "dev", given.out) for seed in seeds for path in paths.values()], given.jobs
    )
    effects = {one: context_effect(one, seeds, "dev", given.out) for one in SETTINGS}
    largest = max(effects, key=lambda one: effects[one].difference)
    steadiest = max(effects, key=lambda one: consistency(effects[one]))
    chosen = list(dict.fromkeys((largest, steadiest)))
    fresh = range(CONFIRM_FROM, CONFIRM_FROM + given.confirm)
    sections, told = [search_section(effects, seeds)], []
    for best in chosen:
        confirmed, to_plain = confirm(best, paths, fresh, given.out, given.jobs)
        sections += comparison_sections(confirmed)
        told.append(f"- **{verdict(best, confirmed, to_plain, len(chosen))}**\n")
    intro = INTRO.format(seeds=given.seeds, confirm=given.confirm)
    text = f"{intro}{''.join(told)}\n{render.markdown(sections)}"
    print(text)
    if given.markdown:
        write_text(given.markdown, text)


if __name__ == "__main__":
    main()
