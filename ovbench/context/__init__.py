"""Label contexts: vectors made of what a system may see of an item, never of its labels.

Names are imported when they are first used, so that recipes can be read without NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovbench.lazy import lazily

if TYPE_CHECKING:
    from ovbench.context.builder import ContextBuilder, Provenance, context_of, open_context
    from ovbench.context.encoder import Encoder
    from ovbench.context.opening import open_encoder
    from ovbench.context.settings import ContextSettings

__all__ = [
    "ContextBuilder",
    "ContextSettings",
    "Encoder",
    "Provenance",
    "context_of",
    "open_context",
    "open_encoder",
]

__getattr__ = lazily(
    __name__,
    {
        "ContextBuilder": "ovbench.context.builder",
        "ContextSettings": "ovbench.context.settings",
        "Encoder": "ovbench.context.encoder",
        "Provenance": "ovbench.context.builder",
        "context_of": "ovbench.context.builder",
        "open_context": "ovbench.context.builder",
        "open_encoder": "ovbench.context.opening",
    },
)
