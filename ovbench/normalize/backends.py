"""Other ways to do stages 1 and 2: nltk's lemmatizer, full wordnets in wn, sentence embeddings.

Each is optional, says what is missing, and has an id of its own, so that a signature shows it.
None of them reaches the network.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ovbench.errors import InputError, MissingExtraError
from ovbench.normalize.lemma import NOT_IN_LEXICON, ON_WHEEL
from ovbench.normalize.lexicon.forms import PARTS_OF_SPEECH
from ovbench.normalize.lexicon.phrases import clean
from ovbench.normalize.lexicon.store import Lexicon, load_lexicon, neutral_words
from ovbench.normalize.normalizer import Candidate, Lemma
from ovbench.normalize.sentence_model import SentenceModel
from ovbench.normalize.synonym import LexiconSynonyms

MAX_SYNSETS = 200
"""How many synsets ``WnSynonyms`` visits before it gives a word up."""
NEAREST = 8
"""How many wheel words ``SentenceSynonyms`` keeps per label."""
LEAST_COSINE = 0.4
"""Least cosine of embeddings that counts as near."""


class NltkLemmatizer:
    """nltk's WordNetLemmatizer for each part of speech; no phrase, negation or typo rules.

    A label none of whose lemmas is in the lexicon gives none, or with ``keep_unknown`` one with
    the part of speech ``?``.

    Raises
    ------
    MissingExtraError
        Where nltk is not installed.
    InputError
        Where its WordNet data are not on ``nltk.data.path``.
    """

    def __init__(self, *, keep_unknown: bool = False) -> None:
        try:
            import nltk
            from nltk.corpus import wordnet
            from nltk.stem import WordNetLemmatizer
        except ImportError:
            raise MissingExtraError("the nltk lemmatizer", "wordnet") from None
        try:
            version = wordnet.get_version()
        except LookupError:
            raise InputError(
                "nltk's WordNet data were not found",
                where=", ".join(nltk.data.path),
                expected="a folder corpora/wordnet with WordNet's data.*, index.*, *.exc, "
                "index.sense and lexnames files in one of these folders",
                mend="run python -m nltk.downloader wordnet, or set NLTK_DATA to a folder that "
                "has it (docs/decisions/0002-open-lexicon.md says how to lay one out offline)",
            ) from None
        self._lemmatizer = WordNetLemmatizer()
        self._lexicon = load_lexicon()
        self._keep_unknown = keep_unknown
        self._id = f"nltk:{nltk.__version__}+wordnet-{version}"

    @property
    def id(self) -> str:
        """``nltk:<version>+wordnet-<version>``."""
        return self._id

    def lemmatize(self, label: str) -> tuple[Lemma, ...]:
        """One lemma per part of speech that the lexicon knows the lemma in."""
        text = clean(label)
        if text in neutral_words():
            return (Lemma("neutral", "", 1.0, f"{ON_WHEEL}, no emotion"),)
        own = [Lemma(text, "", 1.0, ON_WHEEL)] if text in self._lexicon.wheel_words else []
        found = [
            Lemma(lemma, pos, 1.0, "nltk")
            for pos in PARTS_OF_SPEECH
            if self._lexicon.known(lemma := self._base(text, pos), pos)
        ]
        if text and not own and not found and self._keep_unknown:
            return (Lemma(text, NOT_IN_LEXICON, 1.0, "not in the lexicon"),)
        return (*own, *found)

    def _base(self, text: str, pos: str) -> str:
        return str(self._lemmatizer.lemmatize(text.replace(" ", "_"), pos)).replace("_", " ")


class WnSynonyms:
    """The shipped table and, for base words it lacks, a wordnet in wn's own database.

    A word outside the table is looked up with wn's Morphy; from its senses the synsets around it
    are visited in the order of their distance, and the first words that the table knows lend their
    neighbours, halved with each step.

    Raises
    ------
    MissingExtraError
        Where wn is not installed.
    InputError
        Where the lexicon is not in wn's database.
    """

    def __init__(self, specifier: str) -> None:
        try:
            import wn
            from wn.morphy import Morphy
        except ImportError:
            raise MissingExtraError("a wordnet as stage 2", "wordnet") from None
        try:
            self._wordnet = wn.Wordnet(specifier)
        except wn.Error:
            raise InputError(
                f"no lexicon {specifier!r} in wn's database",
                where=str(wn.config.database_path),
                mend=f"download it once with: python -m wn download {specifier}",
            ) from None
        self._wordnet = wn.Wordnet(specifier, lemmatizer=Morphy(self._wordnet))
        self._table = LexiconSynonyms()
        names = "+".join(lexicon.specifier() for lexicon in self._wordnet.lexicons())
        self._id = f"{self._table.id}+wn-{wn.__version__}:{names}"

    @property
    def id(self) -> str:
        """``lexicon:open-1@<hash8>+wn-<version>:<lexicon>``."""
        return self._id

    def merge(self, lemmas: tuple[Lemma, ...]) -> tuple[Candidate, ...]:
        """Wheel words from the table; from the wordnet where the table has none."""
        if found := self._table.merge(lemmas):
            return found
        if lemmas and lemmas[0].pos == NOT_IN_LEXICON:
            return self._around(lemmas[0].word)
        return ()

    def _around(self, word: str) -> tuple[Candidate, ...]:
        """Neighbours of the nearest words that the table knows, breadth first."""
        layer, seen, weight = self._wordnet.synsets(word), set[str](), 1.0
        while layer and len(seen) < MAX_SYNSETS:
            near = tuple(
                Lemma(lemma.lower(), "a" if synset.pos == "s" else synset.pos)
                for synset in layer
                for lemma in synset.lemmas()
                if self._table.lexicon.known(lemma.lower(), synset.pos.replace("s", "a"))
            )
            if near:
                return tuple(
                    candidate._replace(
                        score=candidate.score * weight,
                        how=f"{candidate.how}, through {candidate.lemma!r}",
                        lemma=word,
                    )
                    for candidate in self._table.merge(near)
                )
            seen.update(synset.id for synset in layer)
            layer = [s for synset in layer for s in _related(synset) if s.id not in seen]
            weight /= 2
        return ()


def _related(synset: Any) -> list[Any]:
    """Synsets one relation away, lexical relations but antonyms included."""
    lexical = [
        target.synset()
        for sense in synset.senses()
        for relation, targets in sense.relations().items()
        if relation != "antonym"
        for target in targets
        if hasattr(target, "synset")
    ]
    return [*synset.get_related("hypernym", "similar", "also", "attribute"), *lexical]


class SentenceSynonyms:
    """Wheel words by the cosine of sentence embeddings, from a model in a local folder.

    No code that comes with a model is run. What is embedded is the first base word of stage 1, or
    the cleaned label where the lexicon lacks it. A denied label without an antonym has no place.

    Raises
    ------
    MissingExtraError
        Where sentence-transformers is not installed.
    InputError
        Where the path is not a folder with a model.
    """

    def __init__(self, path: Path) -> None:
        self._model = SentenceModel(path, "sentence embeddings as stage 2")
        self._lexicon: Lexicon = load_lexicon()
        self._id = f"sentence:{path.name}@{self._model.sha256[:8]}"

    @property
    def id(self) -> str:
        """``sentence:<folder>@<hash8>``, the hash over the files that the model is loaded from."""
        return self._id

    @cached_property
    def _wheel_vectors(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Unit vectors of the wheel words, shape (words, dimensions), float32."""
        return np.stack([self._model.embed(word) for word in self._lexicon.wheel_words])

    def merge(self, lemmas: tuple[Lemma, ...]) -> tuple[Candidate, ...]:
        """The nearest wheel words with their cosines, best first."""
        if not lemmas or not lemmas[0].weight:
            return ()
        word = lemmas[0].word
        if word == "neutral":
            return (Candidate(word, 1.0, word, "itself"),)
        cosines = (self._wheel_vectors @ self._model.embed(word)).tolist()
        found = sorted(zip(cosines, self._lexicon.wheel_words, strict=True), reverse=True)
        return tuple(
            Candidate(wheel_word, min(cosine, 1.0), word, "near in the embedding")
            for cosine, wheel_word in found[:NEAREST]
            if cosine >= LEAST_COSINE
        )
