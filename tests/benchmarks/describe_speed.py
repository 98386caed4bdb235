"""How fast ``ovbench describe`` measures, in seconds of audio per second of one core.

Run: ``OMP_NUM_THREADS=1 python tests/benchmarks/describe_speed.py [--seconds 300] [--json]``

One file of speech (espeak-ng where it is installed, else a synthetic voice with pauses), 44.1 kHz,
16 bits, stereo, is measured whole: decoding, resampling, and every measure. CPU seconds of this
process are counted, not the clock's. In the same run, on the same samples at 16 kHz and with the
same hop and pitch range: ``librosa.yin`` and ``librosa.pyin`` (pitch alone, nothing else), each
after one call that lets numba compile; what that first call cost is printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from ovbench.speech.audio import read_audio
from ovbench.speech.frames import HIGHEST, HOP, LOWEST, RATE
from ovbench.speech.measures import measure

TEXT = (
    "I never thought that it would come to this. You were there, and you said nothing at all! "
    "Well, what did you expect me to do about it? Never mind. It is late, and I am going home."
)
PYIN_SECONDS = 20.0


def speech(folder: Path, seconds: float) -> tuple[Path, str]:
    """A file of that length, and what it holds."""
    rate = 44_100
    program = shutil.which("espeak-ng")
    if program:
        spoken = folder / "spoken.wav"
        subprocess.run([program, "-w", str(spoken), TEXT], check=True)
        clip, what = read_audio(spoken, rate=rate).samples, "espeak-ng"
    else:
        time_axis = np.arange(10 * rate) / rate
        phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.4 * time_axis)) / rate
        harmonics = sum(np.sin(n * phase) / n for n in range(1, 30))
        swell = np.maximum(0, np.sin(2 * np.pi * 4 * time_axis)) * (time_axis % 2.5 < 2)
        clip, what = (0.2 * harmonics * swell).astype(np.float32), "a synthetic voice"
    whole = np.resize(clip, round(seconds * rate))
    path = folder / "speech.wav"
    soundfile.write(path, np.stack([whole, whole], axis=1), rate, subtype="PCM_16")
    return path, what


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, what = speech(Path(folder), given.seconds)
        measure(path)  # whatever is done once
        spent = [cpu(lambda: measure(path)) for _ in range(given.repetitions)]
        samples = read_audio(path, rate=RATE).samples
    figures: dict[str, object] = {
        "audio": what,
        "seconds": given.seconds,
        "threads": os.environ.get("OMP_NUM_THREADS", "not limited"),
        "describe": round(given.seconds / min(spent), 1),
    }
    try:
        import librosa
    except ModuleNotFoundError:
        figures["librosa"] = "not installed"
    else:
        # As `describe` looks at the voice: the same range, hop and length of frames or more.
        how = {"fmin": LOWEST, "fmax": HIGHEST, "sr": RATE, "hop_length": HOP}
        short = samples[: round(PYIN_SECONDS * RATE)]
        figures["first call of librosa.yin, CPU s"] = round(
            cpu(lambda: librosa.yin(short[:RATE], frame_length=1024, **how)), 2
        )
        yin = min(cpu(lambda: librosa.yin(samples, frame_length=1024, **how)) for _ in range(3))
        figures["librosa.yin"] = round(given.seconds / yin, 1)
        figures["first call of librosa.pyin, CPU s"] = round(
            cpu(lambda: librosa.pyin(short[:RATE], frame_length=1024, **how)), 2
        )
        pyin = cpu(lambda: librosa.pyin(short, frame_length=1024, **how))
        figures["librosa.pyin"] = round(len(short) / RATE / pyin, 1)
    if given.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            times = " × real time" if name in ("describe", "librosa.yin", "librosa.pyin") else ""
            print(f"{name}: {value}{times}")


if __name__ == "__main__":
    main()
