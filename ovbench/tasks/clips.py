"""Whether a clip can be what its name says, from its first bytes; nothing is decoded."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ovbench.io.riff import cut_short

HAS_SOUNDFILE = find_spec("soundfile") is not None
_HEAD = 12
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
"""Boxes that an MPEG-4 or QuickTime file may begin with (ISO/IEC 14496-12; at byte 4)."""
_DECODED = (".wav", ".flac", ".ogg")
"""Formats whose headers soundfile reads in every build."""


def fault(path: str | Path) -> str | None:
    """What is wrong with a clip, as a clause; None where nothing was found.

    A clip has bytes, begins as files of its suffix do, and (WAV) is as long as its header says.
    Where soundfile is installed it must also make sense of the header and find at least one frame.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if not size:
        return "is empty"
    suffix = file.suffix.lower()
    if not _begins_as(suffix, head):
        return f"does not begin as {suffix} files do"
    if suffix == ".wav" and cut_short(head, size):
        return "is shorter than its header says"
    return _undecodable(file) if suffix in _DECODED and HAS_SOUNDFILE else None


def _begins_as(suffix: str, head: bytes) -> bool:
    """Whether the bytes are those that files of this suffix begin with; unknown suffixes pass."""
    match suffix:
        case ".wav":
            return head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE"
        case ".avi":
            return head[:4] == b"RIFF" and head[8:12] == b"AVI "
        case ".flac":
            return head.startswith((b"fLaC", b"ID3"))
        case ".ogg" | ".opus":
            return head.startswith(b"OggS")
        case ".mp3":
            # A tag, or a frame's eleven set bits.
            return head.startswith(b"ID3") or (
                head[:1] == b"\xff" and len(head) > 1 and head[1] >= 0xE0
            )
        case ".mp4" | ".m4a" | ".mov":
            return head[4:8] in _BOXES
        case ".mkv" | ".webm":
            return head.startswith(b"\x1a\x45\xdf\xa3")
        case ".flv":
            return head.startswith(b"FLV")
        case _:
            return True


def _undecodable(file: Path) -> str | None:
    soundfile = import_module("soundfile")
    try:
        frames = soundfile.info(str(file)).frames
    except (RuntimeError, OSError, ValueError) as error:  # soundfile's own error is a RuntimeError
        return f"cannot be read as sound ({error})"
    return None if frames else "holds no sound"
