"""Normalizers and their stages by name. A stage's module is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from ovbench.errors import UnknownNameError
from ovbench.normalize.normalizer import Lemmatizer, Normalizer, SynonymMerger


def open_normalizer(lemmatizer: str = "table", synonyms: str = "lexicon") -> Normalizer:
    """The open normalizer, from the lexicon that ships with ovbench.

    Parameters
    ----------
    lemmatizer:
        Stage 1. ``table``: the shipped rules and word list. ``nltk``: nltk's WordNetLemmatizer.
    synonyms:
        Stage 2. ``lexicon``: the shipped table. ``wn:LEXICON``: the table, and for words it lacks
        a wordnet in wn's database (``wn:oewn:2025``). ``sentence:PATH``: a sentence-transformers
        model in a local folder.

    Raises
    ------
    UnknownNameError
        For any other name.
    MissingExtraError, InputError
        Where a stage's package or data are missing.

    Example
    -------
    >>> from ovbench import open_normalizer
    >>> trace = open_normalizer().trace("depressed")
    >>> trace.cluster(0)
    'sad'
    """
    from ovbench.normalize.wheel import ClusterMap

    stage1 = _open_lemmatizer(lemmatizer, keep_unknown=synonyms != "lexicon")
    return Normalizer(stage1, _open_synonyms(synonyms), ClusterMap())


def official_normalizer(tables: str = "affectgpt-2025") -> Normalizer:
    """The authors' own mapping, from tables stored with ``ovbench tables add``.

    The rings are ``case1/words``, ``case2/words`` and levels 1 and 2 of wheels 1 to 5.

    Raises
    ------
    UnknownNameError
        If no tables of that name are stored; the message says where to get them.
    InputError
        If the stored file was changed since it was added.
    """
    from ovbench.normalize.official import build_normalizer
    from ovbench.normalize.tables import load_tables

    return build_normalizer(load_tables(tables))


def _open_lemmatizer(name: str, *, keep_unknown: bool) -> Lemmatizer:
    """Stage 1 by name; with ``keep_unknown``, labels that the lexicon lacks reach stage 2."""
    if name == "table":
        from ovbench.normalize.lemma import TableLemmatizer

        return TableLemmatizer(keep_unknown=keep_unknown)
    if name == "nltk":
        from ovbench.normalize.backends import NltkLemmatizer

        return NltkLemmatizer(keep_unknown=keep_unknown)
    raise UnknownNameError("lemmatizer", name, ["table", "nltk"])


def _open_synonyms(name: str) -> SynonymMerger:
    """Stage 2 by name."""
    kind, _, rest = name.partition(":")
    if name == "lexicon":
        from ovbench.normalize.synonym import LexiconSynonyms

        return LexiconSynonyms()
    if kind == "wn" and rest:
        from ovbench.normalize.backends import WnSynonyms

        return WnSynonyms(rest)
    if kind == "sentence" and rest:
        from ovbench.normalize.backends import SentenceSynonyms

        return SentenceSynonyms(Path(rest))
    raise UnknownNameError("synonym stage", name, ["lexicon", "wn:LEXICON", "sentence:PATH"])
