"""Signatures: one line from which a score can be repeated, in sacreBLEU's manner.

``ew-affectgpt-2025|metric:emotion-wheel|parser:affectgpt-1|…|n:332|v:0.1.0``
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ovbench import __version__
from ovbench.protocols.schema import Protocol


def signature(protocol: Protocol, choices: Mapping[str, object]) -> str:
    """The signature of a score.

    Parameters
    ----------
    protocol:
        Its scoring fields stand in the signature by name; fields at their default do too, so that
        no two protocols that score differently share one.
    choices:
        What the run adds: parser versions and table hashes under the names of the fields they
        refine (they replace the field's own text), then anything else that changed the score.
    """
    parts = {name: _text(value) for name, value in protocol.scoring_fields().items()}
    parts |= {name: _text(value) for name, value in choices.items()}
    parts["v"] = __version__
    return "|".join([protocol.id, *(f"{name}:{text}" for name, text in parts.items() if text)])


def with_field(signature: str, name: str, value: object, before: str) -> str:
    """A signature with one more field, which scoring itself cannot know, before another one."""
    head, mark, rest = signature.rpartition(f"|{before}:")
    return f"{head}|{name}:{_text(value)}{mark}{rest}"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return compress_rings(value)
    if isinstance(value, Mapping):
        return "+".join(f"{key}={_text(item)}" for key, item in value.items())
    # A separator inside a value would let two different records share a signature.
    return re.sub(r"[|\s]+", "_", str(value))


def compress_rings(rings: Iterable[str]) -> str:
    """``wheel1/level1 wheel2/level1`` → ``wheel1-2/level1``: runs of wheels on one level."""
    runs: list[tuple[int | None, int | None, str]] = []
    for ring in rings:
        match = re.fullmatch(r"wheel(\d+)/(.+)", ring)
        if not match:
            runs.append((None, None, ring))
            continue
        number, level = int(match[1]), match[2]
        if runs and runs[-1][2] == level and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number, level)
        else:
            runs.append((number, number, level))
    return ",".join(
        level if first is None else f"wheel{first}{'' if first == last else f'-{last}'}/{level}"
        for first, last, level in runs
    )
