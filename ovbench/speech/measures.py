"""All measures of a clip, in one pass over its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ovbench.speech.audio import audio_info, stream
from ovbench.speech.frames import RATE, Floats, Tracks, track_sound
from ovbench.speech.loudness import (
    Mask,
    Speech,
    find_speech,
    is_silent,
    loudest,
    loudness_measures,
    pause_measures,
)
from ovbench.speech.pitch import FEWEST, follow_pitch, pitch_measures
from ovbench.speech.rhythm import speaking_rate
from ovbench.speech.voice import harmonicity, spectral_tilt, voiced_share

Status = Literal["ok", "silent", "clipped", "too_short", "unvoiced", "unreadable"]

UNITS = {
    "pitch": "Hz",
    "pitch_range": "semitones",
    "pitch_slope": "semitones/s",
    "loudness": "dB re full scale",
    "loudness_variation": "dB",
    "speaking_rate": "syllable nuclei/s",
    "pauses": "pauses",
    "pause_share": "share of time",
    "pause_length": "s",
    "voiced_share": "share of speech",
    "harmonicity": "dB",
    "spectral_tilt": "dB",
}
"""Every measure and its unit, in the order of records."""

SHORTEST = 0.5
"""Seconds that a clip must last longer than (as SpeechCueLLM's do)."""
CLIPPED = 0.005
"""Share of frames in flat tops from which a clip is clipped."""
LONGEST = 4 * 3600.0
"""Seconds of a file that are looked at."""

_OF_LEVEL = ("loudness", "loudness_variation", "harmonicity", "spectral_tilt")
"""What clipping falsifies: the level itself, and the harmonics that it adds."""


@dataclass(frozen=True)
class Measured:
    """What was measured of a clip.

    Attributes
    ----------
    status:
        ``ok``, or the first of these that holds: ``too_short``, ``silent``, ``clipped``,
        ``unvoiced``. (``unreadable`` is for whoever catches :class:`AudioError`.)
    values:
        Every measure of ``UNITS``; None where it cannot be told, which is never a zero.
    seconds:
        Length of the file.
    notes:
        Why measures are missing.
    """

    status: Status
    values: dict[str, float | None]
    seconds: float
    notes: tuple[str, ...] = field(default=())


def measure(path: str | Path) -> Measured:
    """Measure a file of any length; memory grows by 5 kB per second of it, four hours at most.

    Raises
    ------
    AudioError
        If it cannot be read (:func:`ovbench.speech.audio.read_audio`).
    MissingExtraError
        If soundfile or soxr is not installed.
    """
    seconds, _, channels = audio_info(path)
    tracks, clipped = _tracked(path)
    notes = [] if seconds <= LONGEST else [f"described from its first {LONGEST / 3600:g} hours"]
    if seconds <= SHORTEST:
        notes.append(f"lasts {seconds:.2f} s, which is too short: more than {SHORTEST:g} s needed")
        return Measured("too_short", dict.fromkeys(UNITS), seconds, tuple(notes))
    if is_silent(tracks.power) and channels > 1:
        channel, tracks = _cancelled(path, channels, tracks)
        if channel is not None:
            notes.append(f"its channels cancel out: measured from channel {channel + 1} alone")
    if is_silent(tracks.power):
        notes.append("silent: nothing is louder than 60 dB below full scale")
        return Measured("silent", dict.fromkeys(UNITS), seconds, tuple(notes))
    pitch = follow_pitch(tracks)
    speech = find_speech(tracks.power, pitch.voiced)
    if not speech.active.any():
        notes.append("silent but for clicks")
        return Measured("silent", dict.fromkeys(UNITS), seconds, tuple(notes))
    active = _per_frame(speech, len(pitch.hertz))
    voiced = pitch.voiced & active
    values: dict[str, float | None] = dict.fromkeys(UNITS)
    values |= loudness_measures(tracks.power, speech) | pause_measures(speech)
    status: Status = "ok"
    if np.count_nonzero(voiced) < FEWEST:
        status = "unvoiced"
        notes.append("unvoiced: without a voice its pitch, rate and quality cannot be told")
    else:
        values |= pitch_measures(np.where(voiced, pitch.hertz, 0).astype(np.float32))
        values |= {
            "speaking_rate": speaking_rate(tracks.power, voiced, speech),
            "voiced_share": voiced_share(voiced, active),
            "harmonicity": harmonicity(pitch.strength[voiced]),
            "spectral_tilt": spectral_tilt(tracks.low[voiced], tracks.high[voiced]),
        }
        notes += _missing(values)
    if clipped > CLIPPED:
        status = "clipped"
        values |= dict.fromkeys(_OF_LEVEL)
        notes.append(
            f"clipped ({100 * clipped:.1f} %): its loudness and voice quality cannot be told"
        )
    return Measured(status, values, seconds, tuple(notes))


def _tracked(path: str | Path, channel: int | None = None) -> tuple[Tracks, float]:
    """What is taken from the sound, and the share of its frames that lie in flat tops."""
    counts = np.zeros(2, np.int64)

    def samples() -> Iterator[Floats]:
        for block in stream(path, rate=RATE, max_seconds=LONGEST, channel=channel):
            counts[:] += block.frames, block.flat
            yield block.samples

    tracks = track_sound(samples())
    return tracks, float(counts[1] / max(1, counts[0]))


def _cancelled(path: str | Path, channels: int, mean: Tracks) -> tuple[int | None, Tracks]:
    """The first channel that is heard alone, of a file whose mean is silent; else the mean.

    A channel is never louder than the mean by more than their number, unless others cancel it out.
    """
    there = loudest(mean.power) + 20 * np.log10(channels) + 1
    for channel in range(channels):
        alone, _ = _tracked(path, channel)
        if not is_silent(alone.power) and loudest(alone.power) > there:
            return channel, alone
    return None, mean


def _per_frame(speech: Speech, frames: int) -> Mask:
    """Whether a frame of two steps is in speech."""
    found = np.zeros(frames, bool)
    pairs: Mask = speech.active[: 2 * frames].reshape(-1, 2).max(axis=1)
    found[: len(pairs)] = pairs
    return found


def _missing(values: dict[str, float | None]) -> list[str]:
    """A note on what voiced clips may lack all the same."""
    notes = []
    if values["pitch_range"] is None:
        notes.append("too little voice to tell the range and slope of its pitch")
    if values["speaking_rate"] is None:
        notes.append("too little speech to tell its rate")
    return notes
