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
from lexicon_graph import AffectGraph, Parameters
from lexicon_source import Source, WndbSource, WnSource

from ovbench.normalize.lexicon.forms import inflections, one_edit_away
from ovbench.normalize.lexicon.store import FOLDER, TYPO_LENGTH, load_wheels

THRESHOLD = 300
"""Least cosine, in thousandths, that places a word (``agreement.py --calibrate`` prints it)."""


def open_source(text: str) -> Source:
    kind, _, path = text.partition(":")
    if kind not in ("wndb", "wn") or not Path(path).exists():
        sys.exit(f"--source {text!r}: expected wndb:FOLDER or wn:FILE, and that it exists")
    return WndbSource(Path(path)) if kind == "wndb" else WnSource(Path(path))


def emotion_words(graph: AffectGraph) -> set[tuple[str, str]]:
    """Adjectives and nouns whose first sense is affective or one close relation from it."""
    found = set()
    for lemma, pos in graph.words:
        if pos in "an" and lemma.replace("-", "").isalpha():
            first = graph.source.synset(graph.source.senses(lemma, pos)[0])
            near = {first.id, *(link.target for link in first.links if link.relation != "antonym")}
            if near & graph.affect:
                found.add((lemma, pos))
    return found


def word_lines(graph: AffectGraph, wheel_words: list[str]) -> dict[tuple[str, str], str]:
    """``lemma/pos``, a tab, ``e`` or ``-`` for emotion word or not, ``number:cosine`` pairs."""
    p, emotions = graph.parameters, emotion_words(graph)
    nearness = np.rint(graph.nearness(wheel_words) * 1000).astype(int)
    lines = {}
    for (lemma, pos), row in zip(graph.words, nearness, strict=True):
        best = np.argsort(-row, kind="stable")[: p.neighbours]
        pairs = [f"{column}:{row[column]}" for column in best if row[column] >= p.floor]
        flag = "e" if (lemma, pos) in emotions else "-"
        if pairs:
            lines[lemma, pos] = f"{lemma}/{pos}\t{' '.join([flag, *pairs])}"
    return lines


def lookalikes(source: Source, known: set[str], targets: set[str]) -> list[str]:
    """Real words outside the lexicon that are one edit from a word of it, so not its misspelling."""
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
    known = {lemma for lemma, _ in lines}
    yield f"# The open lexicon of ovbench, built by scripts/build_lexicon.py from {source.name}."
    yield "# Licence of the source: see LICENSE.wordnet beside this file."
    yield f"# {parameters}"
    yield f"# words={len(lines)} synsets={len(graph.synsets)} threshold={THRESHOLD}"
    yield "[wheel words]"
    yield from wheel_words
    yield "[words]"
    yield from lines.values()
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
    targets = {w for w in known | set(wheel_words) if w.isalpha() and len(w) >= TYPO_LENGTH - 1}
    yield from lookalikes(source, known | set(wheel_words), targets)


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
