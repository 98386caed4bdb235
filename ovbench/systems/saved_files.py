"""The files that a trained model is saved as; nothing of PyTorch is imported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ovbench.io.files import refuse_leading_out, refuse_special

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
"""An adapter's configuration and weights, as PEFT reads them."""
SPEECH_MODEL = ("model.json", "model.safetensors")
"""Record and weights of a system that hears."""


def check_files(folder: Path, names: Iterable[str]) -> None:
    """Raise InputError if one of a model's files is a pipe or device, or a link to elsewhere."""
    for name in names:
        refuse_leading_out(refuse_special(folder / name))
