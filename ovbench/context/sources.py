"""Where a context comes from: one small class per source, items in, vectors out.

E is the encoder; its vectors have length 1 (or 0 for a text that says nothing). Every row is worked
out by itself in float64, without a matrix product over rows, so it does not depend on which other
items are asked for with it, nor on threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ovbench.context.encoder import Encoder
from ovbench.errors import InputError
from ovbench.tasks import Gold, Item

Rows = NDArray[np.float64]
"""Shape (items, dim), float64."""

Answers = Mapping[str, Sequence[str]]
"""Item id → labels that a first pass predicted."""


class ContextSource(Protocol):
    """One way to make contexts."""

    def rows(self, items: Sequence[Item], answers: Answers | None) -> Rows:
        """The context of each item, shape (items, dim), float64."""
        ...


class Description:
    """c = E(d), d the item's acoustic description."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def rows(self, items: Sequence[Item], answers: Answers | None) -> Rows:
        """E(d) of each item."""
        return self._encoder.encode([item.description for item in items]).astype(np.float64)


class Prototypes:
    r"""c = Σ_l softmax_l(τ cos(E(d), p_l)) p_l over prototypes p_l = E(l) of a vocabulary.

    The vocabulary is frozen when the source is made. A description that says nothing has cosine 0
    with every prototype and so gets their mean.
    """

    def __init__(self, encoder: Encoder, vocabulary: Sequence[str], temperature: float) -> None:
        self._descriptions = Description(encoder)
        self._prototypes = encoder.encode(vocabulary).astype(np.float64)
        self._temperature = temperature

    def rows(self, items: Sequence[Item], answers: Answers | None) -> Rows:
        """The retrieved mean of each item."""
        return retrieve(self._descriptions.rows(items, None), self._prototypes, self._temperature)


class Candidates:
    """c = the mean of E(l) over a vocabulary: the same for every item."""

    def __init__(self, encoder: Encoder, vocabulary: Sequence[str]) -> None:
        self._mean = mean_of(encoder, vocabulary)

    def rows(self, items: Sequence[Item], answers: Answers | None) -> Rows:
        """That mean for each item."""
        return np.tile(self._mean, (len(items), 1))


class TwoPass:
    """First pass: c = E(d). Second: c = the mean of E(l) over the labels the first predicted.

    An item for which the first pass predicted nothing keeps E(d).
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._first = Description(encoder)

    def rows(self, items: Sequence[Item], answers: Answers | None) -> Rows:
        """Contexts of the first pass where ``answers`` is None, else of the second."""
        found = self._first.rows(items, None)
        for row, item in enumerate(items if answers is not None else ()):
            if labels := _of(item, answers):
                found[row] = mean_of(self._encoder, labels)
        return found


class Oracle:
    """c = the mean of E(l) over the gold labels (the class, where there are none): a ceiling."""

    def __init__(self, encoder: Encoder, gold: Mapping[str, Gold]) -> None:
        self._encoder = encoder
        self._labels = {name: one.labels or (one.category or "",) for name, one in gold.items()}

    def rows(self, items: Sequence[Item], answers: Answers | None) -> Rows:
        """The mean over each item's gold."""
        means = [mean_of(self._encoder, _of(item, self._labels)) for item in items]
        return np.array(means).reshape(len(items), self._encoder.dim)


def retrieve(queries: Rows, prototypes: Rows, temperature: float) -> Rows:
    """Σ_l softmax_l(τ ⟨q, p_l⟩) p_l for each query.

    Parameters
    ----------
    queries:
        Shape (items, dim), rows of length 1 or 0.
    prototypes:
        Shape (labels, dim), rows of length 1 or 0, at least one.
    temperature:
        τ, above 0.

    Returns
    -------
    Shape (items, dim), float64; rows are convex combinations of prototypes.
    """
    found = np.empty((len(queries), prototypes.shape[1]))
    for row, query in enumerate(queries):
        logits = temperature * (prototypes * query).sum(axis=1)
        weights = np.exp(logits - logits.max())
        found[row] = (prototypes * (weights / weights.sum())[:, None]).sum(axis=0)
    return found


def mean_of(encoder: Encoder, labels: Sequence[str]) -> NDArray[np.float64]:
    """Mean of the vectors of the distinct labels, whatever their order; shape (dim,), float64."""
    vectors = encoder.encode(sorted(set(labels))).astype(np.float64)
    mean: NDArray[np.float64] = vectors.sum(axis=0) / len(vectors)
    return mean


def _of(item: Item, labels: Answers | None) -> Sequence[str]:
    if labels is None or item.id not in labels:
        raise InputError(
            f"item {item.id!r} has no labels to make its context of",
            expected="labels for every item of the call",
        )
    return labels[item.id]
