"""Fundamental frequency: one path through the candidates of all frames, and what it looks like.

The method is Boersma's (1993, *Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound*, IFA Proceedings 17), that of Praat: the
autocorrelation of a windowed frame, divided by the window's, has its maxima at the periods; a path
through them is the best compromise between their heights and the jumps from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.speech.frames import CANDIDATES, HOP, LOWEST, OCTAVE_COST, RATE, Floats, Tracks

VOICING = 0.45
"""Autocorrelation from which a frame may be voiced."""
SILENCE = 0.03
"""Peaks below this share of the clip's loudest are hardly voiced."""
_JUMP, _SWITCH = 0.35, 0.14
"""Cost of a jump by an octave, and of the change between voiced and unvoiced, per 10 ms."""
_REACH = (0.5, 2.5)
"""What a voice spans at most, of the first and the third quartile of its frames."""
_CHUNK = 4096
"""Frames whose transitions are worked out together."""

SPREAD = (5.0, 95.0)
"""Percentiles between which the range lies, so that a stray frame does not widen it."""
FEWEST = 5
"""Voiced frames (50 ms) without which there is no pitch."""
FEWEST_FOR_SHAPE = 15
"""Voiced frames (150 ms) without which there is no range and no slope."""


@dataclass(frozen=True, eq=False)
class Pitch:
    """The path.

    Attributes
    ----------
    hertz:
        Shape (frames,), float32: fundamental frequency; 0 where a frame is not voiced.
    strength:
        Shape (frames,), float32: the autocorrelation there, above 0 and at most 1.
    """

    hertz: Floats
    strength: Floats

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Shape (frames,)."""
        return self.hertz > 0


def follow_pitch(tracks: Tracks) -> Pitch:
    """The best path through the candidates (Viterbi)."""
    frames = len(tracks.peak)
    if not frames:
        return Pitch(np.zeros(0, np.float32), np.zeros(0, np.float32))
    gains = _gains(tracks)
    back = np.zeros((frames, CANDIDATES + 1), np.int8)
    score = gains[0]
    for start in range(1, frames, _CHUNK):
        stop = min(start + _CHUNK, frames)
        costs = _costs(tracks.frequency[start - 1 : stop])
        for frame in range(start, stop):
            reached = score[:, None] - costs[frame - start]
            back[frame] = reached.argmax(axis=0)
            score = reached.max(axis=0) + gains[frame]
    path = np.zeros(frames, np.int64)
    path[-1] = int(score.argmax())
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    # The last place is that of no voice.
    none = np.zeros((frames, 1), np.float32)
    pick = path[:, None]
    hertz = np.take_along_axis(np.hstack([tracks.frequency, none]), pick, axis=1)[:, 0]
    strength = np.take_along_axis(np.hstack([tracks.strength, none]), pick, axis=1)[:, 0]
    return _within_reach(hertz, strength)


def _within_reach(hertz: Floats, strength: Floats) -> Pitch:
    """The path without frames that are octaves away from the rest: noises that seem to repeat."""
    voiced = hertz > 0
    if voiced.any():
        low, high = np.percentile(hertz[voiced], (25, 75))
        near = voiced & (hertz > _REACH[0] * low) & (hertz < _REACH[1] * high)
        hertz, strength = np.where(near, hertz, 0), np.where(near, strength, 0)
    return Pitch(hertz, strength)


def _gains(tracks: Tracks) -> NDArray[np.float64]:
    """What each candidate, and at last no voice, adds; shape (frames, candidates + 1)."""
    frequency = tracks.frequency.astype(np.float64)
    there = frequency > 0
    octaves = np.log2(np.where(there, frequency, 1.0) / LOWEST)
    voiced = np.where(there, tracks.strength + OCTAVE_COST * octaves, -np.inf)
    loudest = float(tracks.peak.max())
    share = tracks.peak / loudest if loudest else np.zeros(len(tracks.peak))
    unvoiced = VOICING + np.maximum(0, 2 - share / (SILENCE / (1 + VOICING)))
    return np.hstack([voiced, unvoiced[:, None]])


def _costs(frequency: Floats) -> NDArray[np.float64]:
    """Of going from each state of a frame to each of the next; shape (frames - 1, states, states).

    States without a candidate have no gain, so what it costs to enter them does not matter.
    """
    octaves = np.log2(np.maximum(frequency, 1.0).astype(np.float64))
    states = octaves.shape[1] + 1
    costs = np.full((len(octaves) - 1, states, states), _SWITCH)
    costs[:, :-1, :-1] = _JUMP * np.abs(octaves[:-1, :, None] - octaves[1:, None, :])
    costs[:, -1, -1] = 0
    return costs


def semitones(hertz: NDArray[np.floating]) -> NDArray[np.float64]:
    """Semitones above 1 Hz."""
    return 12 * np.log2(hertz.astype(np.float64))


def pitch_measures(hertz: Floats) -> dict[str, float | None]:
    """Median (Hz), range (semitones from the 5th to the 95th percentile) and slope.

    The slope is that of the least-squares line through the voiced frames, in semitones per second;
    pauses count as time.

    Parameters
    ----------
    hertz:
        Shape (frames,); 0 where a frame is not voiced.
    """
    voiced = hertz > 0
    found: dict[str, float | None] = {"pitch": None, "pitch_range": None, "pitch_slope": None}
    count = int(voiced.sum())
    if count >= FEWEST:
        found["pitch"] = float(np.median(hertz[voiced]))
    if count >= FEWEST_FOR_SHAPE:
        heights = semitones(hertz[voiced])
        low, high = np.percentile(heights, SPREAD)
        found["pitch_range"] = float(high - low)
        times = np.flatnonzero(voiced) * (HOP / RATE)
        times = times - times.mean()
        found["pitch_slope"] = float(times @ (heights - heights.mean()) / (times @ times))
    return found
