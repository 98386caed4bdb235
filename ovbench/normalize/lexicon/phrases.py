"""Short lists of English function words that the open lemmatizer's phrase rules use.

They say how a phrase is built (what negates, what only grades, what merely carries a feeling),
never what an emotion word means.
"""

from __future__ import annotations

import re
import unicodedata


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEGATORS = _words(
    "not no never without neither nor non cannot can't don't doesn't didn't isn't aren't wasn't "
    "weren't won't hardly barely scarcely less lacking lack absence absent unable devoid"
)
"""Words that deny what follows; with *of* or *to* after them where English wants it."""

NOT_DENYING = re.compile(r"\bnot (?:only|just|merely|simply) ")
"""*Not only X*: says X."""

INTENSITY = _words(
    "very slightly extremely highly deeply strongly intensely mildly moderately fairly rather "
    "quite somewhat really truly too so totally completely utterly absolutely incredibly "
    "increasingly particularly especially more most much little bit lot kind sort a an the "
    "slight mild strong intense deep extreme great high moderate severe"
)
"""Words that only grade what follows."""

CARRIERS = _words(
    "feeling feelings feel feels felt sense senses emotion emotions emotional emotionally mood "
    "moods state states tone tones attitude attitudes expression expressions sentiment sentiments "
    "manner hint touch trace fit wave air look being seems seem seemingly sounds sounding looks "
    "looking appears is was be i am they he she it their his her my himself herself themselves "
    "someone others person speaker"
)
"""Words that carry a feeling or its bearer without naming it: *a sense of X*, *feeling X*."""

PREPOSITIONS = _words(
    "of to in at on with for from by about over toward towards against under into because"
)
_CONJUNCTIONS = re.compile(r" (?:and|or|but|yet|and/or|mixed with|as well as) |\s*[/&+;,]\s*")
_MARKUP = str.maketrans(
    {**dict.fromkeys('*`~#"“”„«»<>[]{}()|\\', " "), "_": " ", "’": "'", "‘": "'", "ʼ": "'"}
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad")
    | dict.fromkeys("‐‑‒–—−", "-")
)


def clean(label: str) -> str:
    """A label in NFKC and lower case, without markdown, quotes, brackets and outer punctuation."""
    text = unicodedata.normalize("NFKC", label).lower().translate(_MARKUP)
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    text = re.sub(r"^\s*(?:[-•·]|\d+[.):])\s+", "", text)
    return " ".join(text.split()).strip(" .,;:!?-…。，、；：！？")


def conjuncts(text: str) -> list[str]:
    """The parts that *and*, *or*, *but*, slashes and the like join."""
    return [part for part in _CONJUNCTIONS.split(text) if part]
