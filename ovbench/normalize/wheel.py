"""Stage 3 of the open normalizer: words of the wheels → one cluster per ring.

A cluster's score is the root of the summed squares of its candidates' scores: the log-sum-exp of
their log scores at temperature ½, so several near words count more than one, and near ones more
than many far ones. The best cluster wins if its best word reaches the threshold. A word that stands
on the wheel keeps its own cluster.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from math import sqrt

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

LEVELS = ("level1", "level2")


class ClusterMap:
    """Ten rings: level 1 of the five wheels, then level 2.

    Clusters are in the order of the wheel's file, ``neutral`` last. A level-1 word goes, on level
    2, to the best cluster of its own branch: it names the branch, and the nearest segment of it
    stands for it (the first one where none is near).
    """

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self.threshold = (lexicon or load_lexicon()).threshold / 1000
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
            Ring(wheel.id, "level2", (*_level2_names(wheel), NEUTRAL)) for wheel in self._wheels
        ]
        return (*first, *second)

    @cached_property
    def _homes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """Word → per ring the codes of the clusters it stands in (several for a whole branch)."""
        homes: defaultdict[str, list[tuple[int, ...]]] = defaultdict(
            lambda: [()] * len(self.rings)
        )
        count = len(self._wheels)
        for number, wheel in enumerate(self._wheels):
            outer, inner = self.rings[number].clusters, self.rings[count + number].clusters
            for word, (first, second) in wheel.places.items():
                homes[word][number] = (outer.index(first),)
                branch = (second,) if second else tuple(wheel.tree[first])
                homes[word][count + number] = tuple(inner.index(name) for name in branch)
        homes[NEUTRAL] = [(len(ring.clusters) - 1,) for ring in self.rings]
        return {word: tuple(places) for word, places in homes.items()}

    @cached_property
    def _codes(self) -> dict[str, list[tuple[int, int]]]:
        """Word → (ring, code) pairs where it stands in a single cluster."""
        return {
            word: [(ring, codes[0]) for ring, codes in enumerate(homes) if len(codes) == 1]
            for word, homes in self._homes.items()
        }

    def place(
        self, lemmas: tuple[Lemma, ...], candidates: tuple[Candidate, ...]
    ) -> tuple[Placement, ...]:
        """One placement per ring; ``UNKNOWN`` where no word of the ring is near enough."""
        if not candidates:
            return (Placement(UNKNOWN),) * len(self.rings)
        squares: list[dict[int, float]] = [{} for _ in self.rings]
        best: list[dict[int, Candidate]] = [{} for _ in self.rings]
        for candidate in candidates:
            square = candidate.score * candidate.score
            for ring, code in self._codes[candidate.word]:
                squares[ring][code] = squares[ring].get(code, 0.0) + square
                best[ring].setdefault(code, candidate)
        own = lemmas[0].word if lemmas and not lemmas[0].pos else ""
        homes = self._homes.get(own, ((),) * len(self.rings))
        return tuple(map(self._decide, squares, best, homes))

    def _decide(
        self, squares: dict[int, float], best: dict[int, Candidate], home: tuple[int, ...]
    ) -> Placement:
        """The cluster of one ring, from the squared scores and best candidates per cluster."""
        if home:
            code = max(home, key=lambda own: squares.get(own, 0.0))
            word = best[code].word if code in best else ""
            return Placement(code, word, 1.0, "keeps its own cluster")
        near = {code: s for code, s in squares.items() if best[code].score >= self.threshold}
        if not near:
            return Placement(UNKNOWN, how="no near word" if squares else "")
        code = max(near, key=lambda one: near[one])
        return Placement(code, best[code].word, sqrt(near[code]), "nearest cluster")


def _level2_names(wheel: Wheel) -> tuple[str, ...]:
    """Level-2 words in the order of the file, each once."""
    return tuple(dict.fromkeys(second for branch in wheel.tree.values() for second in branch))
