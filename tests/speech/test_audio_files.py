"""Sound files of all kinds, whole and damaged."""

from __future__ import annotations

import io
import os
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sounds import RATE, silence, tone, voice, write

from ovbench.errors import InputError, MissingExtraError
from ovbench.speech import audio as door
from ovbench.speech.audio import AudioError, audio_info, read_audio, stream
from ovbench.speech.describe import describe
from ovbench.speech.measures import measure
from ovbench.speech.statistics import builtin


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_any_channels(tmp_path: Path, rate: int, channels: int) -> None:
    mono = tone(440, 1.6, rate)
    weights = np.linspace(0.5, 1.5, channels)
    path = write(tmp_path / "a.wav", mono[:, None] * weights, rate)
    assert audio_info(path) == (pytest.approx(1.6), rate, channels)
    audio = read_audio(path, rate=RATE)
    assert (audio.rate, audio.channels, audio.samples.dtype) == (RATE, channels, np.float32)
    assert audio.seconds == pytest.approx(1.6)
    middle = slice(1000, -1000)
    expected = weights.mean() * tone(440, 1.6)
    assert audio.samples[middle] == pytest.approx(expected[middle], abs=2e-3)
    found = measure(path).values
    assert found["pitch"] == pytest.approx(440, rel=0.01)
    assert found["loudness"] == pytest.approx(20 * np.log10(0.3 * weights.mean()) - 3.01, abs=0.1)


FORMATS = [
    ("wav", "PCM_U8", 0.03),
    ("wav", "PCM_16", 1e-3),
    ("wav", "PCM_24", 1e-3),
    ("wav", "PCM_32", 1e-3),
    ("wav", "FLOAT", 1e-3),
    ("wav", "DOUBLE", 1e-3),
    ("wav", "ULAW", 0.05),
    ("flac", "PCM_16", 1e-3),
    ("flac", "PCM_24", 1e-3),
    ("aiff", "PCM_16", 1e-3),
    ("au", "PCM_16", 1e-3),
    ("caf", "PCM_16", 1e-3),
    ("w64", "PCM_16", 1e-3),
    ("ogg", "VORBIS", None),
    ("ogg", "OPUS", None),
    ("mp3", "MPEG_LAYER_III", None),
]


@pytest.mark.parametrize(("suffix", "subtype", "error"), FORMATS)
def test_every_format(tmp_path: Path, suffix: str, subtype: str, error: float | None) -> None:
    if subtype not in soundfile.available_subtypes(suffix.upper()):
        pytest.skip(f"libsndfile was built without {suffix}/{subtype}")
    sound = voice(150, 2.0)
    path = write(tmp_path / f"a.{suffix}", sound, RATE, subtype)
    audio = read_audio(path)
    assert audio.seconds == pytest.approx(2.0, abs=0.1)
    if error is not None:
        assert audio.samples == pytest.approx(sound, abs=error)
    found = measure(path)
    assert found.status == "ok"
    assert found.values["pitch"] == pytest.approx(150, rel=0.01)
    assert found.values["loudness"] == pytest.approx(
        measure(write(tmp_path / "b.wav", sound)).values["loudness"], abs=0.5
    )


def test_resampling_lets_nothing_fold_back(tmp_path: Path) -> None:
    audio = read_audio(write(tmp_path / "a.wav", tone(13_000, 1.0, 48_000), 48_000), rate=RATE)
    assert np.abs(audio.samples[200:-200]).max() < 1e-4


def test_a_part_of_a_file(tmp_path: Path) -> None:
    sound = np.concatenate([tone(200, 1.0), tone(400, 1.0), tone(300, 1.0)])
    path = write(tmp_path / "a.wav", sound)
    part = read_audio(path, start=1.0, max_seconds=1.0)
    assert part.samples == pytest.approx(tone(400, 1.0), abs=1e-6)
    assert read_audio(path, start=2.5).seconds == pytest.approx(0.5)
    assert read_audio(path, max_seconds=100).seconds == pytest.approx(3)
    assert read_audio(path, rate=8000, start=1.0, max_seconds=0.5).samples.shape == (4000,)
    for start in (3.1, -1.0):
        with pytest.raises(AudioError, match=r"lasts 3\.00 s"):
            read_audio(path, start=start)


def test_blocks_joined_are_the_whole(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (30 * 44_100, 2)).astype(np.float32)
    path = write(tmp_path / "a.wav", sound, 44_100)
    blocks = list(stream(path))
    assert len(blocks) > 5
    joined = np.concatenate([block.samples for block in blocks])
    assert np.array_equal(joined, sound.mean(axis=1, dtype=np.float32))
    assert sum(block.frames for block in blocks) == len(sound)
    import soxr

    at_once = soxr.resample(joined, 44_100, RATE, quality="HQ")
    resampled = read_audio(path, rate=RATE).samples
    assert len(resampled) == len(at_once)
    assert np.abs(resampled - at_once).max() < 1e-5


def status_of(path: Path) -> str:
    found = describe(path, id="x", statistics=builtin())
    if found.status == "unreadable":
        assert found.description == ""
        assert found.notes
        assert found.measures == {}
    return found.status


def as_wav(samples: np.ndarray, rate: int = RATE, **options: str) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", **options)
    return bytearray(file.getvalue())


def hostile() -> dict[str, bytes]:
    good = as_wav(voice(150, 1.0))
    cases = {
        "empty.wav": b"",
        "one.wav": b"R",
        "head.wav": bytes(good[:20]),
        "no-samples.wav": bytes(as_wav(np.zeros(0))),
        "cut.wav": bytes(good[: len(good) // 2]),
        "text.wav": b"this is no sound\n" * 100,
        "noise.wav": np.random.default_rng(0).bytes(5000),
        "noise.mp3": np.random.default_rng(1).bytes(5000),
        "noise.flac": b"fLaC" + np.random.default_rng(2).bytes(5000),
        "noise.ogg": b"OggS" + np.random.default_rng(3).bytes(5000),
        "noise.raw": np.random.default_rng(4).bytes(5000),
        "zeros.mp3": bytes(4000),
    }
    for name, at, field in [
        ("no-channels", 22, struct.pack("<H", 0)),
        ("channels", 22, struct.pack("<H", 65_535)),
        ("no-rate", 24, struct.pack("<I", 0)),
        ("rate-1", 24, struct.pack("<I", 1)),
        ("rate", 24, struct.pack("<I", 2**31 - 1)),
        ("bits", 34, struct.pack("<H", 0)),
        ("format", 20, struct.pack("<H", 0x7777)),
        ("length", 4, struct.pack("<I", 2**31)),
    ]:
        damaged = bytearray(good)
        damaged[at : at + len(field)] = field
        cases[f"{name}.wav"] = bytes(damaged)
    flac = io.BytesIO()
    soundfile.write(flac, voice(150, 2.0), RATE, format="FLAC")
    unknown = bytearray(flac.getvalue())
    unknown[21] &= 0xF0  # the length, 36 bits of the first block
    unknown[22:26] = bytes(4)
    cases["no-length.flac"] = bytes(unknown)
    mp3 = io.BytesIO()
    soundfile.write(mp3, voice(150, 2.0), RATE, format="MP3")
    cases["cut.mp3"] = mp3.getvalue()[: len(mp3.getvalue()) // 2]
    cases["cut.flac"] = flac.getvalue()[: len(flac.getvalue()) // 2]
    return cases


@pytest.mark.parametrize(("name", "data"), hostile().items(), ids=hostile())
def test_damaged_files_are_a_status(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert status_of(path) == "unreadable"
    with pytest.raises(AudioError, match=name):
        read_audio(path)


def test_a_data_chunk_that_claims_too_much_is_no_reason_to_allocate(tmp_path: Path) -> None:
    damaged = as_wav(voice(150, 1.0), subtype="PCM_16")
    at = damaged.index(b"data") + 4
    damaged[at : at + 4] = struct.pack("<I", 2**31 - 8)
    damaged[4:8] = struct.pack("<I", 0xFFFFFFFF)  # as if it had been written to a pipe
    path = tmp_path / "a.wav"
    path.write_bytes(damaged)
    assert status_of(path) == "ok"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e20, -1e38])
def test_samples_that_are_no_sound(tmp_path: Path, value: float) -> None:
    sound = voice(150, 1.0)
    sound[5000] = value
    path = write(tmp_path / "a.wav", sound)
    assert status_of(path) == "unreadable"


def test_both_infinities_do_not_cancel(tmp_path: Path) -> None:
    sound = voice(150, 1.0)
    sound[[10, 20]] = np.inf, -np.inf
    assert status_of(write(tmp_path / "a.wav", sound)) == "unreadable"


def test_samples_on_the_scale_of_integers(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "a.wav", np.round(32767 * voice(150, 1.0))))
    assert found.status == "ok"
    assert found.values["pitch"] == pytest.approx(150, rel=0.01)


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, tmp_path / "absent.wav", Path("/dev/zero"), Path("a\0b.wav")):
        assert status_of(path) == "unreadable"


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.wav"))
    path.write_bytes(as_wav(voice(150, 1.0)))
    assert status_of(path) == "ok"
    path.write_bytes(b"no sound")
    assert status_of(path) == "unreadable"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_damage_is_a_status(tmp_path: Path, data: st.DataObject) -> None:
    good = as_wav(voice(150, 0.7), subtype="PCM_16")
    at = data.draw(st.integers(0, 60))
    good[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    keep = data.draw(st.integers(0, len(good)))
    path = tmp_path / "a.wav"
    path.write_bytes(good[:keep] if data.draw(st.booleans()) else good)
    found = describe(path, id="x", statistics=builtin())
    assert found.status in {"ok", "silent", "clipped", "too_short", "unvoiced", "unreadable"}


def test_ten_minutes_take_little_memory(tmp_path: Path) -> None:
    rate = 44_100
    swell = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * np.arange(4 * rate) / rate)
    piece = (voice(150, 4.0, rate) * swell).astype(np.float32)
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", rate, 2) as file:
        for _ in range(150):
            file.write(np.stack([piece, piece], axis=1))
    measure(write(tmp_path / "short.wav", np.resize(piece, 30 * rate), rate))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = measure(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60_000  # KiB; the file's samples alone would be 200 MB
    assert found.seconds == pytest.approx(600)
    assert found.values["pitch"] == pytest.approx(150, rel=0.01)
    assert found.values["speaking_rate"] == pytest.approx(4, rel=0.01)


def test_only_hours_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovbench.speech.measures.LONGEST", 1.0)
    found = measure(write(tmp_path / "a.wav", np.concatenate([voice(150, 1.0), voice(300, 2.0)])))
    assert found.values["pitch"] == pytest.approx(150, rel=0.01)
    assert found.seconds == pytest.approx(3)
    assert "first" in found.notes[0]


def test_what_is_too_long_for_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wav", silence(2.0))
    monkeypatch.setattr(door, "MAX_SAMPLES", RATE)
    with pytest.raises(AudioError, match="at most 1 s"):
        read_audio(path)
    assert read_audio(path, max_seconds=1.0).seconds == 1
    assert read_audio(path, rate=8000).seconds == 2


def test_what_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    path = write(tmp_path / "a.wav", voice(150, 1.0, 8000), 8000)
    real = builtins.__import__
    for absent in ("soundfile", "soxr"):

        def refuse(name, *args, absent=absent, **kwargs):
            if name == absent:
                raise ModuleNotFoundError(name=absent)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(MissingExtraError, match=r"ovbench\[speech\]"):
            describe(path, id="x", statistics=builtin())
        monkeypatch.setattr(builtins, "__import__", real)


def test_the_error_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        audio_info(tmp_path / "absent.wav")
    assert caught.value.exit_code == 2
    assert "absent.wav" in str(caught.value)
