"""What turns text into the vectors that contexts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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
