"""TinySpeech: TinyOV's items as sound. The words are given as text, the voice can only be heard.

An item's hidden state sets its transcript and labels as in TinyOV (:mod:`ovbench.testbed.corpus`),
and the levels of its voice, which set how the clip is spoken (:mod:`ovbench.testbed.voice`). The
levels blur: everything is drawn around a level's value, and each speaker has a pitch, a throat and
a loudness of their own. Nobody speaks in two splits.

A clip depends on its id and the settings alone, not on which others are made or in which order.
"""

from __future__ import annotations

import hashlib
import io
import json
import wave
from dataclasses import asdict, dataclass
from random import Random

import numpy as np

from ovbench.errors import InputError
from ovbench.testbed.corpus import Example, Knobs, generate, heard
from ovbench.testbed.frames import Split
from ovbench.testbed.voice import RATE, Manner, Samples, Speaker, around, speak
from ovbench.testbed.world import FEATURES

SOUND_VERSION = 1
"""Rises whenever any clip sounds otherwise; it is part of every id."""
SIZES: dict[Split, int] = {"train": 600, "dev": 120, "test": 200}
"""Items of each split."""
KNOBS = Knobs(seed=1, ambiguity=0.12)
"""Of the hidden states, the transcripts and the labels. No item is one of TinyOV itself; voices are
less often mixed than there, because they have to be heard through a blur."""

SPEAKERS: dict[Split, tuple[Speaker, ...]] = {
    "train": (
        Speaker("a01", 117, 0.94, 0.0), Speaker("a02", 176, 1.12, 1.0),
        Speaker("a03", 128, 0.97, -1.5), Speaker("a04", 167, 1.08, 0.5),
        Speaker("a05", 141, 1.00, 1.5), Speaker("a06", 159, 1.10, -1.0),
        Speaker("a07", 121, 0.95, 0.5), Speaker("a08", 133, 0.98, -0.5),
        Speaker("a09", 172, 1.14, -0.5), Speaker("a10", 150, 1.05, 1.0),
    ),
    "dev": (
        Speaker("b01", 163, 1.11, 0.5), Speaker("b02", 124, 0.94, 1.0),
        Speaker("b03", 155, 1.07, -1.0), Speaker("b04", 135, 0.99, -0.5),
    ),
    "test": (
        Speaker("c01", 170, 1.12, -0.5), Speaker("c02", 147, 1.03, 1.0),
        Speaker("c03", 119, 0.96, -1.0), Speaker("c04", 130, 0.97, 0.5),
        Speaker("c05", 161, 1.09, 0.0),
    ),
}  # fmt: skip
"""Who speaks in which split."""


@dataclass(frozen=True)
class Sound:
    """How clearly the voice's levels can be heard. The defaults are TinySpeech as it is.

    ``blur``: deviation of what is drawn around a level's value, as a factor on the deviations of
    :data:`_BLUR`; 0: every level sounds the same each time. ``hum``: dB of white noise below full
    scale, as of a room.
    """

    blur: float = 0.7
    hum: float = -66.0

    def __post_init__(self) -> None:
        if self.blur < 0:
            raise InputError(f"blur is {self.blur}", expected="a number from 0")


@dataclass(frozen=True, slots=True)
class Clip:
    """An item that can be heard.

    ``levels`` are those of its voice, in the order of ``FEATURES``; ``example.description`` says
    the same in words, which no system is shown.
    """

    id: str
    split: Split
    example: Example
    levels: tuple[str, ...]
    speaker: Speaker


_PITCH = {
    "high": {"pitch": 6.5, "melody": 2.2, "slope": 0.4},
    "low": {"pitch": -5.5, "melody": 1.2, "slope": -0.8},
    "middle": {"pitch": 0.0, "melody": 1.7, "slope": -0.4},
    "jumping": {"pitch": 1.5, "melody": 5.5, "slope": 0.8},
}
_ENERGY = {
    "loud": {"gain": 7.0, "swell": 2.0},
    "soft": {"gain": -9.0, "swell": 1.5},
    "medium": {"gain": -1.0, "swell": 1.5},
    "bursting": {"gain": 1.0, "swell": 9.0},
}
_RATE = {
    "fast": {"rate": 5.8, "uneven": 0.1},
    "slow": {"rate": 2.7, "uneven": 0.1},
    "steady": {"rate": 4.1, "uneven": 0.05},
    "uneven": {"rate": 4.1, "uneven": 0.4},
}
_QUALITY = {
    "bright": {"tilt": -3.0, "breath": 34.0, "jitter": 0.005, "stretch": 1.3},
    "harsh": {"tilt": 0.0, "breath": 22.0, "jitter": 0.04},
    "dull": {"tilt": 18.0, "breath": 16.0, "jitter": 0.008, "stretch": 0.8},
    "shaky": {"tilt": 6.0, "breath": 26.0, "jitter": 0.02, "tremor": 1.0},
    "warm": {"tilt": 9.0, "breath": 38.0, "jitter": 0.004},
    "flat": {"tilt": 5.0, "breath": 32.0, "jitter": 0.004, "stretch": 0.15},
    "gasping": {"tilt": 5.0, "breath": 7.0, "jitter": 0.02},
    "tight": {"tilt": -4.0, "breath": 30.0, "jitter": 0.012, "stretch": 0.5, "tract": 1.08},
}
"""``stretch``: factor on melody and slope."""
_PAUSES = {"few": (0, 0.0), "short": (2, 0.2), "long": (2, 0.6), "broken": (4, 0.3)}
"""How many, and seconds of each."""
_BLUR = {
    "pitch": 1.0, "melody": 0.3, "slope": 0.5, "gain": 1.5, "swell": 0.4, "rate": 0.35,
    "uneven": 0.03, "tilt": 1.5, "breath": 2.0, "tract": 0.01,
}  # fmt: skip
_LEAST = {"melody": 0.05, "swell": 0.2, "rate": 1.8, "uneven": 0.01, "breath": 3.0}


def clips(split: Split, n: int | None = None, knobs: Knobs = KNOBS) -> list[Clip]:
    """The first ``n`` items of a split (default: :data:`SIZES`), without their sound.

    Raises
    ------
    ovbench.InputError
        As :func:`ovbench.testbed.corpus.generate`.
    """
    count = SIZES.get(split) if n is None else n
    return [
        _clip(split, number, example, knobs)
        for number, example in enumerate(generate(split, count, knobs))
    ]


def _clip(split: Split, number: int, example: Example, knobs: Knobs) -> Clip:
    name = f"s{SOUND_VERSION}_{example.id}"
    people = SPEAKERS[split]
    speaker = people[Random(f"tinyspeech/{name}/speaker").randrange(len(people))]  # noqa: S311
    return Clip(name, split, example, heard(split, number, knobs), speaker)


def render(clip: Clip, sound: Sound = Sound()) -> Samples:
    """The clip's samples at 16 kHz, mono, within -1..1; 2 to 4 seconds."""
    rng = Random(f"tinyspeech/{clip.id}")  # noqa: S311
    samples = speak(clip.example.transcript, clip.speaker, manner(clip, sound, rng), rng)
    drawn = np.frombuffer(rng.randbytes(2 * len(samples)), dtype="<i2")
    noise = drawn * (3**0.5 * 10 ** (sound.hum / 20) / 32768)
    return np.clip(samples + noise, -1, 1)


def manner(clip: Clip, sound: Sound, rng: Random) -> Manner:
    """How a clip is spoken: its levels' values, blurred."""
    pitch, energy, rate, quality, pauses = clip.levels
    values: dict[str, float] = {"tremor": 0.0, "tract": 1.0, "stretch": 1.0}
    values |= _PITCH[pitch] | _ENERGY[energy] | _RATE[rate] | _QUALITY[quality]
    stretch = values.pop("stretch")
    values["melody"] *= stretch
    values["slope"] *= stretch
    for name, deviation in _BLUR.items():
        values[name] = around(rng, values[name], sound.blur * deviation)
        values[name] = max(values[name], _LEAST.get(name, -1e9))
    count, length = _PAUSES[pauses]
    silent = tuple(max(0.08, around(rng, length, 0.15 * sound.blur * length)) for _ in range(count))
    seconds = around(rng, 2.9, 0.25)
    return Manner(**values, pauses=silent, seconds=seconds)


def wav(samples: Samples) -> bytes:
    """A WAV file: RIFF, 16-bit PCM, mono, 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def fingerprint() -> str:
    """Eight hexadecimal digits over everything that the clips are made by."""
    tables = [_PITCH, _ENERGY, _RATE, _QUALITY, _PAUSES, _BLUR, _LEAST]
    people = {split: [asdict(who) for who in group] for split, group in SPEAKERS.items()}
    told = [SOUND_VERSION, asdict(Sound()), asdict(KNOBS), tables, people, FEATURES]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
