"""Audio files: read a block at a time, one channel, any rate; what cannot be read is said.

Files are decoded by libsndfile (through ``soundfile``) and brought to another rate by ``soxr``, the
resampler that librosa uses too, block by block: the memory that reading takes depends on what is
kept, not on the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.riff import cut_short

if TYPE_CHECKING:
    from soundfile import SoundFile

Samples = NDArray[np.float32]

RATES = (1_000, 768_000)
"""Sample rates (Hz) that are believed: others are damaged headers."""
LARGEST = 2.0**31
"""Greatest magnitude of a sample: float files may be scaled as integers are, but not beyond."""
MAX_SAMPLES = 2**28
"""What :func:`read_audio` returns at most: 1 GiB, 4.6 hours at 16 kHz."""
_BLOCK = 2**19
"""Values (frames × channels) that are decoded at a time: 2 MiB."""
_FLAT, _TOP = 3, 0.98
"""A flat top: at least so many equal samples in a row, at this share of full scale or above."""
_UNKNOWN = 2**62
"""Frames that libsndfile tells of where a header does not say how many."""
_EDGE = 0.1
"""Seconds by which lossy formats may end before their header says."""


class AudioError(InputError):
    """A file that cannot be read as sound; the message names it and what is wrong."""


class AudioInfo(NamedTuple):
    """What a header says: length in seconds, sample rate in Hz, number of channels."""

    seconds: float
    rate: int
    channels: int


@dataclass(frozen=True, eq=False)
class Audio:
    """A clip in memory.

    Attributes
    ----------
    samples:
        Shape (n,), float32; full scale is 1. The mean over the file's channels.
    rate:
        Samples per second.
    channels:
        Of the file.
    seconds:
        Length of ``samples``.
    """

    samples: Samples
    rate: int
    channels: int
    seconds: float


class Block(NamedTuple):
    """A piece of a stream: samples of one channel at the rate asked for, and counts of the file's.

    ``frames``: samples per channel that were decoded for it; ``flat``: how many of them lie in a
    flat top of any channel, as clipping leaves them.
    """

    samples: Samples
    frames: int
    flat: int


def audio_info(path: str | Path) -> AudioInfo:
    """Length, rate and channels from the header; nothing is decoded.

    Raises
    ------
    AudioError
        If the file cannot be opened or is no sound.
    MissingExtraError
        If soundfile is not installed.
    """
    with _opened(path) as file:
        return AudioInfo(file.frames / file.samplerate, file.samplerate, file.channels)


def read_audio(
    path: str | Path,
    *,
    rate: int | None = None,
    start: float = 0.0,
    max_seconds: float | None = None,
) -> Audio:
    """A clip, or a part of one, as one channel.

    Parameters
    ----------
    rate:
        Samples per second of the result; None: the file's own.
    start, max_seconds:
        Seconds into the file, and how much from there; None: to its end.

    Raises
    ------
    AudioError
        If the file cannot be opened, is no sound, is cut short, holds samples that are no numbers
        or lie far beyond full scale, begins after ``start`` is over, or has more than
        ``MAX_SAMPLES`` samples in the part asked for.
    MissingExtraError
        If soundfile or soxr is not installed.
    """
    info = audio_info(path)
    wanted = rate or info.rate
    part = info.seconds - start if max_seconds is None else min(max_seconds, info.seconds - start)
    if part * wanted > MAX_SAMPLES:
        raise AudioError(
            f"lasts {part:,.0f} s",
            where=str(path),
            expected=f"at most {MAX_SAMPLES / wanted:,.0f} s at {wanted} Hz",
            mend="cut it into clips",
        )
    pieces = [
        block.samples for block in stream(path, rate=rate, start=start, max_seconds=max_seconds)
    ]
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return Audio(samples, wanted, info.channels, len(samples) / wanted)


def stream(
    path: str | Path,
    *,
    rate: int | None = None,
    start: float = 0.0,
    max_seconds: float | None = None,
    channel: int | None = None,
) -> Iterator[Block]:
    """The same in blocks of a few seconds, for clips of any length. Raises as it is consumed.

    ``channel``: the one that is taken, from 0; None: the mean over all.
    """
    with _opened(path) as file:
        left = file.frames if max_seconds is None else round(max_seconds * file.samplerate)
        first = round(start * file.samplerate)
        if not 0 <= first <= file.frames:
            raise AudioError(
                f"lasts {file.frames / file.samplerate:.2f} s",
                where=str(path),
                expected=f"something to hear at {start:g} s",
            )
        left = min(left, file.frames - first)
        resample = _resampler(file.samplerate, rate)
        for raw in _decoded(file, path, first, left):
            if channel is not None or raw.shape[1] == 1:
                mono = raw[:, channel or 0]
            else:
                mono = raw.mean(axis=1, dtype=np.float32)
            yield Block(resample(mono, last=False), len(raw), _flat_tops(raw))
        yield Block(resample(np.zeros(0, np.float32), last=True), 0, 0)


def _decoded(file: SoundFile, path: str | Path, first: int, left: int) -> Iterator[Samples]:
    """Frames as they are in the file, shape (frames, channels), each checked to be numbers."""
    size = max(1, _BLOCK // file.channels)
    quiet = _quiet if file.subtype.startswith("MPEG") else nullcontext
    try:
        if first:
            with quiet():
                file.seek(first)
        while left > 0:
            with quiet():
                raw: Samples = file.read(min(size, left), dtype="float32", always_2d=True)
            if not len(raw):
                break
            left -= len(raw)
            peak = np.maximum(raw.max(), -raw.min())  # not a number where any sample is none
            if not np.isfinite(peak):
                raise AudioError("holds samples that are not numbers", where=str(path))
            if peak > LARGEST:
                raise AudioError(
                    f"holds samples of {peak:.3g}",
                    where=str(path),
                    expected="numbers about full scale, which is 1",
                )
            yield raw
    except (RuntimeError, OSError, ValueError) as error:  # soundfile's own are RuntimeErrors
        raise AudioError(f"cannot be decoded ({_reason(error)})", where=str(path)) from None
    if left > (_EDGE * file.samplerate if file.format in ("MP3", "OGG") else 0):
        raise AudioError(
            f"ends {left / file.samplerate:.2f} s before its header says", where=str(path)
        )


def _flat_tops(raw: Samples) -> int:
    """How many frames lie in runs of ``_FLAT`` or more equal samples near full scale."""
    peak = max(raw.max(), -raw.min())
    if len(raw) < _FLAT or peak < _TOP:
        return 0
    held = (raw[1:] == raw[:-1]) & (np.abs(raw[1:]) >= _TOP * max(1.0, peak))
    run = held[1:] & held[:-1]
    inside = np.zeros(raw.shape, bool)
    for shift in range(_FLAT):
        inside[shift : shift + len(run)] |= run
    return int(np.count_nonzero(inside.any(axis=1)))


class _Same:
    """The resampler between equal rates."""

    def __call__(self, samples: Samples, *, last: bool) -> Samples:
        return samples


class _Soxr:
    """A resampler that goes on from block to block."""

    def __init__(self, old: int, new: int) -> None:
        try:
            import soxr
        except ModuleNotFoundError:
            raise MissingExtraError("another sample rate", "speech") from None
        self._stream = soxr.ResampleStream(old, new, 1, dtype="float32", quality="HQ")

    def __call__(self, samples: Samples, *, last: bool) -> Samples:
        done: Samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return done


def _resampler(old: int, new: int | None) -> _Same | _Soxr:
    return _Same() if new is None or new == old else _Soxr(old, new)


@contextmanager
def _opened(path: str | Path) -> Iterator[SoundFile]:
    """An open file whose header makes sense."""
    where = str(path)
    soundfile = _soundfile()
    fault = _fault(Path(path))
    if fault:
        raise AudioError(fault, where=where, expected="a sound file")
    try:
        # As bytes, since a name need not be text; but Windows names are.
        with _quiet() if _may_be_mpeg(Path(path)) else nullcontext():
            file = soundfile.SoundFile(where if os.name == "nt" else os.fsencode(path))
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise AudioError(
            f"cannot be read as sound ({_reason(error)})",
            where=where,
            expected="WAV, FLAC, OGG, MP3 or another format of libsndfile",
        ) from None
    with file:
        if not RATES[0] <= file.samplerate <= RATES[1]:
            raise AudioError(f"a sample rate of {file.samplerate} Hz", where=where)
        if not file.frames:
            raise AudioError("holds no sound", where=where)
        if file.frames > _UNKNOWN:
            raise AudioError(
                "does not say how long it is, as files from a pipe do not",
                where=where,
                mend="convert it once more, from this file to another",
            )
        yield file


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on the process's standard error within the block.

    libmpg123, which decodes MP3, prints there what is wrong with a file; whoever reads the file
    says it. Threads that write there at the same moment are not heard either.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _may_be_mpeg(path: Path) -> bool:
    """Whether libmpg123 will be asked: the file begins with an ID3 tag or a frame of MPEG audio."""
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or head[:1] == b"\xff"


def _fault(path: Path) -> str | None:
    """What is wrong before any decoder looks at it."""
    try:
        if not path.is_file():
            return "is a folder or no ordinary file" if path.exists() else "is not there"
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        return f"cannot be read ({_reason(error)})"
    if not size:
        return "is empty"
    return "is shorter than its header says" if cut_short(head, size) else None


def _soundfile() -> ModuleType:
    try:
        import soundfile
    except (ModuleNotFoundError, OSError):  # OSError: installed, but libsndfile is not there
        raise MissingExtraError("reading audio", "speech") from None
    module: ModuleType = soundfile
    return module


def _reason(error: Exception) -> str:
    """The decoder's or the system's own words, without the file's name."""
    told: Any = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
    return str(told).strip().rstrip(".") or type(error).__name__
