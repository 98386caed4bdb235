"""Where there is speech, how loud it is, and the pauses in it.

Levels are decibels of the mean square against full scale: a constant sample of 1 has 0 dB, a sine
of full scale -3 dB (dBov, ITU-T G.100.1). They say how a clip was recorded as much as how somebody
spoke; between clips of one corpus differences mean something.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ovbench.speech.frames import RATE, STEP, Floats

Mask = NDArray[np.bool_]

SILENT = -60.0
"""dB: a clip whose loudest 65 ms are below this is silent."""
BELOW = 25.0
"""dB below the top of a clip from which on there is no speech (de Jong & Wempe 2009)."""
SHORTEST_PAUSE = 0.150
"""Seconds: shorter gaps belong to speech, as the closures of stops do."""
SHORTEST_SPEECH = 0.030
"""Seconds: shorter sounds between gaps are clicks. Gaps as short as this are none: in the lowest
voices a step may fall between two periods."""
_SMOOTH = 13
"""Steps of the window under which levels are smoothed: 65 ms, as Praat does for 50 Hz and above."""
_EDGE = 7
"""Steps of the window under which speech must stand out of noise: 35 ms, because a window makes
speech longer at both ends, and the pauses shorter."""
_FLOOR = 1e-12
_FLICKER = 3.0
"""dB by which single steps of a steady noise rise above its floor."""
_NOISY = 6.0
"""dB between a noise floor and the top of a clip without which nothing can be told apart."""


@dataclass(frozen=True, eq=False)
class Speech:
    """Where a clip has speech.

    Attributes
    ----------
    active:
        Shape (steps,): whether a step (5 ms) belongs to speech; pauses do not.
    pauses:
        Length of each pause between two stretches of speech, in seconds.
    span:
        Seconds from the first speech to the last, with the pauses.
    """

    active: Mask
    pauses: tuple[float, ...]
    span: float


def decibels(power: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean squares as dB against full scale, at least -120."""
    return 10 * np.log10(np.maximum(power.astype(np.float64), _FLOOR))


def smoothed(power: NDArray[np.floating], steps: int = _SMOOTH) -> NDArray[np.float64]:
    """Means under a window of 65 ms, or of another odd number of steps; the same shape."""
    places = (np.arange(steps) + 0.5) / steps
    window = 1 - np.cos(2 * np.pi * places)
    padded = np.pad(power.astype(np.float64), steps // 2)
    return np.convolve(padded, window / window.sum(), mode="valid")


def is_silent(power: Floats) -> bool:
    """Whether nothing in the clip reaches ``SILENT``."""
    return not len(power) or loudest(power) < SILENT


def loudest(power: Floats) -> float:
    """The level of the loudest 65 ms, dB; of at least one step."""
    return float(decibels(smoothed(power)).max())


def find_speech(power: Floats, voiced: Mask) -> Speech:
    """Speech and pauses of a clip that is not silent.

    Speech is what lies less than ``BELOW`` under the top of the clip (the 99th percentile of its
    steps, or 10 dB under its loudest 65 ms, where that is more: a little speech in a long clip).
    Where noise fills the pauses to about there, speech is what is voiced or stands out of the noise
    by a third of what the top does.

    Parameters
    ----------
    power:
        Shape (steps,): mean squares.
    voiced:
        Shape (steps // 2,): whether a frame is voiced.
    """
    levels = decibels(power)
    top = max(float(np.percentile(levels, 99)), float(decibels(smoothed(power)).max()) - 10)
    active = levels > max(top - BELOW, SILENT - 10)
    noise = float(np.percentile(levels, 5))
    if noise > top - BELOW - _FLICKER and top - noise >= _NOISY:
        inner = voiced[:-2] & voiced[1:-1] & voiced[2:]
        carried = np.repeat(np.pad(inner, 1), 2)[: len(active)]
        active &= carried | (decibels(smoothed(power, _EDGE)) > noise + (top - noise) / 3)
    return _tidied(active)


def _tidied(active: Mask) -> Speech:
    """Without clicks, and with gaps that are no pauses filled."""
    joined = _filled(active, SHORTEST_SPEECH)
    for start, stop in _runs(joined):
        joined[start:stop] = _seconds(stop - start) >= SHORTEST_SPEECH
    kept = _filled(joined, SHORTEST_PAUSE)
    runs = _runs(kept)
    if not runs:
        return Speech(kept, (), 0.0)
    pauses = tuple(_seconds(after - before) for before, after in _gaps(runs))
    return Speech(kept, pauses, _seconds(runs[-1][1] - runs[0][0]))


def _filled(mask: Mask, shortest: float) -> Mask:
    """With the gaps filled that are shorter than that many seconds."""
    filled = mask.copy()
    for stop, start in _gaps(_runs(mask)):
        filled[stop:start] = _seconds(start - stop) < shortest
    return filled


def _gaps(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Begin and end of what lies between runs."""
    return [(stop, start) for (_, stop), (start, _) in pairwise(runs)]


def _seconds(steps: int) -> float:
    return steps * STEP / RATE


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """Begin and end of every stretch that is true."""
    edges = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def loudness_measures(power: Floats, speech: Speech) -> dict[str, float | None]:
    """Level of the speech (dB of its mean square) and its variation.

    The variation is the standard deviation, in dB, of the level under a window of 65 ms; what is
    outside of speech does not enter it.
    """
    active = speech.active
    inside = np.where(active, power, 0)
    contour = smoothed(inside)[active] / smoothed(active.astype(np.float64))[active]
    return {
        "loudness": float(decibels(power[active].mean(dtype=np.float64, keepdims=True))[0]),
        "loudness_variation": float(decibels(contour).std()),
    }


def pause_measures(speech: Speech) -> dict[str, float | None]:
    """Number of pauses, their share of the time from first to last speech, their mean length (s).

    Without a pause there is no mean length.
    """
    total = sum(speech.pauses)
    return {
        "pauses": float(len(speech.pauses)),
        "pause_share": total / speech.span if speech.span else None,
        "pause_length": total / len(speech.pauses) if speech.pauses else None,
    }
