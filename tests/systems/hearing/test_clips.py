"""Clips by policy, faults in words, and augmentation that depends on seed, epoch and item alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from clip_kit import clip
from pydantic import ValidationError

from ovbench.systems.hearing import clips as module
from ovbench.systems.hearing.clips import RATE, Clips, augment
from ovbench.systems.hearing.recipes import AudioPolicy, Augmentation
from ovbench.tasks import Item


def policy(longer: str, seconds: float = 1.0) -> AudioPolicy:
    return AudioPolicy.model_validate({"max_seconds": seconds, "longer": longer})


def test_long_clips_are_cropped_windowed_or_rejected(tmp_path: Path) -> None:
    item = clip(tmp_path, "a", 2.5)
    whole = soundfile.read(item.audio, dtype="float32")[0]
    (cropped,) = Clips(policy("crop")).windows(item)
    assert cropped.tolist() == whole[:RATE].tolist()
    windows = Clips(policy("window")).windows(item)
    assert [len(one) for one in windows] == [RATE, RATE, RATE // 2]
    assert np.concatenate(windows).tolist() == whole.tolist()
    rejecting = Clips(policy("reject"))
    assert rejecting.fault(item) == "lasts 2.5 s, more than 1"
    with pytest.raises(ValueError, match="more than 1"):
        rejecting.windows(item)
    assert rejecting.fault(clip(tmp_path, "b", 1.0)) is None


def test_a_last_window_without_a_frame_is_left_out(tmp_path: Path) -> None:
    windows = Clips(policy("window")).windows(clip(tmp_path, "a", 1.02))
    assert [len(one) for one in windows] == [RATE]


def test_other_rates_and_channels_become_16_khz_mono(tmp_path: Path) -> None:
    time = np.arange(8_000) / 8_000
    left = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.flac", np.stack([left, 0 * left], 1), 8_000)
    (found,) = Clips(policy("crop")).windows(Item("a", "", "", str(tmp_path / "a.flac")))
    assert found.dtype == np.float32
    assert abs(len(found) - RATE) <= 1
    spectrum = np.abs(np.fft.rfft(found))
    assert abs(spectrum.argmax() * RATE / len(found) - 440) < 2
    assert np.sqrt(np.mean(found**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.02)


def test_what_cannot_be_heard_is_told_as_a_clause(tmp_path: Path) -> None:
    heard = Clips(policy("crop"))
    (tmp_path / "text.wav").write_text("not a wave")
    faults = {
        "has no audio file": Item("a", "", ""),
        "unreadable audio file (is not there)": Item("b", "", "", str(tmp_path / "none.wav")),
        "unreadable audio file (cannot be read": Item("c", "", "", str(tmp_path / "text.wav")),
        "lasts 0.010 s, less than the 0.025": clip(tmp_path, "d", 0.01),
    }
    for told, item in faults.items():
        assert told in (heard.fault(item) or "")


def test_noise_has_the_ratio_that_was_asked_for() -> None:
    draw = np.random.default_rng(0)
    clean = (0.3 * np.sin(np.arange(160_000) / 10)).astype(np.float32)
    noisy = augment(clean, Augmentation(noise_snr=(20.0, 20.0)), draw)
    ratio = np.mean(clean**2) / np.mean((noisy - clean) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(20, abs=0.1)
    ratios = []
    for _ in range(200):
        noisy = augment(clean[:4000], Augmentation(noise_snr=(10.0, 30.0)), draw)
        change = np.mean((noisy - clean[:4000]) ** 2)
        ratios.append(10 * np.log10(np.mean(clean[:4000] ** 2) / change))
    assert 9.5 < min(ratios) < 12
    assert 28 < max(ratios) < 30.5


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.2), (0.1, 0.15), (0.3, 0.3)])
def test_one_stretch_of_a_share_between_two_is_silenced(low: float, high: float) -> None:
    draw = np.random.default_rng(0)
    lengths = []
    for _ in range(200):
        masked = augment(np.ones(1000, np.float32), Augmentation(time_mask=(low, high)), draw)
        changed = np.flatnonzero(masked < 1)
        lengths.append(len(changed))
        assert len(changed) == 0 or changed[-1] - changed[0] + 1 == len(changed)
    # The first and the last sample of a fade are as they were.
    assert 1000 * low - 2 <= min(lengths) <= 1000 * low + 10
    assert 1000 * high - 12 <= max(lengths) <= 1000 * high


@pytest.mark.parametrize(("share", "edge"), [(0.5, 160), (0.02, 32), (0.0005, 0)])
def test_silence_fades_in_and_out(share: float, edge: int) -> None:
    """Ten milliseconds, or a tenth of the silence, on each side; the clip has one second."""
    how = Augmentation(time_mask=(share, share))
    found = augment(np.ones(RATE, np.float32), how, np.random.default_rng(3))
    length = round(share * RATE)
    start = int(np.flatnonzero(found < 1)[0]) - (edge > 0)
    silence = found[start : start + length]
    assert np.count_nonzero(silence == 0) == length - 2 * edge + 2 * (edge > 0)
    assert silence[:edge].tolist() == pytest.approx(np.linspace(1, 0, edge), abs=1e-6)
    assert silence[length - edge :].tolist() == pytest.approx(np.linspace(0, 1, edge), abs=1e-6)
    assert (np.delete(found, slice(start, start + length)) == 1).all()


def test_how_many_clips_are_longer_is_told(tmp_path: Path) -> None:
    items = [clip(tmp_path, name, seconds) for name, seconds in (("a", 2.5), ("b", 1.0))]
    items += [Item("c", "", ""), Item("d", "", "", str(tmp_path / "none.wav"))]
    told = {
        "crop": "cropped to their beginning",
        "window": "heard in windows",
        "reject": "rejected, which counts as an error",
    }
    for longer, what in told.items():
        found = Clips(policy(longer)).lengths(items)
        assert found == f"1 of 4 clips are longer than 1 s: {what}"
        assert Clips(policy(longer, 3.0)).lengths(items) is None


@pytest.mark.parametrize("shares", [(0.2, 0.1), (-0.1, 0.1), (0.0, 1.0), (0.1,), 0.1])
def test_shares_that_are_none_are_refused(shares: object) -> None:
    with pytest.raises(ValidationError, match="time_mask"):
        Augmentation.model_validate({"time_mask": shares})


def test_changes_depend_on_seed_epoch_and_item_alone(tmp_path: Path) -> None:
    how = Augmentation(noise_snr=(10.0, 30.0), time_mask=(0.0, 0.2))
    items = [clip(tmp_path, name, 0.2) for name in "ab"]

    def changed(seed: int, epoch: int, order: list[Item]) -> dict[str, bytes]:
        found = Clips(policy("crop"), how, seed)
        found.epoch = epoch
        return {one.id: found.windows(one, augmented=True)[0].tobytes() for one in order}

    first = changed(3, 1, items)
    assert changed(3, 1, items[::-1]) == first
    assert changed(3, 2, items)["a"] != first["a"]
    assert changed(4, 1, items)["a"] != first["a"]
    plain = Clips(policy("crop"), how, 3)
    before = plain.windows(items[0])[0].tobytes()
    plain.windows(items[0], augmented=True)
    assert plain.windows(items[0])[0].tobytes() == before


def test_only_so_many_bytes_of_clips_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 2 * 4 * 3200)
    reads: list[str] = []
    read = module.read_audio
    monkeypatch.setattr(module, "read_audio", lambda p, **k: reads.append(p) or read(p, **k))
    heard = Clips(policy("crop"))
    a, b, c = (clip(tmp_path, name, 0.2) for name in "abc")
    for item in (a, b, a, c, a, b):
        assert heard.fault(item) is None
    assert [Path(path).stem for path in reads] == ["a", "b", "c", "b"]
