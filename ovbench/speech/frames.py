"""What is taken from the sound every few milliseconds, block by block; small enough for any length.

Everything below works at :data:`RATE`. Frequencies are looked at up to :data:`BAND`, which even a
telephone recording holds, so that measures do not depend on the rate of the recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE = 16_000
"""Samples per second of the analysis."""
HOP = 160
"""Samples from frame to frame: 10 ms."""
STEP = 80
"""Samples of a step, the unit of pauses: 5 ms; two to a frame."""
BAND = (3_400.0, 3_800.0)
"""Hz between which the spectrum is faded out."""
LOWEST, HIGHEST = 60.0, 600.0
"""Range (Hz) in which a fundamental frequency is looked for."""
CANDIDATES = 4
"""Periods that are considered for every frame."""

_WINDOW = 800
"""Samples of a frame, 50 ms: three periods of the lowest voice (Boersma 1993)."""
_FFT = 1152
"""At least the window and the longest period, so that nothing wraps around; 2^7 × 3^2."""
_CHUNK = 800
"""Frames that are worked on together: 8 s, 4 MB."""
_FINER = 2
"""By how much finer than samples periods are looked for, so that the height of a maximum is not
missed between two of them."""
_LAGS = (int(_FINER * RATE / HIGHEST) - 1, int(_FINER * RATE / LOWEST) + 2)
"""Periods between which maxima are looked for."""
OCTAVE_COST = 0.01
"""By how much a period must be better than one an octave above it (Boersma 1993)."""
_SPLIT = 1_000.0
"""Hz that part low from high in the spectral tilt; low begins at ``_BOTTOM``."""
_BOTTOM = 50.0


@dataclass(frozen=True, eq=False)
class Tracks:
    """The sound of a clip over time.

    Attributes
    ----------
    power:
        Shape (steps,), float32: mean square per step of 5 ms; full scale is 1.
    peak:
        Shape (frames,): largest magnitude about the middle of each frame of 10 ms.
    frequency, strength:
        Shape (frames, ``CANDIDATES``): fundamental frequencies in Hz that are possible there, and
        the normalised autocorrelation at their periods, between 0 and 1; 0 where there are fewer.
    low, high:
        Shape (frames,): power from 50 Hz to 1 kHz, and from there to the end of the band.
    """

    power: Floats
    peak: Floats
    frequency: Floats
    strength: Floats
    low: Floats
    high: Floats


def track_sound(blocks: Iterable[Floats]) -> Tracks:
    """Tracks of a sound that comes in blocks of samples at ``RATE``.

    A constant offset is taken away (from each chunk of eight seconds its mean).
    """
    kept: list[tuple[Floats, ...]] = []
    side = (_WINDOW - HOP) // 2
    tail = np.zeros(side, np.float32)
    for chunk in _chunks(blocks, _CHUNK * HOP):
        centred = chunk - chunk.mean(dtype=np.float64).astype(np.float32)
        joined = np.concatenate([tail, centred])
        # What is still missing on the right of the last frames comes with the next chunk.
        frames = max(0, (len(joined) - _WINDOW) // HOP + 1)
        kept.append((_steps(centred), *_frames(joined, frames)))
        tail = joined[frames * HOP :]
    rest = np.concatenate([tail, np.zeros(side, np.float32)])
    kept.append((np.zeros(0, np.float32), *_frames(rest, max(0, (len(rest) - _WINDOW) // HOP + 1))))
    return Tracks(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))


def _chunks(blocks: Iterable[Floats], size: int) -> Iterable[Floats]:
    """The same samples in chunks of one size; the last may be shorter, and is whole hops long."""
    held: list[Floats] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= size:
            joined = np.concatenate(held)
            whole = count - count % size
            yield from np.split(joined[:whole], whole // size)
            held, count = [joined[whole:]], count - whole
    rest = np.concatenate(held) if held else np.zeros(0, np.float32)
    if len(rest) >= HOP:
        yield rest[: len(rest) - len(rest) % HOP]


def _steps(samples: Floats) -> Floats:
    """Mean square per step."""
    pieces = samples.reshape(-1, STEP)
    power: Floats = np.einsum("ij,ij->i", pieces, pieces) / np.float32(STEP)
    return power


def _hann(size: int) -> Floats:
    return (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)


_HANN = _hann(_WINDOW)
_HZ = np.fft.rfftfreq(_FFT, 1 / RATE)
_FADE = np.clip((BAND[1] - _HZ) / (BAND[1] - BAND[0]), 0, 1).astype(np.float32)
_PERIODIC = np.fft.irfft(np.abs(np.fft.rfft(_HANN.astype(np.float64), _FFT)) ** 2, _FINER * _FFT)
_OWN = (_PERIODIC[: _LAGS[1] + 1] / _PERIODIC[0]).astype(np.float32)
"""The window's own autocorrelation, by which a frame's is divided (Boersma 1993, equation 9)."""
_NOTHING = np.float32(1e-15)
"""Energy of a frame below which it is as good as empty: far below any sound."""
_LOW = ((_HZ >= _BOTTOM) & (_HZ < _SPLIT)).astype(np.float32)
_HIGH = np.where(_HZ >= _SPLIT, _FADE, 0).astype(np.float32)
_SCALE = np.float32(2 / (_FFT * np.square(_HANN, dtype=np.float64).sum()))
"""From squared magnitudes of a one-sided spectrum to mean squares."""


def _frames(samples: Floats, count: int) -> tuple[Floats, ...]:
    """Peak, candidates, their strengths, and power below and above the split, for each frame."""
    if not count:
        none, wide = np.zeros(0, np.float32), np.zeros((0, CANDIDATES), np.float32)
        return none, wide, wide, none, none
    views = sliding_window_view(samples, _WINDOW)[::HOP][:count]
    middle = views[:, (_WINDOW - 2 * HOP) // 2 : (_WINDOW + 2 * HOP) // 2]
    peak = np.maximum(middle.max(axis=1), -middle.min(axis=1))
    spectrum = np.fft.rfft((views - views.mean(axis=1, keepdims=True)) * _HANN, _FFT)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    periodic = np.fft.irfft(power * _FADE, _FINER * _FFT)
    correlation = periodic[:, : _LAGS[1] + 1].astype(np.float32, copy=False)
    normal = correlation / (np.maximum(correlation[:, :1], _NOTHING) * _OWN)
    return peak, *_candidates(normal), power @ _LOW * _SCALE, power @ _HIGH * _SCALE


def _candidates(correlation: Floats) -> tuple[Floats, Floats]:
    """The best local maxima of each frame's autocorrelation, as frequencies, and their heights."""
    first, last = _LAGS
    before, here, after = (correlation[:, first + d : last + d] for d in (-1, 0, 1))
    lags = np.arange(first, last)
    preferred = here - OCTAVE_COST * np.log2(LOWEST / (_FINER * RATE) * lags, dtype=np.float32)
    scores = np.where((here > before) & (here >= after) & (here > 0), preferred, -1)
    best = np.argpartition(scores, -CANDIDATES, axis=1)[:, -CANDIDATES:]
    left, mid, right = (np.take_along_axis(part, best, axis=1) for part in (before, here, after))
    # A parabola through three points; at a maximum its curvature is below zero.
    curvature = np.minimum(left - 2 * mid + right, -1e-9)
    shift = 0.5 * (left - right) / curvature
    height = mid - 0.25 * (left - right) * shift
    frequency = _FINER * RATE / (lags[best] + shift)
    there = (np.take_along_axis(scores, best, axis=1) > -1) & (np.abs(shift) <= 1)
    there &= (frequency >= LOWEST * 0.99) & (frequency <= HIGHEST * 1.01)
    # Above 1, as rounding and short windows make it, the strength is mirrored (Boersma 1993).
    height = np.where(height > 1, 1 / np.maximum(height, 1), height)
    return (
        np.where(there, frequency, 0).astype(np.float32),
        np.where(there, height, 0).astype(np.float32),
    )
