"""The ``open+extract`` parser: as ``open``, but known emotion words are looked for in sentences.

Words that are negated do not count: after *not*, *n't*, *no*, *without*, *never*, *neither*, *nor*,
*rather than*, *instead of*, *lack of*, *no sign of* … up to the end of the clause (punctuation,
*but*, *however*, *just* …). A comma does not end it where an *or* or *nor* follows in the same
list: ``no fear, anger or sadness``. *Not only* and *not just* negate nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from ovbench.io.labels.base import UNPARSABLE, Named, Parsed, PlainForm, Status, words
from ovbench.io.labels.open import OpenParser
from ovbench.io.labels.open_text import fold, without_markup

_TOKEN = re.compile(r"\w+(?:['-]\w+)*|[.,;:!?\n()]")
_NEGATORS = words("not no never without neither nor cannot hardly barely lacks lacking")
_NEGATING_PAIRS = words(
    "rather_than instead_of lack_of absence_of free_of free_from far_from devoid_of anything_but"
)
_NOT_NEGATING = words("only just merely simply doubt")
_CLAUSE_ENDS = {"\n"} | words(
    ". ; : ! ? ( ) but however although though yet instead just because while"
)
_NEXT_VERBS = words("is was sounds seems appears feels looks shows expresses he she they")
"""After *and*, the beginning of a clause of its own."""
_MAX_PHRASE = 4
"""Words in the longest known phrase that is looked for."""


@dataclass(frozen=True)
class ExtractParser(Named):
    """The open parser with a look into sentences. ``known_words``: lower-case words or phrases.

    Its rules are frozen under its version, because scores rest on them. Captions of pipelines are
    read by other, later rules (:mod:`ovbench.systems.pipeline.negation`), which follow a negation
    further.
    """

    known_words: frozenset[str]
    name: ClassVar[str] = "open+extract"
    version: ClassVar[int] = 1

    @property
    def plain(self) -> PlainForm:
        """As for ``open``."""
        return OpenParser().plain

    def parse(self, cell: object) -> Parsed:
        """Labels and status of a cell."""
        parsed = OpenParser().parse(cell)
        if parsed.status is not Status.UNPARSABLE:
            return parsed
        if isinstance(cell, tuple) and all(isinstance(item, str) for item in cell):
            cell = "\n".join(map(str, cell))
        if not isinstance(cell, str):
            return UNPARSABLE
        labels = self._find(_TOKEN.findall(without_markup(fold(cell))))
        return Parsed(labels, Status.OK) if labels else UNPARSABLE

    def _find(self, tokens: list[str]) -> tuple[str, ...]:
        """Known words and phrases (the longest first) that are not negated, each once."""
        negated = _negated(tokens)
        found: dict[str, None] = {}
        at = 0
        while at < len(tokens):
            for size in range(_MAX_PHRASE, 0, -1):
                phrase = " ".join(tokens[at : at + size])
                if phrase in self.known_words and len(tokens) - at >= size:
                    if not negated[at]:
                        found[phrase] = None
                    break
            else:
                size = 1
            at += size
        return tuple(found)


def _negated(tokens: list[str]) -> list[bool]:
    """For each token, whether a negation reaches it."""
    result, active = [], False
    goes_on = _lists_that_go_on(tokens)
    for at, word in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if (
            word in _CLAUSE_ENDS
            or (word == "," and not goes_on[at])
            or (word == "and" and following in _NEXT_VERBS)
        ):
            active = False
        result.append(active)
        if word in _NEGATORS or word.endswith("n't") or f"{word}_{following}" in _NEGATING_PAIRS:
            active = following not in _NOT_NEGATING
    return result


def _lists_that_go_on(tokens: list[str]) -> list[bool]:
    """For each comma, whether its list ends in *or* or *nor*: the list's parts are single words."""
    found = [False] * len(tokens)
    # From the end: a list goes on after a comma if it does after the next one.
    for at in range(len(tokens) - 3, -1, -1):
        if tokens[at] == ",":
            ends = tokens[at + 1] in ("or", "nor") or tokens[at + 2] in ("or", "nor")
            found[at] = ends or found[at + 2]
    return found
