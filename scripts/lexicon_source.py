"""Where the lexicon is built from: WordNet through nltk, or a WN-LMF file through wn.

Both are seen through one small interface: synsets with their words, gloss and links, the senses of
a word in order, irregular forms, and the vocabulary. Words are lower-case, with spaces.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

AFFECT_FILES = ("noun.feeling", "verb.emotion")
"""WordNet's lexicographer files of feelings."""

_LEXNAMES = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute "
    "noun.body noun.cognition noun.communication noun.event noun.feeling noun.food noun.group "
    "noun.location noun.motive noun.object noun.person noun.phenomenon noun.plant "
    "noun.possession noun.process noun.quantity noun.relation noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication "
    "verb.competition verb.consumption verb.contact verb.creation verb.emotion verb.motion "
    "verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl"
)
"""Lexicographer files in the order of their numbers (WordNet's lexnames(5WN))."""


class Link(NamedTuple):
    """A relation from one synset to another; ``lemma`` and ``target_lemma`` where it is lexical."""

    relation: str
    target: str
    lemma: str = ""
    target_lemma: str = ""


@dataclass(frozen=True)
class Synset:
    """One concept: its part of speech (n, v, a, r), lexicographer file, words, gloss and links."""

    id: str
    pos: str
    file: str
    lemmas: tuple[str, ...]
    gloss: str
    links: tuple[Link, ...]


class Source(Protocol):
    """What the build needs of a wordnet."""

    name: str

    def synset(self, key: str) -> Synset: ...
    def affect(self) -> frozenset[str]: ...
    def senses(self, lemma: str, pos: str) -> tuple[str, ...]: ...
    def exceptions(self) -> Mapping[str, tuple[str, ...]]: ...
    def vocabulary(self) -> Iterator[str]: ...


def plain(name: str) -> str:
    """A lemma as the lexicon writes it: lower-case, spaces for underscores."""
    return name.replace("_", " ").lower()


def lay_out_corpus(wordnet: Path, target: Path) -> Path:
    """A ``corpora/wordnet`` folder as nltk wants it, from WNDB files such as Debian's.

    Debian leaves out ``lexnames``; it is written from the list in this module. Returns the corpus
    folder.
    """
    corpus = target / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for pattern in ("data.*", "index.*", "*.exc", "cntlist.rev"):
        for file in sorted(wordnet.glob(pattern)):
            shutil.copyfile(file, corpus / file.name)
    number = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
    lines = [
        f"{i:02d}\t{name}\t{number[name.split('.')[0]]}" for i, name in enumerate(_LEXNAMES.split())
    ]
    (corpus / "lexnames").write_text("\n".join(lines) + "\n", encoding="ascii")
    return corpus


class WndbSource:
    """WordNet database files, read with nltk's WordNetCorpusReader."""

    def __init__(self, wordnet: Path) -> None:
        import nltk
        from nltk.corpus.reader.wordnet import WordNetCorpusReader
        from nltk.data import FileSystemPathPointer

        self._folder = tempfile.TemporaryDirectory()
        corpus = lay_out_corpus(wordnet, Path(self._folder.name))
        nltk.data.path.insert(0, self._folder.name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "multilingual functions are not available"
            self._reader = WordNetCorpusReader(FileSystemPathPointer(str(corpus)), None)
        self.name = f"WordNet {self._reader.get_version()}"
        self.synset = cache(self._synset)

    def _key(self, synset: object) -> str:
        pos, offset = synset.pos(), synset.offset()
        return f"{'a' if pos == 's' else pos}{offset:08d}"

    def _synset(self, key: str) -> Synset:
        item = self._reader.synset_from_pos_and_offset(key[0], int(key[1:]))
        conceptual = (
            *(("hypernym", t) for t in item.hypernyms() + item.instance_hypernyms()),
            *(("hyponym", t) for t in item.hyponyms() + item.instance_hyponyms()),
            *(("similar", t) for t in item.similar_tos()),
            *(("attribute", t) for t in item.attributes()),
            *(("also", t) for t in item.also_sees()),
            *(("entails", t) for t in item.entailments()),
            *(("causes", t) for t in item.causes()),
            *(("verb group", t) for t in item.verb_groups()),
        )
        lexical = (
            (relation, lemma, target)
            for lemma in item.lemmas()
            for relation, targets in (
                ("derivation", lemma.derivationally_related_forms()),
                ("pertainym", lemma.pertainyms()),
                ("antonym", lemma.antonyms()),
                ("also", lemma.also_sees()),
                ("verb group", lemma.verb_groups()),
            )
            for target in targets
        )
        return Synset(
            key,
            key[0],
            item.lexname(),
            tuple(dict.fromkeys(plain(lemma.name()) for lemma in item.lemmas())),
            item.definition(),
            (
                *(Link(relation, self._key(target)) for relation, target in conceptual),
                *(
                    Link(relation, self._key(t.synset()), plain(lemma.name()), plain(t.name()))
                    for relation, lemma, t in lexical
                ),
            ),
        )

    def affect(self) -> frozenset[str]:
        return frozenset(
            self._key(item)
            for pos in ("n", "v")
            for item in self._reader.all_synsets(pos)
            if item.lexname() in AFFECT_FILES
        )

    def senses(self, lemma: str, pos: str) -> tuple[str, ...]:
        found = self._reader.synsets(lemma.replace(" ", "_"), pos)
        # synsets() also looks for base forms; the word's own senses are wanted here
        return tuple(
            self._key(item)
            for item in found
            if lemma in (plain(name) for name in item.lemma_names())
        )

    def exceptions(self) -> Mapping[str, tuple[str, ...]]:
        found = {}
        for pos, name in (("n", "noun"), ("v", "verb"), ("a", "adj"), ("r", "adv")):
            with self._reader.open(f"{name}.exc") as lines:
                for line in lines:
                    form, *bases = map(plain, line.split())
                    found[f"{form}/{pos}"] = tuple(bases)
        return found

    def vocabulary(self) -> Iterator[str]:
        return map(plain, self._reader.all_lemma_names())


_WN_RELATIONS = {
    **{name: name for name in ("hypernym", "hyponym", "similar", "attribute", "also")},
    **{name: name for name in ("entails", "causes", "derivation", "pertainym", "antonym")},
    "instance_hypernym": "hypernym",
    "instance_hyponym": "hyponym",
}
"""wn's names of relations → those of this module; others are left out."""


class WnSource:
    """A WN-LMF file, loaded by wn into a database of its own."""

    def __init__(self, file: Path) -> None:
        import wn

        self._folder = tempfile.TemporaryDirectory()
        wn.config.data_directory = self._folder.name
        wn.add(file, progress_handler=None)
        lexicons = wn.lexicons()
        self._wordnet = wn.Wordnet(" ".join(lex.specifier() for lex in lexicons), expand="")
        self.name = ", ".join(f"{lex.label} {lex.version}" for lex in lexicons)
        self.synset = cache(self._synset)

    def _synset(self, key: str) -> Synset:
        item = self._wordnet.synset(key)
        links = [
            Link(_WN_RELATIONS[relation], target.id)
            for relation, targets in item.relations().items()
            if relation in _WN_RELATIONS
            for target in targets
        ]
        links += [
            Link(
                _WN_RELATIONS[relation],
                target.synset().id,
                plain(sense.word().lemma()),
                plain(target.word().lemma()),
            )
            for sense in item.senses()
            for relation, targets in sense.relations().items()
            if relation in _WN_RELATIONS
            for target in targets
        ]
        pos = "a" if item.pos == "s" else item.pos
        lemmas = tuple(dict.fromkeys(plain(lemma) for lemma in item.lemmas()))
        return Synset(key, pos, item.lexfile() or "", lemmas, item.definition() or "", tuple(links))

    def affect(self) -> frozenset[str]:
        return frozenset(
            item.id
            for pos in ("n", "v")
            for item in self._wordnet.synsets(pos=pos)
            if item.lexfile() in AFFECT_FILES
        )

    def senses(self, lemma: str, pos: str) -> tuple[str, ...]:
        words = [
            word
            for part in (("a", "s") if pos == "a" else (pos,))
            for word in self._wordnet.words(lemma, pos=part)
            if plain(word.lemma()) == lemma
        ]
        return tuple(dict.fromkeys(item.id for word in words for item in word.synsets()))

    def exceptions(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for word in self._wordnet.words():
            base, pos = plain(word.lemma()), "a" if word.pos == "s" else word.pos
            for form in word.forms()[1:]:
                key = f"{plain(form)}/{pos}"
                found[key] = (*found.get(key, ()), base)
        return found

    def vocabulary(self) -> Iterator[str]:
        return (plain(word.lemma()) for word in self._wordnet.words())
