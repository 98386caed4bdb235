"""Label contexts: vectors made of what a system may see of an item, never of its labels.

Names are imported when they are first used, so that recipes can be read without NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovbench.context.builder import ContextBuilder, Provenance, context_of, open_context
    from ovbench.context.encoder import Encoder, open_encoder
    from ovbench.context.settings import ContextSettings

_HOMES = {
    "ContextBuilder": "builder",
    "ContextSettings": "settings",
    "Encoder": "encoder",
    "Provenance": "builder",
    "context_of": "builder",
    "open_context": "builder",
    "open_encoder": "encoder",
}

__all__ = [
    "ContextBuilder",
    "ContextSettings",
    "Encoder",
    "Provenance",
    "context_of",
    "open_context",
    "open_encoder",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ovbench.context' has no attribute {name!r}")
    return getattr(import_module(f"ovbench.context.{_HOMES[name]}"), name)
