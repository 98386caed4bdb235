"""How long a RIFF file (WAV, AVI) says it is: eight bytes at its beginning."""

from __future__ import annotations

_UNKNOWN = (0, 0xFFFFFFFF)
"""In place of the size, where it was not known yet when the header was written (to a pipe)."""


def told_bytes(head: bytes) -> int | None:
    """Length of the whole file in bytes, by its first eight (or more; fewer where it is cut off).

    None where they are not those of a RIFF file, or do not say.
    """
    size = int.from_bytes(head[4:8], "little")
    return size + 8 if head[:4] == b"RIFF" and size not in _UNKNOWN else None


def cut_short(head: bytes, length: int) -> bool:
    """Whether a file of so many bytes is a RIFF file that says it is longer.

    By a single byte is no fault: some writers count the one that pads an odd chunk and leave it
    out.
    """
    told = told_bytes(head)
    return told is not None and told > length + 1
