"""Word forms: inflection, hyphens, British and American spelling, single slips of the pen.

Inflection follows WordNet's Morphy (Fellbaum 1998, ch. 5): irregular forms from an exception list,
else suffixes are detached until a known base form appears. The rules here are facts about English;
none of them knows what a word feels like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

PARTS_OF_SPEECH = ("a", "n", "v", "r")
"""Adjective, noun, verb, adverb: the order in which readings are listed."""

INDIRECT_WEIGHT = 0.4
"""Weight of a reading that is not the adjective where there is one, and of a detached form."""

_DETACH = {
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e"), ("ier", "y"), ("iest", "y")),
    "n": (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("men", "man")),
    "v": (
        *(("s", ""), ("es", ""), ("ies", "y"), ("ied", "y")),
        *(("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e")),
    ),
    "r": (),
}
_DOUBLED = re.compile(r"(.+)([bdgklmnprtvz])\2(ed|ing)")
_SPELLINGS = (
    *(("our", "or"), ("isation", "ization"), ("ising", "izing"), ("ised", "ized"), ("ise", "ize")),
    *(("yse", "yze"), ("ysed", "yzed"), ("ogue", "og"), ("ence", "ense"), ("tre", "ter")),
    *(
        ("ae", "e"),
        ("oe", "e"),
        ("lled", "led"),
        ("lling", "ling"),
        ("lful", "llful"),
        ("sc", "sk"),
    ),
    ("grey", "gray"),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Known = Callable[[str, str], bool]
"""Whether a (lemma, part of speech) is a word of the lexicon."""


class Reading(NamedTuple):
    """One way to read a form: a base word, its part of speech, a weight in 0..1 and the rule."""

    lemma: str
    pos: str
    weight: float
    how: str


def base_forms(
    form: str, pos: str, exceptions: Mapping[str, tuple[str, ...]], known: Known
) -> list[tuple[str, str]]:
    """Base words of ``form`` in one part of speech, each with the rule that gave it.

    ``exceptions`` maps ``form/pos`` to base words; where it has the form, no suffix is detached.
    """
    found = [(form, "as written")] if known(form, pos) else []
    irregular = [
        (base, "irregular form")
        for base in exceptions.get(f"{form}/{pos}", ())
        if base != form and known(base, pos)
    ]
    if irregular:
        return found + irregular
    bases = (base for base in dict.fromkeys(_detached(form, pos)) if known(base, pos))
    return found + [(base, "inflected form") for base in bases]


def _detached(form: str, pos: str) -> Iterator[str]:
    for suffix, ending in _DETACH[pos]:
        if form.endswith(suffix) and len(form) > len(suffix) + 1:
            yield form[: -len(suffix)] + ending
    if pos == "v" and (doubled := _DOUBLED.fullmatch(form)):
        yield doubled[1] + doubled[2]


def readings(
    form: str, exceptions: Mapping[str, tuple[str, ...]], known: Known
) -> tuple[Reading, ...]:
    """Every reading of a form, heaviest first.

    An adjective weighs 1; other parts of speech weigh less where the form itself is an adjective,
    because labels are adjectives or nouns far more often than verbs; so do detached forms. A
    participle (*frustrated*) thus stands for itself first and for its verb as well.
    """
    found = [
        (lemma, pos, how)
        for pos in PARTS_OF_SPEECH
        for lemma, how in base_forms(form, pos, exceptions, known)
    ]
    is_adjective = any(pos == "a" and how == "as written" for _, pos, how in found)
    weighed = [
        Reading(
            lemma,
            pos,
            (INDIRECT_WEIGHT if is_adjective and pos != "a" else 1.0)
            * (1.0 if how == "as written" else INDIRECT_WEIGHT),
            how,
        )
        for lemma, pos, how in found
    ]
    return tuple(sorted(weighed, key=lambda reading: -reading.weight))


def joined_variants(form: str) -> tuple[str, ...]:
    """The form with hyphens and spaces exchanged or left out: *light-hearted*, *lighthearted*."""
    if "-" not in form and " " not in form:
        return ()
    spaced = form.replace("-", " ")
    variants = (spaced, spaced.replace(" ", "-"), spaced.replace(" ", ""))
    return tuple(variant for variant in dict.fromkeys(variants) if variant != form)


def spelling_variants(form: str) -> tuple[str, ...]:
    """British for American spelling and the reverse, one change at a time."""
    variants: dict[str, None] = {}
    for british, american in _SPELLINGS:
        for old, new in ((british, american), (american, british)):
            at = form.find(old)
            while at >= 0:
                variants[form[:at] + new + form[at + len(old) :]] = None
                at = form.find(old, at + 1)
    variants.pop(form, None)
    return tuple(variants)


def inflections(lemma: str) -> Iterator[str]:
    """Regular inflected forms of a base word, in any part of speech (some do not exist)."""
    stem = lemma[:-1] if lemma.endswith(("e", "y")) else lemma
    yield from (lemma + "s", lemma + "es", lemma + "d", lemma + "r", lemma + "st")
    for ending in ("ed", "ing", "er", "est", "ies", "ied", "ier", "iest"):
        yield stem + ending
        yield lemma + ending
    yield from (lemma + "ly", lemma + lemma[-1] + "ed", lemma + lemma[-1] + "ing")


def one_edit_away(form: str) -> Iterator[str]:
    """Strings one insertion, deletion, substitution or swap of neighbours away from ``form``."""
    for at in range(len(form) + 1):
        head, tail = form[:at], form[at:]
        for letter in _LETTERS:
            yield head + letter + tail
            if tail and tail[0] != letter:
                yield head + letter + tail[1:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1 and tail[0] != tail[1]:
            yield head + tail[1] + tail[0] + tail[2:]
