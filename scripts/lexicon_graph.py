"""The affect part of a wordnet as a graph, and how near each of its words is to each wheel word.

Nodes are words (lemma and part of speech) and synsets. A random walk with restart (personalised
PageRank; Haveliwala 2002, on wordnets Agirre and Soroa 2009) gives every word a profile: where a
walker who keeps starting at the word is found more often than one who starts anywhere. Two words
are as near as the cosine of their profiles.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import log

import numpy as np
from lexicon_source import Source, Synset
from numpy.typing import NDArray
from scipy import sparse

from ovbench.normalize.lexicon.forms import (
    PARTS_OF_SPEECH,
    base_forms,
    joined_variants,
    readings,
)

Word = tuple[str, str]
"""A lemma and its part of speech."""

CLOSE_RELATIONS = frozenset({"derivation", "pertainym", "similar", "attribute", "also"})
"""Relations that lead from an affective synset to others that belong to the subset."""

RELATION_WEIGHTS = {
    "derivation": 2.0,
    "pertainym": 2.0,
    "attribute": 1.0,
    "similar": 1.0,
    "hypernym": 1.0,
    "verb group": 1.0,
    "causes": 1.0,
    "also": 0.7,
    "hyponym": 0.5,
    "entails": 0.3,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTION_WORDS = _words(
    "a an the of or and to in by with being be is are that which for from as at on having it its "
    "someone something some any such especially used who do does has have very make making made "
    "feel feeling feelings person state quality marked characterized showing experiencing cause "
    "causing act acting express expressing"
)
_NEGATIVE_WORDS = _words("not no nor never without lack lacking absence free")
_TOKEN = re.compile(r"[a-z][a-z'-]+")


@dataclass(frozen=True)
class Parameters:
    """Settings of the build; they stand in the data file's header.

    Chosen on the choosing half of the labels and items of ``tests/benchmarks/agreement.py``.
    """

    hops: int = 2
    """Steps over close relations from an affective synset that still belong to the subset."""
    sense_decay: float = 0.7
    """Each further sense of a word weighs this times the one before it, down to the seventh."""
    affect_boost: float = 3.0
    """Affective senses weigh this times as much."""
    participle: float = 1.0
    participle_back: float = 0.3
    """Weights from an adjective in -ed or -ing to its verb, and back."""
    gloss: float = 0.3
    """Weight of all the words of a gloss together."""
    restart: float = 0.3
    iterations: int = 15
    profile_power: float = 0.25
    """A profile is max(0, log(p / background)) · p^this."""
    family: float = 0.75
    """Share of its derivational family's mean in a word's nearness to the wheel words."""
    bridge: float = 0.85
    """A way over another wheel word counts as the product of its two cosines and this."""
    neighbours: int = 16
    """Wheel words kept per word."""
    floor: int = 50
    """Least cosine kept, in thousandths."""

    def __str__(self) -> str:
        return " ".join(f"{name}={value:g}" for name, value in asdict(self).items())


def grow(source: Source, start: Iterable[str], hops: int) -> frozenset[str]:
    """Synsets within ``hops`` steps over close relations of ``start``."""
    reached = frontier = frozenset(start)
    for _ in range(hops):
        frontier = frozenset(
            link.target
            for key in frontier
            for link in source.synset(key).links
            if link.relation in CLOSE_RELATIONS
        )
        frontier -= reached
        reached |= frontier
    return reached


def _family(word: Word, relatives: Mapping[Word, set[Word]]) -> list[Word]:
    """Words within two derivations of ``word`` that begin as it does (four letters)."""
    stem = word[0][:4]
    first = {near for near in relatives.get(word, ()) if near[0].startswith(stem)}
    second = {far for near in first for far in relatives[near] if far[0].startswith(stem)}
    return sorted((first | second) - {word})


class AffectGraph:
    """The subset's words and synsets with the walker's transition matrix.

    ``words`` are sorted; ``word_number`` gives their node, which comes before all synsets' nodes.
    """

    def __init__(self, source: Source, wheel_words: list[str], parameters: Parameters) -> None:
        self.source, self.parameters = source, parameters
        self.exceptions = source.exceptions()
        self.affect = source.affect()
        first_senses = {
            source.senses(lemma, pos)[0]
            for word in wheel_words
            for pos in "avnr"
            for lemma, _ in base_forms(
                word, pos, self.exceptions, lambda *w: bool(source.senses(*w))
            )
        }
        self.close = grow(source, self.affect, 2)
        keys = sorted(grow(source, self.affect | first_senses, parameters.hops))
        self.synsets = [source.synset(key) for key in keys]
        self.words = sorted({(lemma, s.pos) for s in self.synsets for lemma in s.lemmas})
        self.word_number = {word: number for number, word in enumerate(self.words)}
        self._node = {key: len(self.words) + number for number, key in enumerate(keys)}
        self.arrivals = self._transitions().T.tocsr()

    def known(self, lemma: str, pos: str) -> bool:
        """Whether a word is in the subset."""
        return (lemma, pos) in self.word_number

    def _transitions(self) -> sparse.csr_array:
        """Row-stochastic transition matrix, shape (nodes, nodes)."""
        edges: defaultdict[tuple[int, int], float] = defaultdict(float)
        self._add_senses(edges)
        self._add_relations(edges)
        self._add_participles(edges)
        self._add_glosses(edges)
        ends = np.array(sorted(edges))
        weights = np.array([edges[tuple(pair)] for pair in ends.tolist()])
        size = len(self.words) + len(self.synsets)
        matrix = sparse.csr_array((weights, (ends[:, 0], ends[:, 1])), shape=(size, size))
        totals = matrix.sum(axis=1)
        return sparse.diags_array(1 / np.where(totals > 0, totals, 1)).dot(matrix).tocsr()

    def _add_senses(self, edges: dict[tuple[int, int], float]) -> None:
        p = self.parameters
        for (lemma, pos), number in self.word_number.items():
            for rank, key in enumerate(self.source.senses(lemma, pos)):
                if key in self._node:
                    weight = p.sense_decay ** min(rank, 6)
                    boost = p.affect_boost if key in self.close else 1.0
                    edges[number, self._node[key]] += weight * boost

    def _add_relations(self, edges: dict[tuple[int, int], float]) -> None:
        for synset in self.synsets:
            here = self._node[synset.id]
            for lemma in synset.lemmas:
                edges[here, self.word_number[lemma, synset.pos]] += 1.0
            for link in synset.links:
                weight = RELATION_WEIGHTS.get(link.relation)
                if weight and link.target in self._node:
                    edges[here, self._node[link.target]] += weight

    def _add_participles(self, edges: dict[tuple[int, int], float]) -> None:
        p = self.parameters
        for (lemma, pos), number in self.word_number.items():
            if pos == "a" and lemma.endswith(("ed", "ing")):
                for verb, _ in base_forms(lemma, "v", self.exceptions, self.known):
                    if verb != lemma:
                        edges[number, self.word_number[verb, "v"]] += p.participle
                        edges[self.word_number[verb, "v"], number] += p.participle_back

    def _add_glosses(self, edges: dict[tuple[int, int], float]) -> None:
        mentions = {synset.id: self._mentions(synset) for synset in self.synsets}
        frequency = Counter(token for found in mentions.values() for token in found)
        for key, found in mentions.items():
            rarity = {t: log(len(self.synsets) / frequency[t]) for t in found if frequency[t] < 200}
            total = sum(rarity.values())
            for token in sorted(rarity):
                share = self.parameters.gloss * rarity[token] / total / len(found[token])
                for number in found[token]:
                    edges[self._node[key], number] += share

    def _mentions(self, synset: Synset) -> dict[str, list[int]]:
        """Tokens of a gloss that are words of the subset, but not the synset's own or negated."""
        found: dict[str, list[int]] = {}
        negated = False
        for token in _TOKEN.findall(synset.gloss.lower()):
            if token in _NEGATIVE_WORDS or token in _FUNCTION_WORDS:
                negated = negated or token in _NEGATIVE_WORDS
                continue
            numbers = [
                self.word_number[lemma, pos]
                for pos in "nva"
                for lemma, _ in base_forms(token, pos, self.exceptions, self.known)
                if lemma not in synset.lemmas
            ]
            if numbers and not negated:
                found[token] = numbers
            negated = False
        return found

    def visits(self, restart: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of time at each node for each restart column; shapes (nodes, columns)."""
        p, back = self.parameters, self.parameters.restart * restart
        found = restart
        for _ in range(p.iterations):
            found = self.arrivals @ found
            found *= 1 - p.restart
            found += back
        return found

    def start_of(self, label: str) -> dict[int, float]:
        """Restart distribution over word nodes of a label as it is written; may be empty."""
        for form in (label, *joined_variants(label)):
            if found := readings(form, self.exceptions, self.known):
                total = sum(reading.weight for reading in found)
                weights: defaultdict[int, float] = defaultdict(float)
                for reading in found:
                    weights[self.word_number[reading.lemma, reading.pos]] += reading.weight / total
                return dict(weights)
        return {}

    def nearness(self, wheel_words: list[str], block: int = 64) -> NDArray[np.float64]:
        """Cosine of profiles, shape (words, wheel words); 0 for wheel words outside the subset."""
        size = self.arrivals.shape[0]
        background = self.visits(np.full((size, 1), 1 / size))
        starts = np.zeros((size, len(wheel_words)))
        for column, word in enumerate(wheel_words):
            for number, weight in self.start_of(word).items():
                starts[number, column] = weight
        targets = self._profiles(starts, background)
        rows = []
        for first in range(0, len(self.words), block):
            last = min(first + block, len(self.words))
            own = np.zeros((size, last - first))
            own[np.arange(first, last), np.arange(last - first)] = 1
            rows.append(self._profiles(own, background).T @ targets)
        return self._bridged(self._with_families(np.concatenate(rows)), wheel_words)

    def _bridged(
        self, nearness: NDArray[np.float64], wheel_words: list[str]
    ) -> NDArray[np.float64]:
        """Ways over a third word: *delighted* is near *joy*, so it is near *joyful* as well.

        It carries a label from a wheel that has a near word to the wheels that only have a
        synonym of that word.
        """
        between = np.eye(len(wheel_words))
        for row, word in enumerate(wheel_words):
            for pos in PARTS_OF_SPEECH:
                if self.known(word, pos):
                    own = nearness[self.word_number[word, pos]]
                    between[row] = np.maximum(between[row], own)
        between = np.maximum(between, between.T) * self.parameters.bridge
        return np.stack([np.maximum(row, (row[:, None] * between).max(axis=0)) for row in nearness])

    def _with_families(self, nearness: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each word's row mixed with the mean of its family's: *anger* is near what *angry* is."""
        share, relatives = self.parameters.family, self.relatives()
        mixed = nearness.copy()
        for word, number in self.word_number.items():
            if family := _family(word, relatives):
                mean = nearness[[self.word_number[other] for other in family]].mean(axis=0)
                mixed[number] = (1 - share) * nearness[number] + share * mean
        return mixed

    def relatives(self) -> Mapping[Word, set[Word]]:
        """Word → words it is derived from or that are derived from it, participles included."""
        found: defaultdict[Word, set[Word]] = defaultdict(set)
        pairs = [
            ((link.lemma, synset.pos), (link.target_lemma, self.source.synset(link.target).pos))
            for synset in self.synsets
            for link in synset.links
            if link.relation in ("derivation", "pertainym") and link.lemma
        ]
        pairs += [
            ((lemma, pos), (verb, "v"))
            for lemma, pos in self.words
            if pos == "a" and lemma.endswith(("ed", "ing"))
            for verb, _ in base_forms(lemma, "v", self.exceptions, self.known)
        ]
        for one, other in pairs:
            if self.known(*one) and self.known(*other):
                found[one].add(other)
                found[other].add(one)
        return found

    def _profiles(
        self, starts: NDArray[np.float64], background: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Unit-length profiles of restart columns, shape (nodes, columns)."""
        visits = self.visits(starts)
        with np.errstate(divide="ignore"):
            excess = np.maximum(np.log(visits / background), 0)
        profiles = excess * visits**self.parameters.profile_power
        return profiles / np.maximum(np.linalg.norm(profiles, axis=0), 1e-12)

    def antonyms(self) -> Mapping[Word, list[Word]]:
        """Direct antonyms between words of the subset."""
        found: defaultdict[Word, list[Word]] = defaultdict(list)
        for synset in self.synsets:
            for link in synset.links:
                if link.relation == "antonym" and link.target in self._node:
                    target = (link.target_lemma, self.source.synset(link.target).pos)
                    if target not in found[link.lemma, synset.pos]:
                        found[link.lemma, synset.pos].append(target)
        return found
