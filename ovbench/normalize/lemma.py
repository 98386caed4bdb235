"""Stage 1 of the open normalizer: a label as it was written → base words of the lexicon.

The rules are tried in this order, on the cleaned label; the first that finds something decides:

1. the label itself, a regular or irregular inflected form, with hyphens and spaces exchanged, or
   in another spelling;
2. of joined parts (*and*, *or*, *but*, a slash), the first that is understood;
3. negation: the antonym of what is denied, or nothing at all where WordNet has none;
4. phrases: words of grade and carriers (*slightly*, *a sense of*) are dropped; else the last
   emotion word before a preposition stands for the phrase, or the last one after it;
5. a slip of the pen: the one known word that is a single edit away.

``Lemma.how`` names every rule that was used.
"""

from __future__ import annotations

from functools import cache

from ovbench.normalize.lexicon.forms import (
    joined_variants,
    one_edit_away,
    readings,
    spelling_variants,
)
from ovbench.normalize.lexicon.phrases import (
    CARRIERS,
    INTENSITY,
    NEGATORS,
    NOT_DENYING,
    PREPOSITIONS,
    clean,
    conjuncts,
)
from ovbench.normalize.lexicon.store import (
    NEUTRAL,
    TYPO_LENGTH,
    VERSION,
    Lexicon,
    load_lexicon,
    neutral_words,
)
from ovbench.normalize.normalizer import Lemma

ON_WHEEL = "a word of the wheels"
"""Beginning of ``Lemma.how`` where a label's own word stands on a wheel; ``pos`` is then empty."""

NOT_IN_LEXICON = "?"
"""``Lemma.pos`` of a label that the lexicon knows nothing of, where stage 2 is to see it."""

MAX_WORDS, MAX_LETTERS = 12, 100
"""A longer text is no label, and nothing is looked for in it."""

Lemmas = tuple[Lemma, ...]


class TableLemmatizer:
    """Base words by the rules of this module and the lexicon's own word list.

    A label that is denied and has no antonym gives one lemma of weight 0, so that a trace shows
    it; a label that is not understood gives none, or with ``keep_unknown`` one with the part of
    speech ``?``, for a stage 2 that knows more words than the lexicon.
    """

    def __init__(self, lexicon: Lexicon | None = None, *, keep_unknown: bool = False) -> None:
        self.lexicon = lexicon or load_lexicon()
        self._keep_unknown = keep_unknown
        self._wheel_words = frozenset(self.lexicon.wheel_words)
        self._neutral = neutral_words()
        self._word = cache(self._find_word)

    @property
    def id(self) -> str:
        """``table:open-1@<hash8>``."""
        return f"table:{VERSION}@{self.lexicon.hash[:8]}"

    def lemmatize(self, label: str) -> Lemmas:
        """Base words of a label, heaviest first; empty where nothing is known of it."""
        # Markup is dropped only by clean(), so a label gets some room before it.
        text = clean(label) if len(label) <= 4 * MAX_LETTERS else ""
        if not text or len(text) > MAX_LETTERS or text.count(" ") >= MAX_WORDS:
            return ()
        found = self._word(text) or self._phrase(text) or self._typo(text)
        if not found and self._keep_unknown:
            return (Lemma(text, NOT_IN_LEXICON, 1.0, "not in the lexicon"),)
        return found

    def _find_word(self, text: str) -> Lemmas:
        """Readings of a word or a fixed phrase, in whatever form or spelling."""
        if found := self._forms(text):
            return found
        joined = joined_variants(text)
        for variant in joined:
            if found := self._forms(variant):
                return _said(found, f"{variant!r} joined otherwise")
        for variant in spelling_variants(text):
            if found := self._forms(variant):
                return _said(found, f"other spelling {variant!r}")
        return ()

    def _forms(self, form: str) -> Lemmas:
        """Readings of a form exactly as it is written; a word of the wheels comes first."""
        if form in self._neutral:
            return (Lemma(NEUTRAL, "", 1.0, f"{ON_WHEEL}, no emotion"),)
        found = tuple(Lemma(*r) for r in readings(form, self.lexicon.irregular, self.lexicon.known))
        base = form if form in self._wheel_words else found[0].word if found else ""
        if base in self._wheel_words:
            how = ON_WHEEL if base == form else f"{ON_WHEEL}, {found[0].how}"
            return (Lemma(base, "", 1.0, how), *found)
        return found

    def _phrase(self, text: str) -> Lemmas:
        """Joined parts, negation, carriers, and the head of what is left."""
        text = NOT_DENYING.sub("", text)
        parts = conjuncts(text)
        if len(parts) > 1:
            understood = (self._word(p) or self._phrase(p) or self._typo(p) for p in parts)
            pairs = zip(parts, understood, strict=True)
            return next((_said(found, f"{part!r} of a pair") for part, found in pairs if found), ())
        words = text.split(" ")
        for at, word in enumerate(words):
            if word in NEGATORS and len(words) > at + 1:
                rest = " ".join(_from_content(words[at + 1 :]))
                return self._head(words[:at]) or self._denied(rest)
        if text.startswith("non-") and (denied := self._word(text[4:])):
            return self._opposite(text[4:], denied)
        return self._head(words)

    def _denied(self, rest: str) -> Lemmas:
        """What *not X* means: an antonym of X, or nothing."""
        return self._opposite(rest, self._word(rest) or self._phrase(rest)) if rest else ()

    def _opposite(self, denied: str, lemmas: Lemmas) -> Lemmas:
        if lemmas and not lemmas[0].weight:
            return (Lemma(lemmas[0].word, "", 0.0, f"denial of {denied!r}"),)
        opposites: dict[str, Lemma] = {}
        for lemma in lemmas:
            for key in self.lexicon.antonyms.get(f"{lemma.word}/{lemma.pos}", ()):
                word, _, pos = key.rpartition("/")
                how = f"antonym of {lemma.word!r}, denied"
                opposites.setdefault(key, Lemma(word, pos, lemma.weight, how))
        if not opposites:
            return (Lemma(f"not {denied}", "", 0.0, f"{denied!r} denied, no antonym known"),)
        first = next(iter(opposites.values()))
        if first.word in self._wheel_words:
            return (Lemma(first.word, "", 1.0, f"{ON_WHEEL}, {first.how}"), *opposites.values())
        return tuple(opposites.values())

    def _head(self, words: list[str]) -> Lemmas:
        """What is left without words of grade and carriers; else its last emotion word.

        A complement after a preposition comes after the words before it. A part that only may be
        about an emotion (*forward* in *looking forward to*) does not stand for the phrase.
        """
        content = _from_content(words)
        dropped = [word for word in words if word not in content]
        if dropped and (found := self._word(" ".join(content))):
            return _said(found, f"{' '.join(dropped)!r} dropped")
        parts = [part for word in content for part in _hyphened(word)]
        cut = next((at for at, word in enumerate(parts) if word in PREPOSITIONS), len(parts))
        for part in (*reversed(parts[:cut]), *reversed(parts[cut:])):
            found = self._word(part)
            if any(self._is_emotion(lemma.word) for lemma in found):
                return _said(found, f"{part!r} stands for the phrase")
        return ()

    def _typo(self, text: str) -> Lemmas:
        """The one known word a single edit away; none for real words and for ambiguous slips."""
        if len(text) < TYPO_LENGTH or not text.isalpha() or self.lexicon.lookalike(text):
            return ()
        near = {form for form in one_edit_away(text) if self._is_target(form)}
        best = near & self._wheel_words if len(near) > 1 else near
        if len(best) != 1:
            return ()
        (meant,) = best
        return _said(self._forms(meant), f"taken as a slip of {meant!r}")

    def _is_emotion(self, word: str) -> bool:
        return word in self._wheel_words or self.lexicon.emotion(word)

    def _is_target(self, form: str) -> bool:
        if form in self._wheel_words or form in self._neutral:
            return True
        return form in self.lexicon.lemmas and self.lexicon.placed(form)


def _from_content(words: list[str]) -> list[str]:
    """Words without those of grade, carriers, and prepositions that then stand at the front."""
    kept = [word for word in words if word not in INTENSITY and word not in CARRIERS]
    while kept and kept[0] in PREPOSITIONS:
        kept = kept[1:]
    return kept


def _hyphened(word: str) -> list[str]:
    """Parts of a hyphenated word. *Self-* turns a feeling round, so its compounds stay whole."""
    return [word] if word.startswith("self-") else word.split("-")


def _said(lemmas: Lemmas, how: str) -> Lemmas:
    """The same lemmas with another rule in front of those that led to them."""
    return tuple(lemma._replace(how=_join(lemma.how, how)) if how else lemma for lemma in lemmas)


def _join(first: str, second: str) -> str:
    return f"{first}; {second}" if first else second
