"""Search for a setting of LoRA-LAS at which the label context itself helps, and confirm it.

Every setting is trained twice per seed: with each item's own context, and with another item's
(``shuffled``), in training and in evaluation alike. Whatever the term's shape does, both have; only
what the context says differs. The setting with the largest mean difference on *dev* is chosen, and
is then trained anew under seeds that took no part in the choice, and scored on *test*.

    python scripts/las_search.py --out search --jobs 2 --markdown docs/results/las-search.md

What is in the folder already is not done again.
"""

from __future__ import annotations

import argparse
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
from ovbench.runs.recipe import Place, evaluate_recipe
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
term's shape does, both have. Chosen on dev with few seeds, confirmed on test with seeds that took
no part in the choice. Written by:

```sh
OMP_NUM_THREADS=1 python scripts/las_search.py --out search --jobs 2 \\
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


def run(job: tuple[str, int, str, str]) -> None:
    """Train a recipe under a seed and evaluate it on a split, each unless it is there."""
    import torch

    from ovbench.training.train import train

    recipe, seed, split, out = job
    torch.set_num_threads(1)
    home = Path(out) / f"seed-{seed}"
    folder = home / Path(recipe).stem / "train"
    train(recipe, "tiny", seed, folder, task=TASK, resume=True)
    evaluate_recipe(
        recipe,
        [TASK],
        out=home,
        place=Place(adapter=folder),
        split=split,
        options=EvalOptions(seed=seed, scoring=Options(draws=0, floors=False)),
    )


def run_all(recipes: list[str], seeds: range, split: str, out: Path, jobs: int) -> None:
    work = [(recipe, seed, split, str(out)) for seed in seeds for recipe in recipes]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for number, _ in enumerate(pool.map(run, work), 1):
            print(f"{number} of {len(work)} done on {split}", flush=True)


def folders(name: str, seeds: range, split: str, out: Path) -> list[Path]:
    return [run_folder(out / f"seed-{seed}", name, TASK, split) for seed in seeds]


def context_effect(setting: Setting, seeds: range, split: str, out: Path) -> SeedDifference:
    """The score with each item's own context minus that with another item's."""
    other = replace(setting, shuffled=True)
    found = compare_runs(
        [*folders(other.name, seeds, split, out), *folders(setting.name, seeds, split, out)],
        draws=2000,
    )
    return found.rows[1].differences[found.metrics[0].title]


def search_section(effects: dict[Setting, SeedDifference], seeds: range) -> Section:
    rows = tuple(
        (
            f"{setting.amplitude:g}",
            f"{setting.omega:g}",
            f"{setting.slope:g}",
            setting.projection,
            setting.source,
            f"{100 * one.difference:+.2f}",
            f"{100 * statistics.stdev(one.by_seed):.2f}" if len(one.by_seed) > 1 else "–",
            f"[{100 * one.low:+.2f}, {100 * one.high:+.2f}]",
        )
        for setting, one in effects.items()
    )
    columns = ("A", "ω", "slope", "projection", "context", "own − other's", "sd", "95 % over items")
    note = f"WF in points, {len(seeds)} seeds; chosen: the largest difference"
    return Section("Search on dev", columns, rows, (note,))


def verdict(setting: Setting, confirmed: Comparison) -> str:
    title = confirmed.metrics[0].title
    own = next(row for row in confirmed.rows if row.name == setting.name)
    one, helps = own.differences[title], own.above_noise[title]
    size = f"{100 * one.difference:+.2f} points of {title}, p = {one.p_holm:.3f}"
    if helps and one.difference > 0:
        return f"The label context helps at {setting.name}: {size} over another item's context."
    return (
        f"The best setting on dev, {setting.name}, does not show on test that the label context "
        f"helps: {size} over another item's context."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2, help="of the search")
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
    run_all(list(paths.values()), seeds, "dev", given.out, given.jobs)
    effects = {one: context_effect(one, seeds, "dev", given.out) for one in SETTINGS}
    best = max(effects, key=lambda one: effects[one].difference)
    fresh = range(CONFIRM_FROM, CONFIRM_FROM + given.confirm)
    other = replace(best, shuffled=True)
    chosen = [paths[other], paths[best], str(bundled_folder() / f"{PLAIN}.toml")]
    run_all(chosen, fresh, "test", given.out, given.jobs)
    confirmed = compare_runs(
        [
            f
            for name in (other.name, best.name, PLAIN)
            for f in folders(name, fresh, "test", given.out)
        ]
    )
    sections = [search_section(effects, seeds), *comparison_sections(confirmed)]
    text = f"{INTRO}**{verdict(best, confirmed)}**\n\n{render.markdown(sections)}"
    print(text)
    if given.markdown:
        write_text(given.markdown, text)


if __name__ == "__main__":
    main()
