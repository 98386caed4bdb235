"""The open lexicon: how its normalizer is put together, and its emotion words."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovbench.normalize.normalizer import Normalizer


def open_normalizer(lemmatizer: str = "table", synonyms: str = "lexicon") -> Normalizer:
    """The open normalizer.

    Parameters
    ----------
    lemmatizer:
        ``table``: the shipped rules and word list. ``nltk``: nltk's WordNetLemmatizer.
    synonyms:
        ``lexicon``: the shipped table. ``wn:LEXICON``: the table, and for words it lacks a
        wordnet in wn's database (``wn:oewn:2025``). ``sentence:PATH``: a sentence-transformers
        model in a local folder.

    Raises
    ------
    UnknownNameError
        For any other name.
    MissingExtraError, InputError
        Where a backend's package or data are missing.
    """
    from ovbench.normalize.backends import open_lemmatizer, open_synonyms
    from ovbench.normalize.normalizer import Normalizer
    from ovbench.normalize.wheel import ClusterMap

    stage1 = open_lemmatizer(lemmatizer, keep_unknown=synonyms != "lexicon")
    return Normalizer(stage1, open_synonyms(synonyms), ClusterMap())


@cache
def known_words() -> frozenset[str]:
    """Single lower-case words that name an emotion and have a cluster on at least one ring.

    Meant for finding emotion words inside sentences, so words whose first sense is not an emotion
    (*open*, *present*) are left out, although labels made of them are understood.
    """
    from ovbench.normalize.lexicon.store import load_lexicon, neutral_words
    from ovbench.normalize.normalizer import UNKNOWN

    neutral = {word for word in neutral_words() if " " not in word}
    words = sorted(load_lexicon().emotion_words | neutral)
    placed = (open_normalizer().map(words).codes != UNKNOWN).any(axis=1).tolist()
    return frozenset(word for word, has_place in zip(words, placed, strict=True) if has_place)
