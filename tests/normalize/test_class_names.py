"""Canonical names of classes: what corpora call by other words, and nothing that changes a task."""

from __future__ import annotations

import pytest

from ovbench.normalize.canonical import _SYNONYMS, canonical

IEMOCAP = {
    "neu": "neutral",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "ang": "angry",
    "fru": "frustrated",
    "fea": "fearful",
    "sur": "surprised",
    "dis": "disgusted",
    "oth": "other",
    "xxx": "no_agreement",
}
"""The codes of IEMOCAP's own evaluation files, and what its documentation calls them."""


@pytest.mark.parametrize(("code", "name"), IEMOCAP.items())
def test_codes_of_corpora(code: str, name: str) -> None:
    assert canonical(code) == name


def test_every_name_has_one_meaning() -> None:
    words = [word for name, words in _SYNONYMS.items() for word in (name, *words)]
    assert len(set(words)) == len(words)
    for word in words:
        assert canonical(canonical(word)) == canonical(word)


def test_what_is_no_synonym_stays_itself() -> None:
    assert canonical("joy") == canonical("happiness") == "happy"
    assert canonical("bored") == "bored"
    assert canonical("Joy") == "Joy", "readers fold the case"
    # Merging these changes a task, and is a protocol's business.
    assert canonical("excited") != canonical("happy")
    assert canonical("calm") != canonical("neutral")
