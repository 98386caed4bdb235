"""Speaking rate from syllable nuclei, found in the sound alone.

After de Jong & Wempe (2009, *Praat script to detect syllable nuclei and measure speech rate
automatically*, Behavior Research Methods 41): a nucleus is a voiced peak of the level with a dip of
at least 2 dB before the next one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ovbench.speech.frames import RATE, STEP, Floats
from ovbench.speech.loudness import Mask, Speech, decibels, smoothed

DIP = 2.0
"""dB by which the level must fall between two nuclei."""
SHORTEST = 0.4
"""Seconds of speech without which there is no rate."""


def speaking_rate(power: Floats, voiced: Mask, speech: Speech) -> float | None:
    """Syllable nuclei per second of speech, pauses left out (an articulation rate).

    None where there is less than ``SHORTEST`` of speech, or no nucleus.
    """
    seconds = np.count_nonzero(speech.active) * STEP / RATE
    if seconds < SHORTEST:
        return None
    levels = decibels(smoothed(power))
    peaks = _peaks(levels)
    frames = np.minimum(peaks // 2, len(voiced) - 1)
    count = int(np.count_nonzero(voiced[frames] & speech.active[peaks]))
    return float(count / seconds) if count else None


def _peaks(levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of maxima between which the level falls by ``DIP`` or more."""
    change = np.sign(np.diff(levels))
    turns = np.flatnonzero(change[1:] != change[:-1]) + 1
    found: list[int] = []
    best, lowest = 0, float(levels[0])
    rising = True
    for place in [*turns.tolist(), len(levels) - 1]:
        level = float(levels[place])
        if rising:
            if level > levels[best]:
                best = place
            elif levels[best] - level >= DIP:
                found.append(best)
                rising, lowest = False, level
        elif level < lowest:
            lowest = level
        elif level - lowest >= DIP:
            rising, best = True, place
    if rising and levels[best] - float(levels[-1]) < DIP and levels[best] - lowest >= DIP:
        found.append(best)
    return np.array(found, np.int64)
