"""The authors' own label → cluster mapping, as the three stages of a normalizer.

A label is looked up among the inflected forms (stage 1), its base words' wheel words are joined
and sorted (stage 2), and the alphabetically first of them that stands on a wheel decides
(stage 3). The alphabet outranks the label: a wheel word with an earlier synonym on the same wheel
goes where that synonym goes (on wheel 5, *joyful* is *powerful* because of *cheerful*).
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import NamedTuple

from ovbench.normalize.normalizer import UNKNOWN, Candidate, Lemma, Normalizer, Placement, Ring
from ovbench.normalize.table_content import LEVELS, WHEELS, OfficialTables


class FormatLemmatizer:
    """Stage 1: the base words a label is listed as a form of, in alphabetical order."""

    def __init__(self, tables: OfficialTables) -> None:
        self._tables = tables

    @property
    def id(self) -> str:
        """``affectgpt-2025@<hash8>``."""
        return self._tables.id

    def lemmatize(self, label: str) -> tuple[Lemma, ...]:
        """Base words of a lower-cased, stripped label; empty where the table lacks it."""
        words = self._tables.forms.get(label, ())
        return tuple(
            Lemma(word, how="listed as itself" if word == label else f"lists {label!r} as a form")
            for word in words
        )


class SynonymTable:
    """Stage 2: the wheel words of all base words together, in alphabetical order.

    Each candidate names the first base word that leads to it.
    """

    def __init__(self, tables: OfficialTables) -> None:
        self._tables = tables

    @property
    def id(self) -> str:
        """``affectgpt-2025@<hash8>``."""
        return self._tables.id

    def merge(self, lemmas: tuple[Lemma, ...]) -> tuple[Candidate, ...]:
        """Every wheel word that one of ``lemmas`` was given as a synonym of."""
        origin: dict[str, str] = {}
        for lemma in lemmas:
            for word in self._tables.synonyms.get(lemma.word, ()):
                origin.setdefault(word, lemma.word)
        return tuple(
            Candidate(word, lemma=base, how="the word itself" if word == base else "synonym")
            for word, base in sorted(origin.items())
        )


class OfficialWheels:
    """Stage 3: twelve rings.

    ``case1/words`` and ``case2/words`` are the wheel-less groupings of the official scorers: the
    first base word, and the first wheel word of that base word. The other ten are the levels 1
    and 2 of the five wheels. A ring's clusters are in alphabetical order.
    """

    def __init__(self, tables: OfficialTables) -> None:
        self._tables = tables

    @property
    def id(self) -> str:
        """``affectgpt-2025@<hash8>``."""
        return self._tables.id

    @cached_property
    def rings(self) -> tuple[Ring, ...]:
        """``case1/words``, ``case2/words``, ``wheel1/level1``, ``wheel1/level2``, …"""
        forms, synonyms = self._tables.forms, self._tables.synonyms
        first_bases = {words[0] for words in forms.values()}
        first_synonyms = {synonyms[base][0] for base in first_bases}
        on_wheels = [
            Ring(wheel, level, tuple(sorted(set(self._tables.wheels[wheel][level].values()))))
            for wheel in WHEELS
            for level in LEVELS
        ]
        return (
            Ring("case1", "words", tuple(sorted(first_bases))),
            Ring("case2", "words", tuple(sorted(first_synonyms))),
            *on_wheels,
        )

    @cached_property
    def _codes(self) -> tuple[dict[str, int], ...]:
        """Per ring: deciding word → code of its cluster."""
        codes = []
        for ring in self.rings:
            code = {cluster: number for number, cluster in enumerate(ring.clusters)}
            if ring.wheel in self._tables.wheels:
                words = self._tables.wheels[ring.wheel][ring.level]
                code = {word: code[cluster] for word, cluster in words.items()}
            codes.append(code)
        return tuple(codes)

    def place(
        self, lemmas: tuple[Lemma, ...], candidates: tuple[Candidate, ...]
    ) -> tuple[Placement, ...]:
        """One placement per ring; a label without base words has code ``UNKNOWN`` on all."""
        if not lemmas:
            return (Placement(UNKNOWN),) * len(self.rings)
        first = lemmas[0].word
        case1, case2, *wheels = self._codes
        of_first = [candidate.word for candidate in candidates if candidate.lemma == first]
        return (
            _first_known([first], case1, "first base word"),
            _first_known(of_first, case2, "first synonym of the first base word"),
            *(_first_known([c.word for c in candidates], code, _ON_WHEEL) for code in wheels),
        )


_ON_WHEEL = "alphabetically first on this wheel"


def _first_known(words: list[str], codes: dict[str, int], how: str) -> Placement:
    """Where the first of ``words`` that has a code ends."""
    for word in words:
        if word in codes:
            return Placement(codes[word], word, how=how)
    return Placement(UNKNOWN)


@cache
def build_normalizer(tables: OfficialTables) -> Normalizer:
    """The three stages over ``tables``, on all twelve rings."""
    return Normalizer(FormatLemmatizer(tables), SynonymTable(tables), OfficialWheels(tables))


class ClusterChange(NamedTuple):
    """A label's cluster on one ring before and after; None where it has none."""

    ring: str
    before: str | None
    after: str | None


class LabelChange(NamedTuple):
    """A label that two versions of the tables place differently, and where."""

    label: str
    rings: tuple[ClusterChange, ...]


def compare(before: OfficialTables, after: OfficialTables) -> list[LabelChange]:
    """The labels whose cluster differs on some level of some wheel, in alphabetical order.

    Labels known to one version only are among them. The wheel-less rings ``case1`` and ``case2``
    are left out.
    """
    labels = sorted(before.forms.keys() | after.forms.keys())
    old, new = _wheel_clusters(before, labels), _wheel_clusters(after, labels)
    changes = []
    for row, label in enumerate(labels):
        moved = tuple(
            ClusterChange(ring, old[ring][row], new[ring][row])
            for ring in old
            if old[ring][row] != new[ring][row]
        )
        if moved:
            changes.append(LabelChange(label, moved))
    return changes


def _wheel_clusters(tables: OfficialTables, labels: list[str]) -> dict[str, list[str | None]]:
    """Per wheel ring, the cluster of each label."""
    mapped = build_normalizer(tables).map(labels)
    return {
        ring.key: [None if code == UNKNOWN else ring.clusters[code] for code in column]
        for ring, column in zip(mapped.rings, mapped.codes.T.tolist(), strict=True)
        if ring.wheel in WHEELS
    }
