"""The built-in encoder: what a text's words mean on the emotion wheels, and which words they are.

A vector has two blocks.

1. *Clusters*: one dimension per cluster of every ring of the open lexicon (five wheels, both
   levels). Each distinct word of the text adds 1 to its cluster on each ring that has a place for
   it. Two words that are one entry of the lexicon (*let down*) count as one word.
2. *Words*: 256 dimensions for what the wheels have no place for, such as most of the vocabulary of
   voices (*breathy*, *loud*, *trembling*). Each distinct word without a cluster, and each distinct
   pair of neighbouring words (*low pitch* is not *low energy*), adds +1 or -1 to one dimension;
   both are taken from the SHA-256 of its text. Function words are left out, pairs reach over them,
   and no pair reaches over punctuation.

Each block is divided by its length, then the whole by its length, so that a text that has both
gives half of its square to each. A text without a word gives zeros. All sums are of whole numbers,
so the result is the same on every machine.

Example: ``"Low, trembling voice"``: *low* adds 1 on the rings that know it; *trembling*, *voice*
and *trembling voice* are hashed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ovbench.context.encoder import Vectors
from ovbench.normalize.lexicon.store import load_lexicon
from ovbench.normalize.normalizer import UNKNOWN
from ovbench.normalize.opening import open_normalizer

VERSION = "clusters-1"
"""Rises whenever any text gets another vector."""
HASHED = 256
"""Dimensions of the block of words."""

FUNCTION_WORDS = frozenset([
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "from", "has", "have", "he",
    "her", "his", "in", "is", "it", "its", "of", "on", "or", "she", "so", "than", "that", "the",
    "their", "there", "they", "this", "to", "was", "were", "which", "who", "with",
])  # fmt: skip
"""Words that tell nothing of a voice or a feeling."""

_CLAUSE = re.compile(r"[.,;:!?()\[\]\"\n/—–|]+")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class ClusterEncoder:
    """Cluster activations and hashed words, as the module says; no weights, nothing to install."""

    def __init__(self) -> None:
        self._normalizer = open_normalizer()
        self._entries = load_lexicon().lemmas
        sizes = [len(ring.clusters) for ring in self._normalizer.rings]
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._clusters = sum(sizes)
        self._known: dict[str, NDArray[np.int64]] = {}
        self._hashed: dict[str, tuple[int, int]] = {}

    @property
    def id(self) -> str:
        """``clusters-1+sha256-256+table:…+lexicon:…+wheels:…``: changes with the lexicon."""
        return "+".join((VERSION, f"sha256-{HASHED}", *self._normalizer.signature.values()))

    @property
    def dim(self) -> int:
        """Clusters of all rings and ``HASHED`` more."""
        return self._clusters + HASHED

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, shape (texts, dim), float32; distinct texts are worked out once."""
        place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        distinct = np.zeros((len(place), self.dim), dtype=np.float32)
        for text, number in place.items():
            distinct[number] = self._vector(text)
        rows: Vectors = distinct[[place[text] for text in texts]]
        return rows

    def _vector(self, text: str) -> NDArray[np.float64]:
        vector = np.zeros(self.dim, dtype=np.int64)
        clauses = [list(self._words(clause)) for clause in _CLAUSE.split(text.lower())]
        for word in dict.fromkeys(word for words in clauses for word in words):
            if len(at := self._places(word)):
                vector[at] += 1
            else:
                self._add_hashed(word, vector)
        for pair in dict.fromkeys(pair for words in clauses for pair in pairwise(words)):
            self._add_hashed(" ".join(pair), vector)
        blocks = vector[: self._clusters], vector[self._clusters :]
        squares = [int(block @ block) for block in blocks]
        both = sum(square > 0 for square in squares)
        lengths = [np.sqrt(max(square * both, 1)) for square in squares]
        return np.concatenate([b / length for b, length in zip(blocks, lengths, strict=True)])

    def _words(self, clause: str) -> Iterator[str]:
        """Words in their order without function words; two that are one entry come as one."""
        words = _WORD.findall(clause)
        at = 0
        while at < len(words):
            size = 2 if " ".join(words[at : at + 2]) in self._entries and at + 1 < len(words) else 1
            word = " ".join(words[at : at + size])
            if word not in FUNCTION_WORDS:
                yield word
            at += size

    def _places(self, word: str) -> NDArray[np.int64]:
        """Dimensions of the clusters that a word has."""
        if (found := self._known.get(word)) is None:
            codes = self._normalizer.map([word]).codes[0]
            found = self._known[word] = (self._starts + codes)[codes != UNKNOWN]
        return found

    def _add_hashed(self, term: str, vector: NDArray[np.int64]) -> None:
        """Add the term to its dimension, with its sign."""
        if (found := self._hashed.get(term)) is None:
            digest = hashlib.sha256(term.encode()).digest()
            dimension = int.from_bytes(digest[:2], "big") % HASHED
            found = self._hashed[term] = (dimension, 1 if digest[2] & 1 else -1)
        dimension, sign = found
        vector[self._clusters + dimension] += sign
