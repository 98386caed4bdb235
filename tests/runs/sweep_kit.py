"""A recipe and a task that a sweep goes through in seconds, and ways to stop one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from run_fakes import fake_task

from ovbench.runs import sweep as sweep_module
from ovbench.runs import sweep_fold
from ovbench.runs.place import Place
from ovbench.runs.sweep import Sweep, sweep
from ovbench.systems.generation import CausalLmSystem
from ovbench.tasks import Task

ADAPTERS = Path(__file__).parents[2] / "adapters"
GRID = ("lora_r=2,4", "steps=2")


def short_recipe(folder: Path, name: str = "short", like: str = "affectgpt-lora-r8") -> Path:
    """A bundled recipe under another name, that answers in four tokens."""
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    for file in (ADAPTERS / "prompts").glob("tinyov*"):
        (folder / "prompts" / file.name).write_text(file.read_text("utf-8"), "utf-8")
    for file in (ADAPTERS / "prompts").glob("qwen-chat*"):
        (folder / "prompts" / file.name).write_text(file.read_text("utf-8"), "utf-8")
    text = (ADAPTERS / f"{like}.toml").read_text("utf-8")
    for old, new in ((f'"{like}"', f'"{name}"'), ("max_new_tokens = 64", "max_new_tokens = 4")):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder / f"{name}.toml"


def load(name: str, split: str | None = None, **_: Any) -> Task:
    """36 items to train on; a test split must never be asked for."""
    assert split == "train", "a sweep looks at nothing but the train split"
    task = fake_task(36, "class", protocols=("hit-open-1", "closed-set"))
    return replace(task, id="tinyov-6class", split=split, role="train")


def here(work: Callable[[Any], Any], task: Any, what: str, kept: str) -> Any:
    """In place of a process of its own."""
    return work(task)


def run(recipe: Path, base: Path, out: Path, grid: tuple[str, ...] = GRID, **options: Any) -> Sweep:
    place = Place(base=str(base), device="cpu")
    chosen = {"folds": 2, "draws": 100, "batch_size": 8} | options
    return sweep(str(recipe), grid, out=out, task="tinyov-6class", place=place, **chosen)


def killed(recipe: str, base: str, out: str) -> None:
    """A sweep that is killed while the third fold is answered."""
    answered = []

    def predict(self: CausalLmSystem, *arguments: Any) -> Any:
        answered.append(self)
        if len(answered) > 2 * BATCHES + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *arguments)

    original = CausalLmSystem.predict
    CausalLmSystem.predict = predict  # type: ignore[method-assign]
    for module in (sweep_module, sweep_fold):
        module.load_task = load  # type: ignore[attr-defined]
    sweep_module.run_apart = here
    run(Path(recipe), Path(base), Path(out))


BATCHES = 3
"""18 held-out items in batches of 8."""

if __name__ == "__main__":
    killed(*sys.argv[1:])
