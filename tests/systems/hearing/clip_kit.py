"""Items with small WAV files, and bundled recipes of systems that hear."""

from __future__ import annotations

import tomllib
import wave
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from ovbench.systems.registry import bundled_folder
from ovbench.tasks import Item

R = TypeVar("R")


def clip(folder: Path, name: str, seconds: float, transcript: str = "") -> Item:
    """An item whose clip is a tone in noise, of its own pitch."""
    draw = np.random.default_rng(sum(name.encode()))
    time = np.arange(round(16_000 * seconds)) / 16_000
    samples = 0.3 * np.sin(2 * np.pi * draw.uniform(80, 400) * time)
    samples += 0.05 * draw.normal(size=len(samples))
    path = folder / f"{name}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.round(samples * 20_000).astype("<i2").tobytes())
    return Item(name, "", transcript, str(path))


def recipe_fields(name: str) -> dict[str, Any]:
    """The fields of a bundled recipe, as its file has them."""
    return tomllib.loads((bundled_folder() / f"{name}.toml").read_text("utf-8"))


def recipe_of(kind: type[R], fields: dict[str, Any]) -> R:
    """A recipe of a kind, from fields, with prompt files beside the bundled recipes."""
    return TypeAdapter(kind).validate_python(fields, context={"folder": bundled_folder()})
