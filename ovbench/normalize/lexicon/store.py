"""The files of the open lexicon: the data built from WordNet, and the five wheels.

``open-1.tsv`` is plain text (``scripts/build_lexicon.py`` writes it): a header, the wheel words,
and per word of the lexicon the wheel words nearest to it with the cosine of their profiles in
thousandths. Lines are kept as text and taken apart when a word is first looked up, so that loading
takes milliseconds.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from ovbench.normalize.lexicon.forms import PARTS_OF_SPEECH

FOLDER = Path(__file__).parent
VERSION = "open-1"
NEUTRAL = "neutral"
"""The cluster of labels that say there is no emotion; it stands on every ring."""
TYPO_LENGTH = 5
"""Shortest label that is looked at for a slip of the pen, in letters."""


@dataclass(frozen=True)
class Wheel:
    """One wheel: level-1 word → level-2 word → level-3 words, in the order of its file.

    ``tree`` and the order of its keys fix the order of clusters on both rings.
    """

    id: str
    title: str
    source: str
    tree: dict[str, dict[str, list[str]]]

    @cached_property
    def places(self) -> dict[str, tuple[str, str | None]]:
        """Word → its cluster on level 1 and on level 2.

        A word in several places belongs to the last of them in the file. A level-1 word that
        stands nowhere else names its whole branch: it has no level-2 cluster of its own (None).
        """
        found: dict[str, tuple[str, str | None]] = {first: (first, None) for first in self.tree}
        for first, branch in self.tree.items():
            for second, thirds in branch.items():
                found |= dict.fromkeys((second, *thirds), (first, second))
        return found

    @property
    def words(self) -> tuple[str, ...]:
        """Every word of the wheel, each once."""
        return tuple(self.places)


@dataclass(frozen=True, eq=False)
class Lexicon:
    """``open-1.tsv`` in memory.

    Attributes
    ----------
    hash:
        SHA-256 of the file, hexadecimal.
    threshold:
        Least cosine (thousandths) between a label and a cluster's best word that places it there.
    wheel_words:
        All words of the five wheels, sorted.
    words:
        ``lemma/pos`` → ``e`` (emotion word) or ``-``, then ``number:cosine`` pairs, best first.
    irregular:
        ``form/pos`` → base words.
    antonyms:
        ``lemma/pos`` → ``lemma/pos`` of its direct antonyms.
    lookalikes:
        Words for :meth:`lookalike`, each between two ends of lines: few are ever looked for.
    """

    hash: str
    threshold: int
    wheel_words: tuple[str, ...]
    words: dict[str, str]
    irregular: dict[str, tuple[str, ...]]
    antonyms: dict[str, tuple[str, ...]]
    lookalikes: str

    def known(self, lemma: str, pos: str) -> bool:
        """Whether a (lemma, part of speech) is a word of the lexicon."""
        return f"{lemma}/{pos}" in self.words

    def nearest(self, lemma: str, pos: str) -> list[tuple[str, int]]:
        """Wheel words nearest to a word, with cosines in thousandths; empty for unknown words."""
        _, *pairs = self.words.get(f"{lemma}/{pos}", "-").split(" ")
        found = (pair.split(":") for pair in pairs)
        return [(self.wheel_words[int(number)], int(cosine)) for number, cosine in found]

    def lookalike(self, word: str) -> bool:
        """Whether a word is real and one edit away from one of the lexicon: no misspelling."""
        return f"\n{word}\n" in self.lookalikes

    def placed(self, word: str) -> bool:
        """Whether a word, as any part of speech, is near enough to a wheel word."""
        return any(True for _ in self._near_enough(word))

    def emotion(self, word: str) -> bool:
        """Whether it is, and means an emotion in a common sense."""
        return any(line.startswith("e") for line in self._near_enough(word))

    def _near_enough(self, word: str) -> Iterator[str]:
        lines = (self.words.get(f"{word}/{pos}") for pos in PARTS_OF_SPEECH)
        return (line for line in lines if line and best_cosine(line) >= self.threshold)

    @cached_property
    def lemmas(self) -> frozenset[str]:
        """The words without their parts of speech, and the wheel words."""
        return frozenset(key[:-2] for key in self.words) | frozenset(self.wheel_words)

    @cached_property
    def emotion_words(self) -> frozenset[str]:
        """Single words that mean an emotion in a common sense and have a place on a wheel.

        The participles among the wheel words (*overwhelmed*) are emotion words as well, although
        WordNet lists some of them under their verbs only.
        """
        return frozenset(
            key[:-2]
            for key, line in self.words.items()
            if line.startswith("e") and best_cosine(line) >= self.threshold
        ).union(word for word in self.wheel_words if word.endswith("ed") and word.isalpha())


def best_cosine(line: str) -> int:
    """Cosine of a word with its nearest wheel word (thousandths), from its line in the file."""
    return int(line.split(" ", 2)[1].partition(":")[2])


@cache
def load_lexicon(path: Path = FOLDER / f"{VERSION}.tsv") -> Lexicon:
    """Read a lexicon file; the shipped one by default."""
    data = path.read_bytes()
    header, *parts = data.decode("utf-8").removesuffix("\n").split("\n[")
    sections = dict(part.split("]\n", 1) for part in parts)
    threshold = re.search(r"threshold=(\d+)", header)
    assert threshold is not None, "the build writes the threshold into the header"
    words = sections["words"].replace("\n", "\t").split("\t")  # thousands of lines in one step
    return Lexicon(
        hash=hashlib.sha256(data).hexdigest(),
        threshold=int(threshold[1]),
        wheel_words=tuple(sections["wheel words"].split("\n")),
        words=dict(zip(words[::2], words[1::2], strict=True)),
        irregular=_table(sections["irregular forms"]),
        antonyms=_table(sections["antonyms"]),
        lookalikes=f"\n{sections['lookalikes']}\n",
    )


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """First cell of each line → its other cells."""
    split = (line.split("\t") for line in text.split("\n"))
    return {first: tuple(rest) for first, *rest in split}


@cache
def load_wheels() -> tuple[Wheel, ...]:
    """The five wheels, in the order of their ids."""
    files = sorted((FOLDER / "wheels").glob("wheel*.toml"))
    return tuple(Wheel(**tomllib.loads(file.read_text(encoding="utf-8"))) for file in files)


@cache
def neutral_words() -> frozenset[str]:
    """Labels that say there is no emotion."""
    text = (FOLDER / "wheels" / "neutral.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)["words"])


@cache
def wheels_hash() -> str:
    """SHA-256 over the wheel files, hexadecimal."""
    files = sorted((FOLDER / "wheels").glob("*.toml"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
