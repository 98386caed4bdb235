"""What several tests of systems need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovbench.systems.loading import Base


def load(folder: Path) -> Base:
    """The base in a folder, in fp32 on the CPU."""
    from ovbench.systems.loading import load_base

    return load_base(folder, device="cpu")


def edit_json(path: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
