"""Where the shipped parts of TinyOV lie: test split, backbone and one adapter per recipe."""

from __future__ import annotations

from pathlib import Path

_HOME = Path(__file__).parent


def test_file() -> Path:
    """The shipped test split, one JSON object a line with the fields of ``corpus.Example``."""
    return _HOME / "data" / "test.jsonl"


def backbone_folder() -> Path:
    """The backbone and its tokenizer, as ``from_pretrained`` reads them."""
    return _HOME / "backbone"


def adapter_folder(recipe: str) -> Path:
    """The trained adapter of a recipe; the folder is absent where none ships for that recipe."""
    return _HOME / "adapters" / recipe
