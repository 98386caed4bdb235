"""When a piece of text is a sentence (or a refusal) and not a label."""

from __future__ import annotations

import re

from ovbench.io.labels.base import words

MAX_WORDS = 5
"""Words in the longest label: ``feeling of being left out``."""
MAX_IDEOGRAPHS = 8
"""Chinese and Japanese characters in the longest label; no spaces count the words there."""

_CLAUSE_WORDS = words(
    "i i'm i've i'll i'd he he's she she's we we're they they're who which "
    "is are was were am isn't aren't wasn't weren't has does "
    "seems seem seemed sounds sounded appears appear appeared feels felt "
    "shows suggests indicates conveys expresses says said speaks cannot "
    "speaker speaker's speakers his her their please provide because"
)
_OPENERS = words("the this that these there here based since as")
_REFUSAL = re.compile(
    r"\b(?:can't|can not|could not|couldn't|unable to|not able to|(?:im|not )possible to)"
    r" (?:be )?(?:determined?|identif(?:y|ied)|tell|infer(?:red)?|recogni[sz]ed?|detect(?:ed)?"
    r"|assess(?:ed)?|answer|judged?|extract(?:ed)?|analy[sz]ed?|provide|assist|help)\b"
    r"|\b(?:insufficient|not enough|lack of|no) (?:clear )?(?:information|context|evidence|audio)\b"
    r"|\bno (?:\w+ )?emotions? (?:detected|identified|found|present|expressed|recogni[sz]ed)\b"
    r"|\b(?:language model|ai (?:model|assistant))\b"
)


def is_sentence(label: str) -> bool:
    """Whether folded text is no label.

    It is a sentence if it has more than ``MAX_WORDS`` words or ``MAX_IDEOGRAPHS`` ideographs, holds
    a subject pronoun or a finite verb of the kind that descriptions use (``the speaker sounds …``),
    opens like a clause (``the …``, ``based …``), or refuses to answer. ``a sense of relief``,
    ``not happy`` and ``it's ok`` are labels.
    """
    parts = label.split()
    return (
        len(parts) > MAX_WORDS
        or (len(parts) > 1 and parts[0] in _OPENERS)
        or not _CLAUSE_WORDS.isdisjoint(parts)
        or (not label.isascii() and sum("\u3040" <= c <= "\u9fff" for c in label) > MAX_IDEOGRAPHS)
        or _REFUSAL.search(label) is not None
    )
