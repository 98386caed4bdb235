"""Emotion words in English text, by rules: the open lexicon, and negation.

:func:`extract` reads two kinds of text. A *list* (``angry, a bit sad``) gives the emotion words of
its entries, and entries in other words that the open normalizer can place. *Prose* gives the
emotion words of the lexicon, each once and in their order, but for

- negated ones: after *not*, *no sign of*, *rather than* … up to the end of the clause, and before
  *is absent*, *is not heard* … (:mod:`ovbench.systems.pipeline.negation`);
- words that are mostly something else in prose: *despite*, *still*, a *light* or *quiet* voice,
  the *content* of a sentence;
- quoted speech of four words and more: what is said, not how;
- politeness: *I am happy to help*, *I'm afraid I cannot*.

Adverbs and compounds give their word: *angrily* is ``angry``, *grief-stricken* is ``grief``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ovbench.io.labels import Status, get_parser
from ovbench.io.labels.base import words
from ovbench.io.labels.open_text import fold, without_markup
from ovbench.systems.pipeline.negation import has_negation, negated, waved_off

if TYPE_CHECKING:
    from ovbench.normalize.normalizer import Normalizer

ID = "rules-1"
"""Rises whenever any text is read differently."""

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[.,;:!?\n()]")
_QUOTED = re.compile(r'"([^"\n]*)"')
_LONG_QUOTE = 4
"""Words from which a quotation is what somebody said, and not a label in quotes."""
_ORDINARY = words(
    "accepted attentive attractive aware belonging casualness close closeness connected cool "
    "coolness dear deserted despite disappeared discerning distance distant distraction easement "
    "easiness easy elicitation embodied emotionality evocation evocative exposed forgotten ghost "
    "glow heaviness hush important inadequate insight insignificant insinuating insulated "
    "intelligent light lightsome lowering lowness mellow mellowness musing mystery noticed "
    "penitentiary perception perceptiveness perceptivity poor poorness quiet quietness quietude "
    "quiver redolent reflective remindful reminiscent resonant respect rushed secure security "
    "sedative sense sensibility sentiment shudder smart smarting soft-boiled specter spell spite "
    "still stillness stimulating stir storminess successful swollen taste tempest tendency thorn "
    "thorniness thrown together togetherness turn-on turnoff upstage valuable valued violent wild"
)
"""In the lexicon, but mostly something else in a caption's prose."""
_BEFORE_CONTENT = words(
    "is are was feels feel felt feeling sounds sound sounded sounding seems seem seemed appears "
    "appear appeared remains being very quite fairly rather deeply and or calm happy relaxed ,"
)
_POLITE = words("happy glad pleased delighted")
_OFFERS = words("help assist provide answer analyze analyse offer share give continue")
_VOICE = words(
    "voice tone volume pitch pace pauses pause speech energy rate tempo loudness intensity "
    "inflection articulation delivery rhythm speed"
)
"""What descriptions are made of: *bright tone* in a list is none of its labels."""
_PRIVATIVE = words("free less proof")
"""Second parts of compounds that take the first away: *anger-free*."""
_OPPOSING = words("non anti not un")


def extract(text: str) -> tuple[str, ...]:
    """The labels in a text, in their order, each once; nothing is raised, whatever it is.

    >>> extract("She sounds hurt and not at all angry; there is no sign of joy.")
    ('hurt',)
    >>> extract("angry, frustrated")
    ('angry', 'frustrated')
    """
    plain = without_markup(fold(text))
    tokens = _TOKEN.findall(plain)
    if not has_negation(tokens):
        listed, status = get_parser("open").parse(text)
        if status is Status.OK:
            return tuple(dict.fromkeys(word for entry in listed for word in _of_entry(entry)))
    return _in_prose(_TOKEN.findall(_QUOTED.sub(_quotation, plain)))


def _quotation(found: re.Match[str]) -> str:
    said = found[1].split()
    return " " if len(said) >= _LONG_QUOTE else f" {found[1]} "


def _in_prose(tokens: Sequence[str]) -> tuple[str, ...]:
    reached = negated(tokens)
    words_of = [emotion_word(token) for token in tokens]
    named = [word is not None for word in words_of]
    found: dict[str, None] = {}
    for at, word in enumerate(words_of):
        if word is None or reached[at] or _means_something_else(tokens, at, word):
            continue
        if not waved_off(tokens, at, named):
            found[word] = None
    return tuple(found)


def _means_something_else(tokens: Sequence[str], at: int, word: str) -> bool:
    before = tokens[at - 1] if at else ""
    after = [*tokens[at + 1 : at + 3], "", ""]
    if word == "content":
        return before not in _BEFORE_CONTENT or after[0] == "of"
    if word == "afraid":
        return before == "i'm" or tuple(tokens[max(at - 2, 0) : at]) == ("i", "am")
    return word in _POLITE and after[0] == "to" and after[1] in _OFFERS


@lru_cache(maxsize=20_000)
def emotion_word(token: str) -> str | None:
    """The emotion word of a lower-case token in prose, or None.

    >>> emotion_word("angrily"), emotion_word("panic-stricken"), emotion_word("still")
    ('angry', 'panic-stricken', None)
    """
    token = token.removesuffix("'s")
    if token in _known():
        return token
    for base in (*_of_adverb(token), *_of_inflected(token)):
        if base in _known():
            return base
    first, _, last = token.partition("-")
    if not last or first in _OPPOSING or last in _PRIVATIVE:
        return None
    return emotion_word(first) or emotion_word(last)


def _of_adverb(token: str) -> tuple[str, ...]:
    """*angrily*: angry; *fearfully*: fearful; *enthusiastically*: enthusiastic."""
    if not token.endswith("ly"):
        return ()
    ends = (("ily", "y"), ("ically", "ic"), ("bly", "ble"), ("ly", ""))
    return tuple(token.removesuffix(end) + new for end, new in ends if token.endswith(end))


def _of_inflected(token: str) -> tuple[str, ...]:
    """*happier*: happy; *worries*: worry."""
    lemmas = _normalizer().lemmatizer.lemmatize(token)
    # Nothing by a guess: other spellings and slips would read *we* as woe.
    return tuple(lemma.word for lemma in lemmas if lemma.how.endswith("form"))


@cache
def _known() -> frozenset[str]:
    from ovbench.normalize.vocabulary import known_words

    return known_words() - _ORDINARY


@cache
def _normalizer() -> Normalizer:
    from ovbench.normalize.opening import open_normalizer

    return open_normalizer()


@lru_cache(maxsize=20_000)
def _of_entry(entry: str) -> tuple[str, ...]:
    """The labels in an entry of a list: its emotion words, or itself where it has a place."""
    from ovbench.normalize.normalizer import UNKNOWN

    parts = _TOKEN.findall(entry)
    if len(parts) > 1 or "-" in entry:
        found = tuple(word for word in map(emotion_word, parts) if word is not None)
        if found or "-" in entry or not (_VOICE | _ORDINARY).isdisjoint(parts):
            return found
    placed = bool((_normalizer().map([entry]).codes != UNKNOWN).any())
    return (entry,) if placed else ()
