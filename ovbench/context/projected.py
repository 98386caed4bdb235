"""A shorter form of an encoder's vectors, where a full-length context costs too many parameters.

A random projection (Johnson and Lindenstrauss): R x / |R x| with a matrix R of +1 and -1, shape
(dim, source dim), whose signs are the bits of SHA-256 over the number of the source's dimension.
Cosines are kept up to about 1/√dim. Sums run over the source's dimensions in their order, in
float64, so the result is the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ovbench.context.encoder import Encoder, Vectors

MOST = 256
"""Bits of a SHA-256."""


class ProjectedEncoder:
    """``source``'s vectors in ``dim`` dimensions, 1 to 256."""

    def __init__(self, source: Encoder, dim: int) -> None:
        self._source, self.dim = source, dim
        self._signs = np.stack([_signs(number)[:dim] for number in range(source.dim)])

    @property
    def id(self) -> str:
        """The source's id, and the number of dimensions."""
        return f"{self._source.id}+signs-{self.dim}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dim), float32, rows of length 1; zeros for a text that says nothing."""
        vectors = self._source.encode(texts)
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for number, vector in enumerate(vectors):
            at = np.flatnonzero(vector)
            row = np.add.reduce(self._signs[at] * vector[at, None].astype(np.float64), axis=0)
            length = np.sqrt(np.add.reduce(row * row))
            rows[number] = row / length if length else 0.0
        return rows


def _signs(number: int) -> NDArray[np.float64]:
    """256 signs for one dimension of the source."""
    bits = np.unpackbits(np.frombuffer(hashlib.sha256(str(number).encode()).digest(), np.uint8))
    return bits.astype(np.float64) * 2 - 1
