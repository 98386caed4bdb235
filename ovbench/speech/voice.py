"""What the voice itself is like: how much of the speech is voiced, how harmonic, how bright."""

from __future__ import annotations

import numpy as np

from ovbench.speech.frames import Floats
from ovbench.speech.loudness import Mask, decibels

CLEAREST = 1 - 1e-4
"""Autocorrelation above which windows of 50 ms tell nothing: 40 dB."""


def harmonicity(strength: Floats) -> float:
    """Mean harmonics-to-noise ratio of voiced frames, in dB, at most 40.

    Of a frame whose normalised autocorrelation at the period is r, it is 10 log10(r / (1 - r))
    (Boersma 1993, equation 4): r is the share of the energy that repeats. Energy up to 3.6 kHz.

    Parameters
    ----------
    strength:
        Shape (voiced frames,), above 0.
    """
    r = np.minimum(strength.astype(np.float64), CLEAREST)
    return float(np.mean(10 * np.log10(r / (1 - r))))


def spectral_tilt(low: Floats, high: Floats) -> float:
    """Level above 1 kHz minus level below, of voiced frames' mean spectrum, in dB.

    An alpha ratio (Frøkjær-Jensen & Prytz 1976), cut at 3.6 kHz so that recordings of all rates
    agree. Below 0 as a rule; the higher, the brighter and the more strained the voice.
    """
    means = np.array([np.mean(high, dtype=np.float64), np.mean(low, dtype=np.float64)])
    above, below = decibels(means)
    return float(above - below)


def voiced_share(voiced: Mask, active: Mask) -> float | None:
    """Share of the frames of speech that are voiced; None where there is no speech.

    Parameters
    ----------
    voiced, active:
        Shape (frames,).
    """
    frames = np.count_nonzero(active)
    return float(np.count_nonzero(voiced & active) / frames) if frames else None
