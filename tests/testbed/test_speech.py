"""TinySpeech's clips: the same every time, and as they were asked to sound, measured otherwise."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import wave
from dataclasses import replace
from functools import cache, partial
from hashlib import sha256
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.testbed import speech
from ovbench.testbed.corpus import generate, heard
from ovbench.testbed.speech import KNOBS, SIZES, SPEAKERS, Clip, Sound, clips, manner, render, wav
from ovbench.testbed.voice import RATE, Manner, Speaker, speak
from ovbench.testbed.world import FEATURES, LEVELS, VOICES

Samples = NDArray[np.float64]
TEXT = "I never expected the quiet lake to matter, anyway."
PERSON = Speaker("x", 140.0, 1.0, 0.0)
PLAIN = Manner(
    pitch=0, melody=0, slope=0, tremor=0, gain=0, swell=0, rate=4, uneven=0, tilt=6, breath=45,
    jitter=0, tract=1, pauses=(), seconds=3,
)  # fmt: skip
SPLITS = ("train", "dev", "test")
VERSION_1 = [
    45625, -28.4, -43.3, -33.8, -23.9, -53.0, 50834, -32.9, -33.6, -66.0, -61.8, -32.6,
    42976, -21.4, -19.9, -23.7, -20.6, -22.3,
]  # fmt: skip


def spoken(seed: int = 0, person: Speaker = PERSON, **changes: object) -> Samples:
    return speak(TEXT, person, replace(PLAIN, **changes), Random(seed))


def loudness(samples: Samples, seconds: float = 0.02) -> Samples:
    """dB of full scale per frame of 10 ms."""
    size, hop = int(seconds * RATE), RATE // 100
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    return 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)


def pitches(samples: Samples, low: float = 60, high: float = 420) -> Samples:
    """F0 in Hz of the clearly voiced frames of 50 ms, by normalised autocorrelation."""
    size, hop = RATE // 20, RATE // 50
    shortest, longest = int(RATE / high), int(RATE / low)
    loud = 10 * np.log10(np.mean(np.square(samples))) - 8
    found = []
    for start in range(0, len(samples) - size - longest, hop):
        whole = samples[start : start + size + longest]
        frame = whole[:size]
        if 10 * np.log10(np.mean(np.square(frame)) + 1e-12) < loud:
            continue
        lagged = np.lib.stride_tricks.sliding_window_view(whole, size)[: longest + 1]
        energy = np.sum(np.square(lagged), axis=1)
        likeness = lagged @ frame / np.sqrt(energy * energy[0] + 1e-20)
        best = float(likeness[shortest:].max())
        if best < 0.8:
            continue
        lag = shortest + next(  # the first peak that is nearly the best: no octave too low
            k
            for k in range(1, longest - shortest)
            if likeness[shortest + k] >= 0.97 * best
            and likeness[shortest + k] >= likeness[shortest + k + 1]
        )
        before, here, after = likeness[lag - 1 : lag + 2] if lag < longest else [0, 1, 0]
        found.append(RATE / (lag + 0.5 * (before - after) / (before - 2 * here + after)))
    return np.array(found)


class TestVoice:
    @pytest.mark.parametrize("semitones", [-6, 0, 7])
    @pytest.mark.parametrize("person", [PERSON, Speaker("y", 205.0, 1.12, 2.0)])
    def test_pitch_is_the_speakers_times_the_manners(
        self, semitones: float, person: Speaker
    ) -> None:
        found = pitches(spoken(person=person, pitch=semitones))
        assert len(found) > 30
        assert np.median(found) == pytest.approx(person.pitch * 2 ** (semitones / 12), rel=0.01)

    def test_a_glide_rises_as_steeply_as_it_is_told(self) -> None:
        found = pitches(spoken(slope=3.0))
        steps = 12 * np.log2(found / PERSON.pitch)
        assert steps[-5:].mean() - steps[:5].mean() == pytest.approx(3.0 * 2.6, abs=2)

    def test_melody_spreads_the_pitch(self) -> None:
        spreads = [np.std(np.log2(pitches(spoken(melody=m)))) for m in (0.0, 1.5, 5.0)]
        assert spreads[0] < 0.01
        assert spreads[0] < spreads[1] < spreads[2]

    def test_gain_is_exact(self) -> None:
        quiet, plain = spoken(gain=-12), spoken()
        assert np.allclose(quiet * 10 ** (12 / 20), plain)

    def test_swell_spreads_loudness(self) -> None:
        def spread(samples: Samples) -> float:
            found = loudness(samples, 0.1)
            return float(np.std(found[found > found.max() - 25]))

        assert spread(spoken(swell=8.0)) > spread(spoken(swell=0.0)) + 1

    @pytest.mark.parametrize("pauses", [(), (0.3,), (0.5, 0.25), (0.2, 0.2, 0.2, 0.2)])
    def test_pauses_are_silent_and_as_long_as_told(self, pauses: tuple[float, ...]) -> None:
        quiet = loudness(spoken(pauses=pauses)) < -60
        edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet, [0]])))
        runs = (edges[1::2] - edges[::2]) / 100
        inner = [r for r, first in zip(runs, edges[::2], strict=True) if 5 < first < 280]
        found = sorted(length for length in inner if length > 0.12)
        assert found == pytest.approx(sorted(pauses), abs=0.06)

    @pytest.mark.parametrize("rate", [2.7, 4.0, 5.8])
    def test_as_many_syllables_as_told(self, rate: float) -> None:
        found = loudness(spoken(rate=rate, swell=1), 0.03)
        smooth = np.convolve(found, np.ones(5) / 5, "same")
        peaks, turn, rising = 0, -90.0, True
        for value in smooth:  # a nucleus: up by 3 dB from the last dip, then down by 3 dB
            if rising:
                turn = max(turn, value)
                if value < turn - 3:
                    peaks, turn, rising = peaks + 1, value, False
            else:
                turn = min(turn, value)
                if value > turn + 3:
                    turn, rising = value, True
        assert peaks == pytest.approx(rate * 3, rel=0.2)

    def test_tilt_takes_from_the_top(self) -> None:
        def top(samples: Samples) -> float:
            """dB by which the vowels are louder above 2 kHz than below 1 kHz."""
            frames = np.lib.stride_tricks.sliding_window_view(samples, 512)[::160]
            loud = frames[np.mean(np.square(frames), axis=1) > np.mean(np.square(samples))]
            power = np.abs(np.fft.rfft(loud * np.hanning(512))).sum(axis=0) ** 2
            hertz = np.fft.rfftfreq(512, 1 / RATE)
            return float(10 * np.log10(power[hertz > 2000].sum() / power[hertz < 1000].sum()))

        tops = [top(spoken(tilt=tilt)) for tilt in (-3, 6, 15)]
        assert tops[0] > tops[1] + 4 > tops[2] + 8

    def test_breath_and_jitter_blur_the_periods(self) -> None:
        def likeness(samples: Samples) -> float:
            """Of one period to the next, at the known pitch."""
            lag = round(RATE / PERSON.pitch)
            return float(np.corrcoef(samples[:-lag], samples[lag:])[0, 1])

        clear = likeness(spoken())
        assert clear > 0.9
        assert likeness(spoken(breath=6)) < clear - 0.05
        assert likeness(spoken(jitter=0.06)) < clear - 0.05

    def test_a_shorter_throat_has_higher_formants(self) -> None:
        def centroid(samples: Samples) -> float:
            power = np.abs(np.fft.rfft(samples)) ** 2
            hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
            return float((power * hertz).sum() / power.sum())

        assert centroid(spoken(tract=1.15)) > 1.05 * centroid(spoken(tract=0.95))

    def test_samples_stay_within_full_scale(self) -> None:
        assert 0.9 < np.abs(spoken(gain=40)).max() < 1


@cache
def some(split: str, n: int) -> tuple[Clip, ...]:
    return tuple(clips(split, n))


class TestClips:
    def test_sizes_and_a_prefix_is_a_prefix(self) -> None:
        every = {split: clips(split) for split in SPLITS}
        assert {split: len(found) for split, found in every.items()} == SIZES
        assert clips("dev", 7) == every["dev"][:7]
        ids = [clip.id for found in every.values() for clip in found]
        assert len(set(ids)) == len(ids)

    def test_nobody_speaks_in_two_splits_and_everybody_in_one(self) -> None:
        people = [{clip.speaker.id for clip in clips(split)} for split in SPLITS]
        assert [len(found) for found in people] == [len(SPEAKERS[split]) for split in SPLITS]
        assert len(set.union(*people)) == sum(map(len, people))
        voices = [(one.pitch, one.tract) for group in SPEAKERS.values() for one in group]
        assert len(set(voices)) == len(voices)

    def test_items_are_none_of_tinyovs(self) -> None:
        for split in SPLITS:
            texts = {(e.description, e.transcript) for e in generate(split)}
            mine = {(c.example.description, c.example.transcript) for c in clips(split)}
            assert len(texts & mine) == 0

    def test_levels_are_what_the_description_says(self) -> None:
        for clip in some("dev", 40):
            said = clip.example.description.lower()
            for feature, level in zip(FEATURES, clip.levels, strict=True):
                assert any(word in said for word in LEVELS[feature][level]), (said, level)
        assert heard("dev", 3, KNOBS) == some("dev", 4)[3].levels

    def test_a_clip_depends_on_nothing_but_itself(self) -> None:
        alone = render(clips("test", 9)[8])
        for clip in clips("test", 8):
            render(clip)
        assert np.array_equal(render(clips("test")[8]), alone)
        assert not np.array_equal(render(clips("test", 8)[7])[:20_000], alone[:20_000])

    @pytest.mark.parametrize("hash_seed", ["0", "77"])
    def test_the_same_in_another_process(self, hash_seed: str) -> None:
        code = (
            "from hashlib import sha256\n"
            "from ovbench.testbed.speech import clips, render, wav, fingerprint\n"
            "print(sha256(b''.join(wav(render(c)) for c in clips('train', 3))).hexdigest())\n"
            "print(fingerprint())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=True,
        )
        mine = sha256(b"".join(wav(render(clip)) for clip in some("train", 3))).hexdigest()
        assert done.stdout.split() == [mine, speech.fingerprint()]

    def test_the_sound_has_not_changed_under_the_same_version(self) -> None:
        """Samples of three clips, and their loudness now and then: change it, raise the version."""
        told = []
        for clip in some("test", 3):
            found = render(clip)
            told += [len(found), *np.round(loudness(found, 0.25)[::60], 1).tolist()]
        assert speech.SOUND_VERSION == 1
        assert told == pytest.approx(VERSION_1, abs=0.11)

    def test_files_are_plain_wav(self) -> None:
        samples = render(some("dev", 1)[0])
        with wave.open(io.BytesIO(wav(samples))) as file:
            assert file.getparams()[:4] == (1, 2, 16_000, len(samples))
            read = np.frombuffer(file.readframes(len(samples)), "<i2") / 32767
        assert np.abs(read - samples).max() <= 0.5 / 32767 + 1e-9

    def test_lengths_and_levels_of_recordings(self) -> None:
        for clip in some("test", 40):
            samples = render(clip)
            assert 2 <= len(samples) / RATE <= 4
            assert np.abs(samples).max() < 1
            assert -48 < 10 * np.log10(np.mean(np.square(samples))) < -10

    def test_another_setting_is_another_fingerprint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        prints = {speech.fingerprint()}
        for changed in (partial(Sound, blur=0.5), partial(Sound, hum=-60)):
            monkeypatch.setattr(speech, "Sound", changed)
            prints.add(speech.fingerprint())
        monkeypatch.setattr(speech, "KNOBS", replace(KNOBS, ambiguity=0.5))
        prints.add(speech.fingerprint())
        monkeypatch.setitem(speech._RATE, "fast", {"rate": 6.0, "uneven": 0.1})
        prints.add(speech.fingerprint())
        monkeypatch.setattr(speech, "SOUND_VERSION", 2)
        prints.add(speech.fingerprint())
        assert len(prints) == 6
        assert clips("dev", 1)[0].id != some("dev", 1)[0].id

    def test_bad_settings(self) -> None:
        with pytest.raises(InputError, match="blur is -1"):
            Sound(blur=-1)
        with pytest.raises(InputError, match="expected train, dev or test"):
            clips("tets", 3)
        with pytest.raises(InputError, match="expected train, dev or test"):
            clips("tets")


class TestHeadroom:
    """Neither impossible nor trivial: levels can be told apart by ear, but not always."""

    @pytest.mark.parametrize("level", sorted(LEVELS["pitch"]))
    def test_pitch_follows_the_level_for_one_speaker(self, level: str) -> None:
        middle = _asked("middle", 0)
        found = _asked(level, 0)
        wanted = {"high": 1, "low": -1, "middle": 0, "jumping": 1}[level]
        assert np.sign(round((found - middle) / 3)) == wanted

    def test_levels_blur_into_each_other(self) -> None:
        drawn = [
            manner(clip, Sound(), Random(clip.id)).gain
            for clip in clips("train")
            if clip.levels[1] == "medium"
        ]
        assert 1 < np.std(drawn) < 2
        clear = [
            manner(clip, Sound(blur=0), Random(clip.id)).gain
            for clip in clips("train", 60)
            if clip.levels[1] == "medium"
        ]
        assert np.std(clear) == 0

    def test_some_levels_are_of_another_voice(self) -> None:
        found = clips("train")
        whole = sum(clip.levels in set(VOICES.values()) for clip in found) / len(found)
        assert 0.1 < whole < 0.7


def _asked(level: str, number: int) -> float:
    """Median pitch, in semitones above the speaker's own, of a clip with that level of pitch."""
    clip = some("test", number + 1)[number]
    levels = (level, *clip.levels[1:3], "warm", "few")
    found = pitches(render(replace(clip, levels=levels), Sound(blur=0)))
    return float(12 * np.log2(np.median(found) / clip.speaker.pitch))
