"""Parameter counts as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ovbench.report.sections import DASH, Section, size_text

if TYPE_CHECKING:
    from ovbench.systems.parameters import Parameters


def parameters_section(counts: Sequence[Parameters]) -> Section:
    """One line per recipe; all on one base."""
    rows = tuple(
        (
            one.recipe,
            one.projection or DASH,
            f"{one.adapter:,}",
            f"{one.context:,}",
            f"{one.trainable:,}",
            f"{one.percent:.3f}",
            size_text(one.training_bytes),
            size_text(one.file_bytes),
            DASH if one.label_dim is None else str(one.label_dim),
        )
        for one in counts
    )
    columns = (
        "model",
        "projection",
        "adapter",
        "context",
        "trainable",
        "% of base",
        "Adam+grad",
        "file",
        "dim",
    )
    notes = (
        "context: projections of the label context; dim: length of that context",
        "Adam+grad: fp32 weights, gradients and both moments, 16 bytes a parameter",
    )
    return Section(
        f"{counts[0].base}: {counts[0].base_parameters:,} parameters", columns, rows, notes
    )


def parameters_json(counts: Sequence[Parameters]) -> str:
    """``{"parameters": [...]}``, with the sums."""
    rows = [
        asdict(one)
        | {"trainable": one.trainable, "percent": one.percent, "training_bytes": one.training_bytes}
        for one in counts
    ]
    return json.dumps({"parameters": rows}, indent=2, ensure_ascii=False) + "\n"
