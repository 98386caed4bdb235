"""What several tests of systems need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftModel

    from ovbench.systems.loading import Base
    from ovbench.systems.origin import Origin


def load(folder: Path) -> Base:
    """The base in a folder, in fp32 on the CPU."""
    from ovbench.systems.loading import load_base

    return load_base(folder, device="cpu")


def save_adapter(model: PeftModel, folder: Path, base: Base, origin: Origin | None = None) -> None:
    """Write an adapter as training does: whole, or what was there before is kept."""
    from safetensors import SafetensorError

    from ovbench.io.folders import whole_folder
    from ovbench.systems.saved import write_adapter

    with whole_folder(folder, (SafetensorError,)) as fresh:
        write_adapter(model, fresh, base, origin)


def edit_json(path: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
