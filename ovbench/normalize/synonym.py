"""Stage 2 of the open normalizer: base words → the words of the wheels they are near to.

The nearness of each word of the lexicon to its nearest wheel words was worked out when the lexicon
was built (the cosine of two random-walk profiles in WordNet; docs/decisions/0002-open-lexicon.md).
Here the readings of a label are averaged with their weights.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

from ovbench.normalize.lexicon.store import VERSION, Lexicon, load_lexicon
from ovbench.normalize.normalizer import Candidate, Lemma


class LexiconSynonyms:
    """Wheel words with the weighted mean of their cosines with the label's base words.

    A lemma without a part of speech that is itself a word of the wheels (or *neutral*) has score 1
    for itself and does not enter the mean.
    """

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon or load_lexicon()
        self._nearest = cache(self.lexicon.nearest)

    @property
    def id(self) -> str:
        """``lexicon:open-1@<hash8>``."""
        return f"lexicon:{VERSION}@{self.lexicon.hash[:8]}"

    def merge(self, lemmas: tuple[Lemma, ...]) -> tuple[Candidate, ...]:
        """Wheel words with scores in 0..1, best first (then by the alphabet)."""
        words = [lemma for lemma in lemmas if lemma.pos]
        total = sum(lemma.weight for lemma in words)
        scores: defaultdict[str, float] = defaultdict(float)
        origin: dict[str, tuple[float, str]] = {}
        for lemma in words:
            for word, cosine in self._nearest(lemma.word, lemma.pos):
                share = lemma.weight / total * cosine / 1000
                scores[word] += share
                if word not in origin or origin[word] < (share, lemma.word):
                    origin[word] = (share, lemma.word)
        if lemmas and not lemmas[0].pos and lemmas[0].weight:
            scores[lemmas[0].word] = 1.0
            origin[lemmas[0].word] = (1.0, lemmas[0].word)
        found = (
            Candidate(word, score, origin[word][1], "itself" if score == 1.0 else "near in WordNet")
            for word, score in scores.items()
        )
        return tuple(sorted(found, key=lambda candidate: (-candidate.score, candidate.word)))
