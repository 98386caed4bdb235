"""A voice by source and filter: glottal pulses and breath through formants, syllable by syllable.

Every glottal pulse is one spectrum: the source's slope, times the formants at that moment, times a
shift to the pulse's exact place between two samples. The pulses' responses are added up, and so is
noise that goes through the same formants. Formants are Klatt's digital resonators in cascade
(Klatt 1980, *Software for a cascade/parallel formant synthesizer*, JASA 67). What comes out is
babble with the melody, loudness, tempo and colour that a :class:`Manner` asks for; no word in it
can be understood.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from random import Random

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Spectra = NDArray[np.complex64]

RATE = 16_000
"""Samples per second."""
REFERENCE = 0.05
"""Root mean square of the voiced part at gain 0; full scale is 1."""

_SIZE = 512
"""Samples of a pulse's response and of a frame of noise: 32 ms."""
_HOP = _SIZE // 2
_HERTZ = np.fft.rfftfreq(_SIZE, 1 / RATE)
_Z = np.exp(-2j * np.pi * _HERTZ / RATE)
"""z⁻¹ = e^(-jω) at the frequencies of a spectrum, ω in radians per sample."""
_WINDOW = np.sqrt(np.hanning(_SIZE + 1)[:-1])
"""Once before and once after filtering; the squares of those that overlap add up to 1."""

_STEPS = 64
_SHIFTS = (_Z ** (np.arange(_STEPS + 1) / _STEPS)[:, None]).astype(np.complex64)
"""Row k: a delay by k/64 of a sample."""

_VOWELS = {
    "a": (730, 1200, 2500),
    "e": (530, 1840, 2480),
    "i": (300, 2250, 2950),
    "o": (540, 950, 2450),
    "u": (320, 880, 2300),
    "y": (400, 1700, 2350),
}
"""The first three formants of an adult's vowels in Hz, near Peterson and Barney's (1952) means."""
_FOURTH, _FIFTH = 3500.0, 4500.0
_BANDWIDTHS = (70.0, 90.0, 130.0, 200.0, 280.0)
_HISS = 4800.0
"""Centre of the consonants' noise, Hz."""
_TREMOR = 5.5
"""Cycles of tremor per second."""
_FADE = 0.012
"""Seconds from voiced to silent."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person: median pitch in Hz, formants as a factor on an adult's mean, loudness in dB."""

    id: str
    pitch: float
    tract: float
    gain: float


@dataclass(frozen=True, slots=True)
class Manner:
    """How a clip is spoken.

    Attributes
    ----------
    pitch, melody, slope, tremor:
        Semitones above the speaker's own pitch; their deviation from syllable to syllable;
        semitones per second over the clip; depth of a tremor in semitones.
    gain, swell:
        dB above the speaker's own level; their deviation from syllable to syllable.
    rate, uneven:
        Syllables per second, pauses left out; relative deviation of their lengths.
    tilt:
        dB by which the source at 3 kHz is softer than a modal voice's; below 0: sharper.
    breath:
        dB of breath noise below the voice.
    jitter:
        Relative deviation of a period from the last one.
    tract:
        Factor on the speaker's formants: a tightened throat is shorter.
    pauses:
        Lengths in seconds, silent.
    seconds:
        Length of the whole clip, pauses included.
    """

    pitch: float
    melody: float
    slope: float
    tremor: float
    gain: float
    swell: float
    rate: float
    uneven: float
    tilt: float
    breath: float
    jitter: float
    tract: float
    pauses: tuple[float, ...]
    seconds: float


def around(rng: Random, mean: float, deviation: float) -> float:
    """A number near ``mean``, within three deviations of it; the same on every machine."""
    return mean + deviation * 2 * (rng.random() + rng.random() + rng.random() - 1.5)


def speak(text: str, speaker: Speaker, manner: Manner, rng: Random) -> Samples:
    """A clip: syllables with the vowels of ``text``, again from its beginning if need be.

    Returns
    -------
    Samples at :data:`RATE`, mono, within -1..1.
    """
    score = _score(text, manner, rng)
    total = round(score.end * RATE)
    times, amplitudes = _pulses(score, speaker, manner, rng)
    voiced = _voiced(times, amplitudes, score, speaker, manner, total)
    level = math.sqrt(float(np.mean(np.square(voiced))) / max(_share(score), 1e-3)) or 1.0
    voiced /= level
    sound = voiced + _noise(score, speaker, manner, total, rng)
    sound *= REFERENCE * 10 ** ((speaker.gain + manner.gain) / 20)
    peak = float(np.max(np.abs(sound)))
    return sound if peak < 0.97 else sound * (0.97 / peak)


@dataclass
class _Score:
    """Straight lines between points, each a list of (seconds, value)."""

    voice: list[tuple[float, float]]
    """Amplitude of the voice."""
    hiss: list[tuple[float, float]]
    """Amplitude of consonants."""
    pitch: list[tuple[float, float]]
    """Semitones above the clip's median."""
    formants: tuple[list[tuple[float, float]], ...]
    """Of an adult, Hz."""
    end: float

    def at(self, points: Sequence[tuple[float, float]], times: Samples) -> Samples:
        found: Samples = np.interp(times, [t for t, _ in points], [value for _, value in points])
        return found


def _score(text: str, manner: Manner, rng: Random) -> _Score:
    """Where each syllable and pause lies, and how high and loud the syllables are."""
    spoken = max(manner.seconds - sum(manner.pauses), 1.0)
    count = max(3, round(spoken * manner.rate))
    lengths = [max(0.4, around(rng, 1, manner.uneven)) for _ in range(count)]
    scale = spoken / sum(lengths)
    before = dict(zip(_places(count, len(manner.pauses), rng), manner.pauses, strict=False))
    vowels = cycle([letter for letter in text.lower() if letter in _VOWELS] or ["a"])
    score = _Score([], [], [], ([], [], []), 0.0)
    at = 0.05
    for number, (length, vowel) in enumerate(zip(lengths, vowels, strict=False)):
        if number in before:
            at += before[number]
        middle = (at - manner.seconds / 2) * manner.slope
        _syllable(score, at, length * scale, vowel, manner, middle, rng)
        at += length * scale
    score.end = at + 0.05
    return score


def _places(count: int, pauses: int, rng: Random) -> list[int]:
    """Syllables that a pause comes before: one in each equal stretch, so they do not merge."""
    inner = range(1, count)
    pauses = min(pauses, len(inner))
    edges = [1 + round(k * len(inner) / pauses) for k in range(pauses + 1)] if pauses else []
    return [rng.randrange(low, max(high, low + 1)) for low, high in pairwise(edges)]


def _syllable(
    score: _Score,
    start: float,
    length: float,
    vowel: str,
    manner: Manner,
    pitch: float,
    rng: Random,
) -> None:
    """A consonant, voiced or hissed, and a vowel."""
    onset = start + min(0.32 * length, 0.09)
    end = start + length
    loud = 10 ** (around(rng, 0, manner.swell) / 20)
    hissed = rng.random() < 0.35
    low = 0.0 if hissed else 0.16 * loud
    score.voice += [
        (start - _FADE, 0.0 if _silent_before(score, start) else low),
        (start, low),
        (onset - _FADE, low),
        (onset + _FADE, loud),
        (end - 3 * _FADE, 0.8 * loud),
        (end, 0.0 if hissed else 0.12 * loud),
    ]
    hiss = 0.4 * loud if hissed else 0.0
    score.hiss += [(start, 0.0), (start + _FADE, hiss), (onset - _FADE, hiss), (onset, 0.0)]
    score.pitch.append(((onset + end) / 2, pitch + around(rng, 0, manner.melody)))
    for track, hertz in zip(score.formants, _VOWELS[vowel], strict=True):
        track += [(onset + 0.3 * (end - onset), hertz), (onset + 0.8 * (end - onset), hertz)]


def _silent_before(score: _Score, start: float) -> bool:
    """Whether a syllable follows a pause (or nothing); then the last one is closed."""
    if score.voice and start - score.voice[-1][0] < 2 * _FADE:
        return False
    if score.voice:
        score.voice.append((score.voice[-1][0] + _FADE, 0.0))
    return True


def _share(score: _Score) -> float:
    """Share of the clip in which the voice sounds."""
    grid = np.arange(0, score.end, 0.005)
    return float(np.mean(score.at(score.voice, grid) > 0.05))


def _pulses(
    score: _Score, speaker: Speaker, manner: Manner, rng: Random
) -> tuple[Samples, Samples]:
    """When the glottis closes, in seconds, and how hard."""
    grid = np.arange(0, score.end, 0.001)
    semitones = manner.pitch + score.at(score.pitch, grid)
    phase = rng.random()
    semitones += manner.tremor * np.sin(2 * np.pi * (_TREMOR * grid + phase))
    hertz = speaker.pitch * 2 ** (semitones / 12)
    cycles = np.concatenate([[0.0], np.cumsum(hertz[:-1]) * 0.001])
    times: Samples = np.interp(np.arange(1, int(cycles[-1])), cycles, grid)
    period = 1 / np.interp(times, grid, hertz)
    times = times + manner.jitter * period * _uniform(rng, len(times))
    shimmer = 1 + 2 * manner.jitter * _uniform(rng, len(times))
    beat = 1 + 0.25 * manner.tremor * np.sin(2 * np.pi * (_TREMOR * times + phase))
    # A pulse a period long has the same power at any pitch.
    amplitudes = score.at(score.voice, times) * shimmer * beat * np.sqrt(period)
    heard = amplitudes > 1e-4
    return times[heard], amplitudes[heard]


def _voiced(
    times: Samples,
    amplitudes: Samples,
    score: _Score,
    speaker: Speaker,
    manner: Manner,
    total: int,
) -> Samples:
    """The pulses' responses, added up; (total,) samples."""
    first = np.floor(times * RATE).astype(np.int64)
    spectra = _tract(score, times, speaker.tract * manner.tract)
    spectra *= _source(manner.tilt)
    spectra *= amplitudes.astype(np.float32)[:, None]
    spectra *= _shift(times * RATE - first)
    return _added(np.fft.irfft(spectra, _SIZE), first, total)


def _shift(samples: Samples) -> Spectra:
    """Delays by parts of a sample, in steps of 1/64 of it; (delays, frequencies)."""
    found: Spectra = _SHIFTS[np.round(samples * _STEPS).astype(np.int64)]
    return found


def _tract(score: _Score, times: Samples, tract: float) -> Spectra:
    """Five resonators in cascade at each time, (times, frequencies)."""
    upper = _resonator(_FOURTH * tract, _BANDWIDTHS[3]) * _resonator(_FIFTH * tract, _BANDWIDTHS[4])
    inverse = np.repeat(upper, len(times), axis=0)
    for track, bandwidth in zip(score.formants, _BANDWIDTHS, strict=False):
        inverse *= _resonator(score.at(track, times) * tract, bandwidth)
    response: Spectra = np.reciprocal(inverse)
    return response


def _resonator(hertz: Samples | float, bandwidth: float) -> Spectra:
    """1 / H of Klatt's resonator with gain 1 at 0 Hz; (times, frequencies)."""
    decay = math.exp(-math.pi * bandwidth / RATE)
    b = np.reshape(2 * decay * np.cos(2 * np.pi * np.asarray(hertz) / RATE), (-1, 1))
    square = decay**2
    numerator = 1 + square * np.square(_Z) - b * _Z
    return np.asarray(numerator / (1 - b + square), dtype=np.complex64)


def _source(tilt: float) -> Spectra:
    """A glottal pulse (two real poles at 100 Hz), radiated, with ``tilt`` dB less at 3 kHz."""
    pole = math.exp(-2 * math.pi * 100 / RATE)
    pulse = (1 - _Z) / np.square(1 - pole * _Z)
    slope = np.minimum(_HERTZ / 3000, 1.5)
    return np.asarray(pulse * 10 ** (-tilt * slope / 20), dtype=np.complex64)


def _noise(score: _Score, speaker: Speaker, manner: Manner, total: int, rng: Random) -> Samples:
    """Breath through the formants and hiss beside them, relative to a voice of power 1."""
    first = np.arange(-_HOP, total, _HOP)
    white = np.pad(_uniform(rng, total) * math.sqrt(3), _SIZE)
    frames = np.lib.stride_tricks.sliding_window_view(white, _SIZE)[first + _SIZE]
    spectra = np.fft.rfft(frames * _WINDOW)
    middle = np.clip((first + _SIZE / 2) / RATE, 0, score.end)
    tract = np.abs(_tract(score, middle, speaker.tract * manner.tract))
    tract /= np.sqrt(np.mean(np.square(tract), axis=1, keepdims=True))
    breath = 10 ** (-manner.breath / 20) * score.at(score.voice, middle)
    shape = 1 / (1 + np.square((_HERTZ - _HISS * speaker.tract) / 1200))
    hiss = score.at(score.hiss, middle)
    spectra *= breath[:, None] * tract + hiss[:, None] * shape
    frames = np.fft.irfft(spectra, _SIZE) * _WINDOW
    return _added(frames, first, total)


def _added(rows: Samples, first: NDArray[np.int64], total: int) -> Samples:
    """Rows laid down where each begins, and added up where they overlap."""
    places = (first[:, None] + np.arange(_SIZE)[None, :]).ravel()
    kept = (places >= 0) & (places < total)
    added: Samples = np.bincount(places[kept], rows.ravel()[kept], minlength=total).astype(float)
    return added


def _uniform(rng: Random, count: int) -> Samples:
    """Numbers in -1..1, the same on every machine and in every version of NumPy."""
    drawn = np.frombuffer(rng.randbytes(2 * count), dtype="<i2")
    return drawn / 32768
