"""Sentence-transformers models in a folder: whether opening one runs nothing that came with it."""

from __future__ import annotations

import json
from pathlib import Path

from ovbench.errors import InputError

MODULES = "modules.json"
_OWN = "sentence_transformers."


def check_sentence_model(folder: Path) -> None:
    """Go on if the model is made of the library's own parts, with weights as safetensors.

    Raises
    ------
    InputError
        If it names a class of its own (code that comes with it), its weights are pickled, or
        ``modules.json`` cannot be read.
    """
    path = folder / MODULES
    try:
        parts = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InputError(
            "lists no modules", where=str(path), expected="a sentence-transformers model"
        )
    for part in parts:
        kind = part.get("type")
        if not (isinstance(kind, str) and kind.startswith(_OWN)):
            raise InputError(
                f"the model needs code of its own ({str(kind)[:80]!r})",
                where=str(path),
                expected=f"parts of the library ({_OWN}…); ovbench never runs a model's code",
            )
    for weights in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(weights.parent.glob("*.safetensors")):
            raise InputError(
                "the weights are pickled (*.bin)",
                where=str(weights),
                expected="*.safetensors; ovbench loads nothing that can run code",
            )
