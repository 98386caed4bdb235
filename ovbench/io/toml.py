"""TOML from anybody: parsed within bounds, and refused in a sentence."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from ovbench.errors import InputError
from ovbench.io.files import refuse_special

MAX_BYTES = 1024**2
"""Largest file that is read (1 MiB)."""
_KEY_PART = r"(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
_LONG_KEY = re.compile(rf"(?:\.[ \t]*+{_KEY_PART}[ \t]*+){{100}}")
"""A key of a hundred parts; the standard library's parser takes minutes for ten thousand."""


def toml_text(path: Path) -> str:
    """The text of a file.

    Raises
    ------
    InputError
        If it cannot be read, is no regular file, is larger than ``MAX_BYTES``, or is not UTF-8.
    """
    try:
        with refuse_special(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise InputError(reason, where=str(path)) from None
    if len(data) > MAX_BYTES:
        raise InputError(
            f"larger than {MAX_BYTES // 1024**2} MiB", where=str(path), expected="a TOML file"
        )
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InputError("not a text file", where=str(path), expected="TOML in UTF-8") from None


def toml_fields(text: str, where: str) -> dict[str, Any]:
    """What a TOML text says.

    Raises
    ------
    InputError
        If it is no TOML, is nested too deep, or holds a key of a hundred parts or a number of more
        than 64 bits.
    """
    try:
        if _LONG_KEY.search(text):
            raise ValueError("a key of more than a hundred parts")
        fields = tomllib.loads(text)
        _refuse_long_numbers(fields)
        return fields
    except RecursionError:
        reason = "nested too deep"
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of 5,000 digits
        reason = str(error).partition(";")[0]
    raise InputError(f"not a TOML file: {reason}", where=where)


def _refuse_long_numbers(fields: dict[str, Any]) -> None:
    """TOML has no others; the standard library reads them, and cannot write them in a message."""
    held: list[Any] = [fields]
    while held:
        value = held.pop()
        if isinstance(value, dict):
            held += value.values()
        elif isinstance(value, list):
            held += value
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("a number of more than 64 bits")
