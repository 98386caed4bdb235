"""Measures against synthetic speech whose pitch, speed and amplitude were set."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sounds import SYLLABLES, TEXT, speak, write

from ovbench.speech.audio import read_audio
from ovbench.speech.frames import RATE, STEP, track_sound
from ovbench.speech.loudness import find_speech
from ovbench.speech.measures import measure
from ovbench.speech.pitch import follow_pitch


def values(tmp_path: Path, option: str, settings: tuple[int, ...], measured: str) -> list[float]:
    found = []
    for setting in settings:
        clip = measure(speak(tmp_path / f"{setting}.wav", option, str(setting)))
        assert clip.status == "ok"
        found.append(clip.values[measured])
    return found


def test_pitch_rises_with_the_pitch_setting(tmp_path: Path) -> None:
    found = values(tmp_path, "-p", (5, 30, 50, 75, 99), "pitch")
    assert all(b > 1.05 * a for a, b in pairwise(found))


def test_rate_rises_with_the_speed_setting(tmp_path: Path) -> None:
    found = values(tmp_path, "-s", (80, 120, 160, 220, 300), "speaking_rate")
    assert all(b > 1.1 * a for a, b in pairwise(found))


def test_loudness_rises_with_the_amplitude_setting(tmp_path: Path) -> None:
    found = values(tmp_path, "-a", (10, 25, 50, 100, 180), "loudness")
    assert all(b > a + 3 for a, b in pairwise(found))


def test_amplitude_leaves_the_rest_alone(tmp_path: Path) -> None:
    soft, loud = (
        measure(speak(tmp_path / f"{a}.wav", "-a", str(a))).values for a in (30, 100)
    )  # fmt: skip
    for name in ("pitch", "speaking_rate", "pause_share", "voiced_share", "harmonicity"):
        assert loud[name] == pytest.approx(soft[name], rel=0.03)


@pytest.mark.parametrize("voice", ["en", "en-us", "en+f3", "en+m3"])
@pytest.mark.parametrize("speed", [110, 150, 190])
def test_as_many_nuclei_as_there_are_syllables(tmp_path: Path, voice: str, speed: int) -> None:
    path = speak(tmp_path / "v.wav", "-v", voice, "-s", str(speed))
    tracks = track_sound([read_audio(path, rate=RATE).samples])
    speech = find_speech(tracks.power, follow_pitch(tracks).voiced)
    nuclei = measure(path).values["speaking_rate"] * speech.active.sum() * STEP / RATE
    assert nuclei == pytest.approx(SYLLABLES, rel=0.15)


def test_a_womans_voice_is_higher_than_a_mans(tmp_path: Path) -> None:
    man = measure(speak(tmp_path / "m.wav", "-v", "en+m1")).values
    woman = measure(speak(tmp_path / "f.wav", "-v", "en+f3")).values
    assert woman["pitch"] > 1.5 * man["pitch"]


def test_a_pause_between_sentences_is_found(tmp_path: Path) -> None:
    without = measure(speak(tmp_path / "a.wav", text="One two three four five six.")).values
    found = measure(
        speak(tmp_path / "b.wav", "-m", text="One two three <break time='900ms'/> four five six.")
    ).values
    assert found["pauses"] == without["pauses"] + 1
    assert found["pause_length"] > 0.8


def test_a_whisper_is_unvoiced_or_nearly_so(tmp_path: Path) -> None:
    spoken = measure(speak(tmp_path / "a.wav", text=TEXT)).values
    whisper = measure(speak(tmp_path / "b.wav", "-v", "en+whisper", text=TEXT))
    share = whisper.values["voiced_share"]
    assert whisper.status == "unvoiced" or share < 0.5 * spoken["voiced_share"]


@pytest.mark.parametrize("rate", [16_000, 48_000, 96_000])
def test_the_rate_of_the_recording_does_not_matter(tmp_path: Path, rate: int) -> None:
    soxr = pytest.importorskip("soxr")
    path = speak(tmp_path / "v.wav", "-v", "en+f3")
    audio = read_audio(path)
    again = write(tmp_path / "w.wav", soxr.resample(audio.samples, audio.rate, rate), rate)
    expected, found = measure(path).values, measure(again).values
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.01, abs=0.02)


@pytest.mark.parametrize("ratio", [30, 20, 10])
def test_noise_moves_little(tmp_path: Path, ratio: float) -> None:
    audio = read_audio(speak(tmp_path / "v.wav", "-v", "en+f3"))
    clean = measure(tmp_path / "v.wav").values
    noise = np.random.default_rng(0).standard_normal(len(audio.samples))
    noise *= audio.samples.std() * 10 ** (-ratio / 20)
    found = measure(write(tmp_path / "w.wav", audio.samples + noise, audio.rate)).values
    assert found["pitch"] == pytest.approx(clean["pitch"], rel=0.01)
    assert found["pitch_range"] == pytest.approx(clean["pitch_range"], abs=0.5)
    assert found["speaking_rate"] == pytest.approx(clean["speaking_rate"], rel=0.15)
    assert found["harmonicity"] < clean["harmonicity"]


@pytest.mark.slow
def test_librosa_hears_the_same_pitch(tmp_path: Path) -> None:
    librosa = pytest.importorskip("librosa", reason="librosa, an oracle, is not installed")
    path = speak(tmp_path / "v.wav", "-p", "60", text="My mother wanted to buy seven apples.")
    audio = read_audio(path, rate=16_000)
    hertz, voiced, _ = librosa.pyin(audio.samples, fmin=60, fmax=600, sr=16_000, hop_length=160)
    assert measure(path).values["pitch"] == pytest.approx(float(np.median(hertz[voiced])), rel=0.02)
