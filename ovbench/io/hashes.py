"""SHA-256 of files: by what they hold, whatever they are called and wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal; the file is never in memory as a whole.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_sha256(paths: Iterable[str | Path]) -> str:
    """SHA-256 over the SHA-256 (32 bytes each) of files, in the order given; hexadecimal.

    Raises
    ------
    OSError
        If one of them cannot be read.
    """
    digests = (bytes.fromhex(file_sha256(path)) for path in paths)
    return hashlib.sha256(b"".join(digests)).hexdigest()
