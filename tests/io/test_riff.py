"""What the first bytes of a WAV file say of its length."""

from __future__ import annotations

import io
import wave

import pytest

from ovbench.io.riff import cut_short, told_bytes


def sound(samples: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(bytes(2 * samples))
    return file.getvalue()


@pytest.mark.parametrize("samples", [0, 1, 300])
def test_a_whole_file_is_as_long_as_it_says(samples: int) -> None:
    data = sound(samples)
    assert told_bytes(data[:12]) == told_bytes(data[:8]) == len(data)
    assert not cut_short(data[:12], len(data))
    assert not cut_short(data[:12], len(data) + 100)  # chunks behind the sound
    assert not cut_short(data[:12], len(data) - 1)  # the byte that pads an odd chunk
    assert cut_short(data[:12], len(data) - 2)


@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_a_file_from_a_pipe_does_not_say(size: bytes) -> None:
    assert told_bytes(b"RIFF" + size + b"WAVE") is None
    assert not cut_short(b"RIFF" + size + b"WAVE", 44)


@pytest.mark.parametrize(
    "head", [b"", b"RI", b"fLaC\xff\0\0\0", b"RF64\xff\0\0\0", b"riff\xff\0\0\0"]
)
def test_other_files_say_nothing(head: bytes) -> None:
    assert told_bytes(head) is None
    assert not cut_short(head, len(head))


def test_a_header_that_is_cut_off() -> None:
    assert cut_short(b"RIFF\x24", 5)
