"""A small task of tones, and a speech classifier that learns it: for tests, and as a process.

``python speech_kit.py OUT DATA STEP`` trains and dies by SIGKILL before optimiser step STEP.
"""

from __future__ import annotations

import os
import signal
import sys
import tomllib
import warnings
import wave
from pathlib import Path
from typing import Any

import numpy as np

warnings.simplefilter("ignore", FutureWarning)

from ovbench.systems.hearing.classifier import SpeechClassifier  # noqa: E402
from ovbench.systems.hearing.recipes import SpeechClassifierRecipe  # noqa: E402
from ovbench.systems.registry import bundled_folder  # noqa: E402
from ovbench.tasks import Gold, Item, Task  # noqa: E402
from ovbench.training import speech, splits  # noqa: E402
from ovbench.training.speech_report import SpeechTrainingReport  # noqa: E402

PITCHES = {"sad": 300.0, "happy": 1_200.0, "angry": 3_000.0}
SIZES = {"train": 18, "dev": 9}
EPOCHS = 4


def tone(path: Path, pitch: float, seconds: float, seed: int) -> str:
    draw = np.random.default_rng(seed)
    time = np.arange(round(16_000 * seconds)) / 16_000
    samples = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.02 * draw.normal(size=len(time))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.round(samples * 20_000).astype("<i2").tobytes())
    return str(path)


def split(folder: Path, name: str) -> Task:
    """Tones of three pitches, classes in turn; files are made once."""
    folder.mkdir(parents=True, exist_ok=True)
    items, gold = [], {}
    for number in range(SIZES[name]):
        category = list(PITCHES)[number % 3]
        key = f"{name}{number:02d}"
        path = folder / f"{key}.wav"
        if not path.exists():
            seed = sum(key.encode())
            tone(path, PITCHES[category] * (1 + 0.01 * number), 0.2 + 0.01 * (number % 5), seed)
        items.append(Item(key, "", "", str(path)))
        gold[key] = Gold(category=category)
    role: Any = name
    return Task("tones", "Tones", name, role, tuple(items), gold, "class", ("closed-set",))


def recipe(method: str = "lora", **training: Any) -> SpeechClassifierRecipe:
    """Narrow and quick; ``training``: in place of the bundled recipe's settings."""
    file = bundled_folder() / "peft-ser-whisper-tiny-lora.toml"
    fields = tomllib.loads(file.read_text("utf-8"))
    tiny = fields["scales"]["tiny"]
    tiny["classes"] = list(PITCHES)
    tiny["training"] |= {"batch_size": 4, "epochs": EPOCHS, "learning_rate": 3e-3} | training
    fields |= {"hidden": 16, "method": {"name": method}}
    return SpeechClassifierRecipe.model_validate(fields)


def train(out: Path, data: Path, **options: Any) -> SpeechTrainingReport:
    """A run on the tones, on the CPU."""
    former = splits.split_of
    splits.split_of = lambda task, name: split(data, name)
    chosen = options.pop("recipe", None) or recipe()
    seed = options.pop("seed", 0)
    try:
        return speech.train_speech(chosen, "tiny", seed, out, device="cpu", **options)
    finally:
        splits.split_of = former


def before_step(step: int, number: int) -> Any:
    """Sends this process a signal when the batch of that step is made; undo by calling it."""
    former, made = SpeechClassifier.batch, [0]

    def batch(self: Any, *args: Any, **more: Any) -> Any:
        if self.training:
            made[0] += 1
            if made[0] == step:
                os.kill(os.getpid(), number)
        return former(self, *args, **more)

    SpeechClassifier.batch = batch  # type: ignore[method-assign]
    return lambda: setattr(SpeechClassifier, "batch", former)


if __name__ == "__main__":
    before_step(int(sys.argv[3]), signal.SIGKILL)
    train(Path(sys.argv[1]), Path(sys.argv[2]))
