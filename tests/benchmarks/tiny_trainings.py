"""What training on TinySpeech takes at the tiny scale, the start of the process included.

Run: ``OMP_NUM_THREADS=1 python tests/benchmarks/tiny_trainings.py``, on a quiet machine; with names
of recipes after it, those alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from ovbench.systems import TRAINABLE, load_recipe, recipe_names


def trained_on_speech() -> list[str]:
    """The recipes whose tiny scale trains on TinySpeech."""
    recipes = {name: load_recipe(name) for name in recipe_names()}
    return [
        name
        for name, recipe in recipes.items()
        if isinstance(recipe, TRAINABLE)
        and "tiny" in recipe.scales
        and (recipe.scale("tiny").train_task or "").startswith("tinyspeech")
    ]


def train(name: str) -> tuple[float, float]:
    """Seconds by the clock and seconds of the processor, of the whole process."""
    command = [sys.executable, "-m", "ovbench", "train", "--model", name, "--output-path"]
    before, start = os.times(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, folder], stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - start, os.times()
    spent = after.children_user - before.children_user
    return wall, spent + after.children_system - before.children_system


def main() -> None:
    print(f"threads: {os.environ.get('OMP_NUM_THREADS', os.cpu_count())}")
    for name in sys.argv[1:] or trained_on_speech():
        wall, spent = train(name)
        print(f"{name:36} {wall:6.1f} s, of the processor {spent:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
