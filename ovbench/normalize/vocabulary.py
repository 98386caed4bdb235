"""The emotion words to look for in sentences."""

from __future__ import annotations

from functools import cache

from ovbench.normalize.lexicon.store import load_lexicon, neutral_words
from ovbench.normalize.normalizer import UNKNOWN
from ovbench.normalize.opening import open_normalizer


@cache
def known_words() -> frozenset[str]:
    """Single lower-case words that name an emotion and have a cluster on at least one ring.

    Words whose first sense is not an emotion (*open*, *present*) are left out, although labels
    made of them are understood.
    """
    neutral = {word for word in neutral_words() if " " not in word}
    words = sorted(load_lexicon().emotion_words | neutral)
    placed = (open_normalizer().map(words).codes != UNKNOWN).any(axis=1).tolist()
    return frozenset(word for word, has_place in zip(words, placed, strict=True) if has_place)
