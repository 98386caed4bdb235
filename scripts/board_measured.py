"""Make ``leaderboards/measured``: bundled adapters and trivial answers on TinyOV's tasks.

::

    python scripts/board_measured.py --runs runs        # about ten minutes of one core

A submission per system, all views of TinyOV in it. Runs that are finished in ``--runs`` are not
done again.
"""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

# Before torch is imported: answers may depend, in their last bits, on the number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from ovbench.board.make import record_of_run
from ovbench.board.submission import submission_text
from ovbench.io.atomic import write_text
from ovbench.runs.evaluate import EvalOptions
from ovbench.runs.recipe import evaluate_recipe
from ovbench.systems import ConstantRecipe, load_recipe, recipe_names
from ovbench.tasks.card import cards
from ovbench.testbed.bundled import adapter_folder

BOARD = Path(__file__).resolve().parents[1] / "leaderboards" / "measured"


def systems() -> list[str]:
    """The bundled recipes that need no training here.

    Without ``all-labels``: it is a floor in every table, and its answers would fill megabytes.
    """
    return [
        name
        for name in recipe_names()
        if isinstance(load_recipe(name), ConstantRecipe) or adapter_folder(name).is_dir()
        if name != "all-labels"
    ]


def main() -> None:
    """Evaluate what is missing, then write the submissions."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--board", type=Path, default=BOARD, help="folder of the submissions")
    options = parser.parse_args()
    tasks = tuple(cards()["tinyov"].views)
    options.board.mkdir(parents=True, exist_ok=True)
    for name in systems():
        command = f"ovbench eval --model {name} --tasks {','.join(tasks)} --output-path runs"
        runs = evaluate_recipe(
            name, tasks, out=options.runs, options=EvalOptions(command=shlex.join(command.split()))
        )
        records = [record for run in runs for record in record_of_run(run.folder)]
        write_text(options.board / f"{name}.json", submission_text(records))
        print(name, *(f"{r.protocol} {r.scores[r.headline].value:.4f}" for r in records))


if __name__ == "__main__":
    main()
