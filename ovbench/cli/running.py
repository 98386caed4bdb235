"""Options of running models, from text to what the rooms below take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.errors import InputError

if TYPE_CHECKING:
    from ovbench.runs.generation_cache import AnswerCache
    from ovbench.runs.place import Place


def place(
    scale: str, adapter: str | None, base: str | None, device: str, dtype: str | None
) -> Place:
    """Where and how a model runs."""
    from ovbench.runs.place import Place

    return Place(
        scale=scale,
        adapter=None if adapter is None else Path(adapter),
        base=base,
        device=device,
        dtype=dtype or "auto",
    )


def limit(value: float | None) -> int | float | None:
    """``--limit``: a whole number of items from 1, or a share below 1.

    Raises
    ------
    InputError
        For anything else.
    """
    if value is None:
        return None
    if 0 < value < 1:
        return value
    if not math.isfinite(value) or value < 1 or value != int(value):
        raise InputError(
            f"--limit {value:g}", expected="a number of items (20) or a share below 1 (0.1)"
        )
    return int(value)


def batch_size(text: str) -> int | Literal["auto"]:
    """``--batch-size``: a whole number, or ``auto``.

    Raises
    ------
    InputError
        For anything else.
    """
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--batch-size {text}", expected="a whole number from 1, or auto")
    return int(text)


def say_cache_fault(cache: AnswerCache | None) -> None:
    """Say why answers could not be kept, where that has happened."""
    from ovbench.cli.console import note

    if cache is not None and cache.fault:
        note(f"some answers could not be kept in the cache: {cache.fault}")


def say_scale(scale: str, tasks: Sequence[str]) -> None:
    """Say once what the scale means, and the way to the other."""
    from ovbench.cli.console import note

    if scale == "paper" and any(task.startswith("tiny") for task in tasks):
        note(
            "scale paper: the published backbone and hyper-parameters, but on generated data; "
            "scores are not those of the published tables"
        )
    if scale == "tiny":
        note(
            "scale tiny: small models and generated data, which ship with ovbench; scores do not "
            "compare with published ones (--scale paper runs the published backbone on the "
            "published data)"
        )
