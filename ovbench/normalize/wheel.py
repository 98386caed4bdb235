"""Stage 3 of the open normalizer: words of the wheels → one cluster per ring.

A cluster's score is the sum of its words' scores (the log-sum-exp of their logarithms), so several
near words count for more than one. The best cluster wins, if any word of the ring reaches the
threshold. A word that stands on the wheel keeps its own cluster.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import chain

from ovbench.normalize.lexicon.forms import PARTS_OF_SPEECH
from ovbench.normalize.lexicon.store import (
    NEUTRAL,
    VERSION,
    Lexicon,
    Wheel,
    load_lexicon,
    load_wheels,
    wheels_hash,
)
from ovbench.normalize.normalizer import UNKNOWN, Candidate, Lemma, Placement, Ring


class ClusterMap:
    """Ten rings: level 1 of the five wheels, then level 2.

    Clusters are in the order of the wheel's file, ``neutral`` last. A level-1 word names a whole
    branch; on level 2 it stands in the cluster of its branch that it is nearest to (the first one
    where it is near none). The level-2 cluster always lies in the branch of the level-1 cluster.
    """

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or load_lexicon()
        self.threshold = self._lexicon.threshold / 1000
        self._wheels = load_wheels()

    @property
    def id(self) -> str:
        """``wheels:open-1@<hash8>``."""
        return f"wheels:{VERSION}@{wheels_hash()[:8]}"

    @cached_property
    def rings(self) -> tuple[Ring, ...]:
        """``wheel1/level1`` … ``wheel5/level1``, ``wheel1/level2`` … ``wheel5/level2``."""
        first = [Ring(wheel.id, "level1", (*wheel.tree, NEUTRAL)) for wheel in self._wheels]
        second = [
            Ring(wheel.id, "level2", (*chain.from_iterable(wheel.tree.values()), NEUTRAL))
            for wheel in self._wheels
        ]
        return (*first, *second)

    @cached_property
    def _codes(self) -> dict[str, list[tuple[int, int, int]]]:
        """Word → (number of the wheel, level-1 code, level-2 code) where it stands on a wheel."""
        codes: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
        count = len(self._wheels)
        for number, wheel in enumerate(self._wheels):
            inner, middle = self.rings[number].clusters, self.rings[count + number].clusters
            for word, (first, second) in wheel.places.items():
                second = second or self._nearest_segment(word, wheel)
                codes[word].append((number, inner.index(first), middle.index(second)))
            codes[NEUTRAL].append((number, len(inner) - 1, len(middle) - 1))
        return dict(codes)

    def _nearest_segment(self, word: str, wheel: Wheel) -> str:
        """The level-2 cluster that stands for a whole branch."""
        scores = dict.fromkeys(wheel.tree[word], 0)
        for pos in PARTS_OF_SPEECH:
            for near, cosine in self._lexicon.nearest(word, pos):
                first, second = wheel.places.get(near, ("", None))
                if first == word and second:
                    scores[second] += cosine
        return max(scores, key=lambda name: scores[name])

    def place(
        self, lemmas: tuple[Lemma, ...], candidates: tuple[Candidate, ...]
    ) -> tuple[Placement, ...]:
        """One placement per ring; ``UNKNOWN`` where no word of the wheel is near enough."""
        near: list[list[tuple[int, int, Candidate]]] = [[] for _ in self._wheels]
        for candidate in candidates:
            for number, first, second in self._codes[candidate.word]:
                near[number].append((first, second, candidate))
        own = lemmas[0].word if lemmas and not lemmas[0].pos else ""
        pairs = [self._decide(words, own) for words in near]
        return (*(first for first, _ in pairs), *(second for _, second in pairs))

    def _decide(
        self, near: list[tuple[int, int, Candidate]], own: str
    ) -> tuple[Placement, Placement]:
        """Placements on both rings of one wheel, from its words near the label, best first."""
        if not near or near[0][2].score < self.threshold:
            nowhere = Placement(UNKNOWN, how="no near word")
            return nowhere, nowhere
        how = "nearest cluster"
        if keeps := [words for words in near if words[2].word == own]:
            near, how = keeps, "own cluster"
        first = _largest([(first, candidate) for first, _, candidate in near], how)
        inside = [(second, candidate) for code, second, candidate in near if code == first.code]
        return first, _largest(inside, how)


def _largest(words: list[tuple[int, Candidate]], how: str) -> Placement:
    """The cluster with the largest sum of scores, named by its best word."""
    scores: dict[int, float] = {}
    best: dict[int, str] = {}
    for code, candidate in words:
        scores[code] = scores.get(code, 0.0) + candidate.score
        best.setdefault(code, candidate.word)
    code = max(scores, key=lambda one: scores[one])
    return Placement(code, best[code], scores[code], how)
