"""Measures against sounds whose every property is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sounds import RATE, silence, times, tone, voice, write

from ovbench.speech.measures import UNITS, Measured, measure

PITCH = 0.01
"""Greatest share by which a fundamental frequency may be missed."""
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def measured(tmp_path: Path):
    def of(samples: np.ndarray, rate: int = RATE) -> Measured:
        return measure(write(tmp_path / "clip.wav", samples, rate))

    return of


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("hertz", [62.0, 97.3, 220.0, 440.0, 598.0])
def test_the_pitch_of_tones_and_voices_at_every_rate(measured, rate: int, hertz: float) -> None:
    for sound in (tone(hertz, 0.8, rate), voice(hertz, 0.8, rate)):
        found = measured(sound, rate)
        assert found.status == "ok"
        assert found.values["pitch"] == pytest.approx(hertz, rel=PITCH)
        assert found.values["pitch_range"] < 0.2
        assert abs(found.values["pitch_slope"]) < 0.5
        assert found.values["voiced_share"] > 0.9


@few
@given(st.floats(61, 599), st.floats(-30, 0), st.integers(0, 2**32 - 1))
def test_the_pitch_of_any_voice_with_any_phases(tmp_path, hertz, decibels, seed) -> None:
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 60)
    count = int(3500 / hertz)
    harmonics = sum(
        np.sin(2 * np.pi * hertz * n * times(0.7) + phases[n]) / n for n in range(1, count + 1)
    )
    sound = 0.3 * 10 ** (decibels / 20) * harmonics
    found = measure(write(tmp_path / "voice.wav", sound))
    assert found.values["pitch"] == pytest.approx(hertz, rel=PITCH)


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [(100, 200, 2.0), (400, 200, 2.0), (80, 320, 2.0), (300, 120, 1.0), (150, 160, 3.0)],
)
@pytest.mark.parametrize("make", [tone, voice])
def test_glides(measured, start: float, end: float, seconds: float, make) -> None:
    track = start * (end / start) ** (times(seconds) / seconds)
    if make is tone:
        sound = 0.3 * np.sin(2 * np.pi * np.cumsum(track) / RATE)
    else:
        sound = voice(track, seconds)
    found = measured(sound).values
    height = 12 * np.log2(end / start)
    assert found["pitch"] == pytest.approx(np.sqrt(start * end), rel=PITCH)
    assert found["pitch_slope"] == pytest.approx(height / seconds, rel=0.01, abs=0.02)
    # Nine tenths of a straight line lie between its 5th and its 95th percentile.
    assert found["pitch_range"] == pytest.approx(0.9 * abs(height), rel=0.02, abs=0.05)


def test_every_frame_of_a_glide_is_within_one_percent() -> None:
    from ovbench.speech.frames import HOP, track_sound
    from ovbench.speech.pitch import follow_pitch

    track = 90 * 4 ** (times(2.0) / 2.0)
    sound = voice(track, 2.0).astype(np.float32)
    found = follow_pitch(track_sound([sound]))
    centres = np.arange(len(found.hertz)) * HOP + HOP // 2
    inside = slice(3, -3)
    assert found.voiced[inside].all()
    assert found.hertz[inside] == pytest.approx(track[centres][inside], rel=PITCH)


def test_where_blocks_are_cut_changes_nothing() -> None:
    from ovbench.speech.frames import track_sound

    noise = np.random.default_rng(3)
    track = 120 + 40 * np.sin(2 * np.pi * times(20.0))
    sound = voice(track, 20.0) + 0.01 * noise.standard_normal(20 * RATE)
    whole = sound.astype(np.float32)
    cuts = np.sort(noise.integers(0, len(whole), 40))
    one, many = track_sound([whole]), track_sound(np.split(whole, cuts))
    for name in ("power", "peak", "frequency", "strength", "low", "high"):
        assert np.array_equal(getattr(one, name), getattr(many, name))


@pytest.mark.parametrize("pause", [0.16, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("hertz", [75, 140, 330])
@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_pauses(measured, pause: float, hertz: float, noise: float) -> None:
    parts = [silence(0.4), voice(hertz, 0.9), silence(pause), voice(hertz, 0.7), silence(pause)]
    sound = np.concatenate([*parts, voice(hertz, 0.8), silence(0.6)])
    sound += noise * np.random.default_rng(0).standard_normal(len(sound))
    found = measured(sound).values
    assert found["pauses"] == 2
    assert found["pause_length"] == pytest.approx(pause, abs=0.03)
    assert found["pause_share"] == pytest.approx(2 * pause / (2.4 + 2 * pause), abs=0.03)


def test_pauses_of_different_lengths_with_soft_edges(measured) -> None:
    ramp = np.minimum(1, np.minimum(times(0.6), times(0.6)[::-1]) / 0.02)
    word = voice(180, 0.6) * ramp
    sound = np.concatenate([word, silence(0.25), word, silence(0.75), word])
    found = measured(sound).values
    assert found["pauses"] == 2
    assert found["pause_length"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("hertz", [100, 220])
@pytest.mark.parametrize("ratio", [8, 12, 16, 20, 22, 23, 24, 25, 26, 27, 28, 30, 35])
def test_pauses_full_of_noise(measured, ratio: float, hertz: float, seed: int) -> None:
    """White noise from 8 to 35 dB below the voice: through the level where pauses end."""
    word = voice(hertz, 0.8)
    sound = np.concatenate([word, silence(0.4), word, silence(0.4), word])
    noise = np.random.default_rng(seed).standard_normal(len(sound))
    noise *= np.sqrt(np.mean(word**2)) * 10 ** (-ratio / 20)
    found = measured(0.5 * (sound + noise)).values
    assert found["pauses"] == 2
    assert found["pause_length"] == pytest.approx(0.4, abs=0.03)


def test_neither_gaps_of_stops_nor_silence_around_are_pauses(measured) -> None:
    sound = np.concatenate(
        [silence(1.0), voice(150, 0.5), silence(0.1), voice(150, 0.5), silence(1.0)]
    )
    found = measured(sound).values
    assert (found["pauses"], found["pause_share"], found["pause_length"]) == (0, 0, None)


def test_a_click_does_not_end_a_pause(measured) -> None:
    gap = silence(0.6)
    gap[4800:4880] = 0.5
    sound = np.concatenate([voice(150, 0.8), gap, voice(150, 0.8)])
    found = measured(sound).values
    assert found["pauses"] == 1
    assert found["pause_length"] == pytest.approx(0.6, abs=0.03)


def test_the_level_of_a_sine(measured) -> None:
    found = measured(tone(200, 1.0, amplitude=0.5)).values
    assert found["loudness"] == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.05)
    assert found["loudness_variation"] < 0.1


def test_silence_around_and_between_does_not_make_it_softer(measured) -> None:
    alone = measured(voice(150, 2.0)).values
    spread = measured(
        np.concatenate([silence(1), voice(150, 1.0), silence(0.8), voice(150, 1.0), silence(2)])
    ).values
    for name in ("loudness", "loudness_variation"):
        assert spread[name] == pytest.approx(alone[name], abs=0.2)


@few
@given(st.floats(-25, 12))
def test_gain_moves_loudness_and_nothing_else(tmp_path, gain: float) -> None:
    sound = np.concatenate([voice(140, 0.8), silence(0.3), 0.4 * voice(190, 0.8)])
    before = measure(write(tmp_path / "a.wav", sound)).values
    after = measure(write(tmp_path / "b.wav", sound * 10 ** (gain / 20))).values
    assert after["loudness"] - before["loudness"] == pytest.approx(gain, abs=0.5)
    for name in set(UNITS) - {"loudness"}:
        assert after[name] == pytest.approx(before[name], rel=0.01, abs=0.02)


def test_variation_of_the_level(measured) -> None:
    halves = np.concatenate([voice(150, 2.0), 10 ** (-12 / 20) * voice(150, 2.0)])
    # Two levels 12 dB apart, equally long: a standard deviation of 6.
    assert measured(halves).values["loudness_variation"] == pytest.approx(6, abs=0.3)


@pytest.mark.parametrize("ratio", [0, 5, 10, 15, 20])
def test_harmonicity_is_the_ratio_of_harmonics_to_noise(measured, ratio: float) -> None:
    rng = np.random.default_rng(5)
    harmonics = sum(np.sin(2 * np.pi * 150 * n * times(4.0)) for n in range(1, 23))
    noise = rng.standard_normal(4 * RATE)
    # Of white noise up to 8 kHz, 3.6 are in the band (the fade's half counted).
    noise *= np.sqrt(8000 / 3600) * 10 ** (-ratio / 20) / noise.std()
    found = measured(0.05 * (harmonics / harmonics.std() + noise)).values
    assert found["harmonicity"] == pytest.approx(ratio, abs=0.7)
    assert found["pitch"] == pytest.approx(150, rel=PITCH)


def test_spectral_tilt_is_the_ratio_of_what_was_put_in(measured) -> None:
    for slope in (0.5, 1.0, 2.0):
        weights = {n: n**-slope for n in range(1, 23)}
        sound = 0.1 * sum(w * np.sin(2 * np.pi * 150 * n * times(1)) for n, w in weights.items())
        high = sum(w**2 for n, w in weights.items() if n * 150 > 1000)
        low = sum(w**2 for n, w in weights.items() if n * 150 < 1000)
        expected = 10 * np.log10(high / low)
        assert measured(sound).values["spectral_tilt"] == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("syllables", [3, 4, 5, 7])
def test_syllables_are_swellings_of_a_voice(measured, syllables: int) -> None:
    swell = 0.55 - 0.45 * np.cos(2 * np.pi * syllables * times(4.0))
    found = measured(voice(160, 4.0) * swell).values
    assert found["speaking_rate"] == pytest.approx(syllables, rel=0.05)


def test_swellings_of_noise_are_no_syllables(measured) -> None:
    swell = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * times(3.0))
    noise = 0.1 * np.random.default_rng(2).standard_normal(len(swell))
    found = measured(np.concatenate([voice(160, 1.0), noise * swell])).values
    assert found["speaking_rate"] < 1


def test_a_constant_offset_is_not_heard(measured) -> None:
    sound = np.concatenate([voice(150, 1.0), silence(0.5), voice(150, 1.0)])
    plain, offset = measured(sound).values, measured(sound + 0.3).values
    for name in UNITS:
        assert offset[name] == pytest.approx(plain[name], rel=0.01, abs=0.1)


def missing(found: Measured) -> set[str]:
    return {name for name, value in found.values.items() if value is None}


def test_silence_is_said_and_nothing_is_zero(measured) -> None:
    for sound in (silence(2.0), 1e-5 * tone(200, 2.0), np.full(2 * RATE, 0.25)):
        found = measured(sound)
        assert found.status == "silent"
        assert missing(found) == set(UNITS)
        assert "silent" in found.notes[0]


def test_a_click_in_silence_is_silence(measured) -> None:
    sound = silence(2.0)
    sound[8000:8160] = 0.9
    assert measured(sound).status == "silent"


def test_a_voiceless_clip_has_no_pitch_and_no_zero(measured) -> None:
    found = measured(0.1 * np.random.default_rng(0).standard_normal(2 * RATE))
    assert found.status == "unvoiced"
    assert {"pitch", "pitch_range", "pitch_slope", "speaking_rate", "voiced_share"} <= missing(
        found
    )
    assert {"harmonicity", "spectral_tilt"} <= missing(found)
    assert found.values["loudness"] == pytest.approx(-20, abs=0.2)
    assert "unvoiced" in found.notes[0]


def test_a_clipped_clip_has_a_pitch_but_no_loudness(measured) -> None:
    found = measured(np.clip(6 * voice(140, 2.0), -1, 1))
    assert found.status == "clipped"
    of_level = {"loudness", "loudness_variation", "harmonicity", "spectral_tilt"}
    assert of_level <= missing(found)
    assert found.values["voiced_share"] > 0.9
    assert found.values["pitch"] == pytest.approx(140, rel=PITCH)
    assert "clipped" in found.notes[-1]


def test_full_scale_alone_is_not_clipping(measured) -> None:
    sound = tone(150, 1.0, amplitude=1.0)
    assert measured(sound).status == "ok"
    assert measured(3.0 * sound).status == "ok"


@pytest.mark.parametrize("seconds", [1 / RATE, 0.01, 0.1, 0.5])
def test_what_is_too_short_is_said(measured, seconds: float) -> None:
    found = measured(voice(150, seconds))
    assert found.status == "too_short"
    assert missing(found) == set(UNITS)
    assert found.seconds == pytest.approx(seconds, abs=1e-4)
    assert "too short" in found.notes[0]


def test_a_little_voice_in_a_clip_has_a_pitch_and_no_slope(measured) -> None:
    found = measured(np.concatenate([silence(0.6), voice(200, 0.1), silence(0.6)]))
    assert found.status == "ok"
    assert found.values["pitch"] == pytest.approx(200, rel=0.02)
    assert {"pitch_range", "pitch_slope", "speaking_rate"} <= missing(found)
    assert len(found.notes) == 2


@few
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 3.0),
    st.sampled_from(["white", "steps", "sparse", "tones"]),
)
def test_any_sound_is_measured_in_range(tmp_path, seed: int, seconds: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    count = max(1, int(seconds * RATE))
    sound = {
        "white": lambda: rng.standard_normal(count) * rng.uniform(0, 2),
        "steps": lambda: np.repeat(rng.uniform(-1, 1, count // 400 + 1), 400)[:count],
        "sparse": lambda: (rng.random(count) < 0.001) * rng.uniform(-1, 1, count),
        "tones": lambda: sum(
            rng.random() * np.sin(2 * np.pi * f * np.arange(count) / RATE)
            for f in rng.uniform(20, 7000, 4)
        ),
    }[kind]()
    found = measure(write(tmp_path / "any.wav", sound))
    values = {name: value for name, value in found.values.items() if value is not None}
    assert all(np.isfinite(list(values.values())))
    assert 59 <= values.get("pitch", 100) <= 607
    assert 0 <= values.get("voiced_share", 0) <= 1
    assert 0 <= values.get("pause_share", 0) <= 1
    assert values.get("harmonicity", 0) <= 40.001
    assert values.get("pitch_range", 0) >= 0
    assert bool(found.notes) or found.status == "ok"
