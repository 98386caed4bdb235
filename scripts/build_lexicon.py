"""Build the open lexicon, ``ovbench/normalize/lexicon/open-1.tsv``, from a wordnet.

Run: ``python scripts/build_lexicon.py [--source wndb:/usr/share/wordnet] [--output FILE]``

Sources: ``wndb:FOLDER`` with WordNet database files (Debian: wordnet-base and wordnet-sense-index)
or ``wn:FILE``, a WN-LMF file such as Open English WordNet's. The same source gives the same bytes.
Needs the extras ``wordnet`` and ``dev`` (nltk, wn, scipy).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lexicon_graph import AffectGraph, Parameters, Word, grow
from lexicon_source import Source, WndbSource, WnSource

from ovbench.normalize.lexicon.forms import PARTS_OF_SPEECH, inflections, one_edit_away
from ovbench.normalize.lexicon.store import FOLDER, TYPO_LENGTH, best_cosine, load_wheels

THRESHOLD = 180
"""Least cosine, in thousandths, that places a word (``agreement.py --calibrate`` prints it)."""


def open_source(text: str) -> Source:
    kind, _, path = text.partition(":")
    if kind not in ("wndb", "wn") or not Path(path).exists():
        sys.exit(f"--source {text!r}: expected wndb:FOLDER or wn:FILE, and that it exists")
    return WndbSource(Path(path)) if kind == "wndb" else WnSource(Path(path))


FEELING_FILES = (
    *("noun.feeling", "noun.state", "noun.attribute", "noun.cognition"),
    *("adj.all", "adj.ppl"),
)
"""Lexicographer files of words that may name an emotion."""
FEW_SENSES = 5
"""A wheel word with no more senses than this is an emotion word in a sentence."""


def emotion_words(graph: AffectGraph, wheel_words: list[str]) -> set[Word]:
    """Adjectives and nouns (not of persons or things) that mean an emotion in a common sense.

    One of their first two senses, or the first of a word they are derived from or that is derived
    from them, is affective or one close relation from a synset that is (two for wheel words).
    Wheel words with few senses count as well; *open* and *present* do not.
    """
    one_step = grow(graph.source, graph.affect, 1)
    relatives = graph.relatives()
    found = set()
    for word in graph.words:
        common = graph.source.senses(*word)[:2]
        if graph.source.synset(common[0]).file in FEELING_FILES and _is_single(word[0]):
            related = [graph.source.senses(*other)[0] for other in relatives.get(word, ())]
            on_wheel = word[0] in wheel_words
            near = graph.close if on_wheel else one_step
            senses = sum(len(graph.source.senses(word[0], pos)) for pos in PARTS_OF_SPEECH)
            if near & {*common} or one_step & {*related} or (on_wheel and senses <= FEW_SENSES):
                found.add(word)
    return found


def _is_single(lemma: str) -> bool:
    return lemma.replace("-", "").isalpha()


def word_lines(graph: AffectGraph, wheel_words: list[str]) -> dict[Word, str]:
    """Word → ``e`` or ``-`` for emotion word or not, then ``number:cosine`` pairs, best first."""
    p, emotions = graph.parameters, emotion_words(graph, wheel_words)
    nearness = np.rint(graph.nearness(wheel_words) * 1000).astype(int)
    lines = {}
    for (lemma, pos), row in zip(graph.words, nearness, strict=True):
        best = np.argsort(-row, kind="stable")[: p.neighbours]
        pairs = [f"{column}:{row[column]}" for column in best if row[column] >= p.floor]
        flag = "e" if (lemma, pos) in emotions else "-"
        if pairs:
            lines[lemma, pos] = " ".join([flag, *pairs])
    return lines


def lookalikes(source: Source, known: set[str], targets: set[str]) -> list[str]:
    """Real words that are one edit from a word of the lexicon, and so not misspellings of it."""
    near = {edited for word in targets for edited in one_edit_away(word)} - known
    found = set()
    for word in source.vocabulary():
        if word.isalpha() and word.isascii():
            found.update(form for form in (word, *inflections(word)) if form in near)
    return sorted(form for form in found if len(form) >= TYPO_LENGTH)


def lexicon_lines(source: Source, parameters: Parameters) -> Iterator[str]:
    """The data file, line by line."""
    wheel_words = sorted({word for wheel in load_wheels() for word in wheel.words})
    graph = AffectGraph(source, wheel_words, parameters)
    lines = word_lines(graph, wheel_words)
    known = {lemma for lemma, _ in lines} | set(wheel_words)
    placed = {lemma for (lemma, _), line in lines.items() if best_cosine(line) >= THRESHOLD}
    yield f"# The open lexicon of ovbench, built by scripts/build_lexicon.py from {source.name}."
    yield "# Licence of the source: see LICENSE.wordnet beside this file."
    yield f"# {parameters}"
    yield f"# words={len(lines)} synsets={len(graph.synsets)} threshold={THRESHOLD}"
    yield "[wheel words]"
    yield from wheel_words
    yield "[words]"
    yield from (f"{lemma}/{pos}\t{line}" for (lemma, pos), line in lines.items())
    yield "[irregular forms]"
    for key, bases in sorted(graph.exceptions.items()):
        form, pos = key.rsplit("/", 1)
        if kept := [base for base in bases if base != form and (base, pos) in lines]:
            yield "\t".join([key, *kept])
    yield "[antonyms]"
    for word, opposites in sorted(graph.antonyms().items()):
        if word in lines and (kept := ["/".join(w) for w in opposites if w in lines]):
            yield "\t".join(["/".join(word), *kept])
    yield "[lookalikes]"
    targets = {word for word in placed | set(wheel_words) if word.isalpha()}
    yield from lookalikes(source, known, targets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--source", default="wndb:/usr/share/wordnet")
    parser.add_argument("--output", type=Path, default=FOLDER / "open-1.tsv")
    options = parser.parse_args()
    lines = lexicon_lines(open_source(options.source), Parameters())
    text = "\n".join(lines) + "\n"
    options.output.write_text(text, encoding="utf-8", newline="\n")
    print(f"{options.output}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
