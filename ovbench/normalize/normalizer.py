"""Label → lemma → synonym group → cluster: the three stages, put together.

Each stage is a small object that can be replaced by another of the same shape:

1. a :class:`Lemmatizer` turns a label as it was written into base words;
2. a :class:`SynonymMerger` turns base words into words that stand on the wheels;
3. a :class:`WheelMap` turns those words into one cluster per ring, or none.

A *ring* is one level of one wheel. The official tables and the open lexicon are two sets of such
stages; nothing above this module knows which one it is using.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""The cluster code of a label that has no place on a ring."""


class Ring(NamedTuple):
    """One level of one wheel and the names of its clusters, in the order of their codes."""

    wheel: str
    level: str
    clusters: tuple[str, ...]

    @property
    def key(self) -> str:
        """``wheel1/level1``: the name of the ring in results and signatures."""
        return f"{self.wheel}/{self.level}"


class Lemma(NamedTuple):
    """A base word for a label. ``how`` says in a few words which rule gave it."""

    word: str
    pos: str = ""
    weight: float = 1.0
    how: str = ""


class Candidate(NamedTuple):
    """A word that stands on a wheel, reached from the base word ``lemma`` with a ``score``."""

    word: str
    score: float = 0.0
    lemma: str = ""
    how: str = ""


class Placement(NamedTuple):
    """Where a label ends on one ring: the cluster's code and the candidate that decided it."""

    code: int
    word: str = ""
    score: float = 0.0
    how: str = ""


class Lemmatizer(Protocol):
    """Stage 1. ``id`` names the method and its data in signatures."""

    @property
    def id(self) -> str:
        """Method and data, as signatures show them."""
        ...

    def lemmatize(self, label: str) -> tuple[Lemma, ...]:
        """Base words of a label, best first; empty when nothing is known of it."""
        ...


class SynonymMerger(Protocol):
    """Stage 2. ``id`` names the method and its data in signatures."""

    @property
    def id(self) -> str:
        """Method and data, as signatures show them."""
        ...

    def merge(self, lemmas: tuple[Lemma, ...]) -> tuple[Candidate, ...]:
        """Wheel words that the base words are merged with, in the order stage 3 tries them."""
        ...


class WheelMap(Protocol):
    """Stage 3. ``id`` names the wheels and their data in signatures."""

    @property
    def id(self) -> str:
        """Method and data, as signatures show them."""
        ...

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The rings labels are placed on."""
        ...

    def place(
        self, lemmas: tuple[Lemma, ...], candidates: tuple[Candidate, ...]
    ) -> tuple[Placement, ...]:
        """One placement per ring, in the order of ``rings``; code ``UNKNOWN`` where none fits."""
        ...


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The clusters of many labels.

    ``codes`` has shape (labels, rings), dtype int32: an index into ``rings[r].clusters``, or
    ``UNKNOWN`` (-1).
    """

    rings: tuple[Ring, ...]
    codes: NDArray[np.int32]


@dataclass(frozen=True)
class Trace:
    """Every step that one label took."""

    label: str
    lemmas: tuple[Lemma, ...]
    candidates: tuple[Candidate, ...]
    rings: tuple[Ring, ...]
    placements: tuple[Placement, ...]

    def cluster(self, ring: int) -> str | None:
        """Name of the cluster on the ring with that index, or None where the label is unknown."""
        code = self.placements[ring].code
        return None if code == UNKNOWN else self.rings[ring].clusters[code]


@dataclass(frozen=True, eq=False)
class Normalizer:
    """Three stages that turn labels into clusters, and can show how.

    :func:`~ovbench.open_normalizer` and :func:`~ovbench.official_normalizer` open one by name.
    """

    lemmatizer: Lemmatizer
    synonyms: SynonymMerger
    wheels: WheelMap
    _cache: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The rings labels are placed on, in the order of the codes' columns."""
        return self.wheels.rings

    @property
    def signature(self) -> dict[str, str]:
        """The three stages by name and data hash, as signatures show them."""
        return {
            "lemma": self.lemmatizer.id,
            "synonym": self.synonyms.id,
            "wheel": self.wheels.id,
        }

    def trace(self, label: str) -> Trace:
        """Every step that ``label`` takes."""
        lemmas = self.lemmatizer.lemmatize(label)
        candidates = self.synonyms.merge(lemmas)
        placements = self.wheels.place(lemmas, candidates)
        return Trace(label, lemmas, candidates, self.rings, placements)

    def map(self, labels: Sequence[str]) -> LabelMap:
        """The clusters of each label (each distinct label is worked out once)."""
        cache = self._cache
        for label in labels:
            if label not in cache:
                cache[label] = tuple(p.code for p in self.trace(label).placements)
        codes = np.array([cache[label] for label in labels], dtype=np.int32)
        return LabelMap(self.rings, codes.reshape(len(labels), len(self.rings)))
