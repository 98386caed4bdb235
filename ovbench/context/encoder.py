"""What turns text into the vectors that contexts are made of, and how one is found by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import UnknownNameError

Vectors = NDArray[np.float32]
"""Shape (texts, dimensions), float32."""


class Encoder(Protocol):
    """Text → vectors. A text's vector does not depend on the other texts of the call."""

    @property
    def id(self) -> str:
        """Method, version and data or weights by hash; another id is another vector space."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dim), float32, rows of length 1; zeros for a text that says nothing."""
        ...


@cache
def open_encoder(name: str) -> Encoder:
    """The encoder of that name: ``clusters``, ``clusters:DIM`` or ``sentence:PATH``.

    Raises
    ------
    UnknownNameError
        For any other name.
    MissingExtraError, InputError
        If what a sentence encoder needs is not installed, or there is no model at PATH.
    """
    if name == "clusters":
        from ovbench.context.clusters import ClusterEncoder

        return ClusterEncoder()
    kind, _, path = name.partition(":")
    if kind == "clusters" and path.isdecimal():
        from ovbench.context.projected import MOST, ProjectedEncoder

        if 1 <= int(path) <= MOST:
            return ProjectedEncoder(open_encoder("clusters"), int(path))
    if kind == "sentence" and path:
        from ovbench.context.sentence import SentenceEncoder

        return SentenceEncoder(path)
    known = ["clusters", "clusters:DIM (1 to 256)", "sentence:PATH"]
    raise UnknownNameError("context encoder", name, known)
