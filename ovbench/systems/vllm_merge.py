"""A base with an adapter merged into its weights, for a program that does not know the method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ovbench.systems.devices import DTYPES
from ovbench.systems.loading import load_base
from ovbench.systems.saved import open_adapter

if TYPE_CHECKING:
    from ovbench.systems.recipe import CausalLmRecipe


def write_merged(
    recipe: CausalLmRecipe, scale: str, backbone: str, adapter: Path, folder: Path, dtype: str
) -> None:
    """Write the base with the adapter in its weights, as ``from_pretrained`` reads it.

    It is merged on the CPU in float32 and rounded once, to ``dtype``.

    Raises
    ------
    InputError
        As :func:`ovbench.systems.saved.open_adapter`; also where float32 weights do not fit into
        memory.
    """
    base = load_base(backbone, dtype="float32", device="cpu")
    opened: Any = open_adapter(recipe, adapter, base, scale).model
    merged = opened.merge_and_unload(safe_merge=True)
    torch.nn.Module.to(merged, DTYPES[dtype])
    merged.save_pretrained(folder)
