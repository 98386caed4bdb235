"""Sounds whose pitch, level, pauses and noise are known because they are made here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

Wave = NDArray[np.float64]
RATE = 16_000
TEXT = (
    "The quick brown fox jumps over the lazy dog, and then it runs away into the forest before "
    "anyone can see it. My mother wanted to buy seventeen apples."
)
SYLLABLES = 42
"""Of ``TEXT``, counted by hand: 11 + 19 + 12."""


def times(seconds: float, rate: int = RATE) -> Wave:
    return np.arange(round(seconds * rate)) / rate


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE, amplitude: float = 0.3) -> Wave:
    return amplitude * np.sin(2 * np.pi * hertz * times(seconds, rate))


def voice(hertz: float | Wave, seconds: float = 1.0, rate: int = RATE, top: float = 3500) -> Wave:
    """Harmonics up to ``top``, each 1/n as strong; ``hertz`` may be a value for every sample."""
    track = np.broadcast_to(hertz, times(seconds, rate).shape)
    phase = 2 * np.pi * np.cumsum(track) / rate
    return 0.2 * sum(
        (np.sin(n * phase) / n for n in range(1, int(top / track.max()) + 1)), np.zeros(len(phase))
    )


def silence(seconds: float, rate: int = RATE) -> Wave:
    return np.zeros(round(seconds * rate))


def write(
    path: Path, samples: Wave | NDArray[np.float32], rate: int = RATE, subtype: str = "FLOAT"
) -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def speak(path: Path, *options: str, text: str = TEXT) -> Path:
    """Speech of espeak-ng."""
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("espeak-ng is not installed: the measures are not held against its speech")
    subprocess.run([program, "-w", str(path), *options, text], check=True, timeout=60)
    return path
