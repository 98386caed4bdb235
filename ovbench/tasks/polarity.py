"""Emotion words → positive, negative or neutral: how label lists answer a sentiment task.

The rule, ``polarity-1``:

1. *positive*, *negative* and *neutral* mean what they say.
2. Any other word is placed on the inner rings of the open lexicon's five wheels. Each inner cluster
   is pleasant (+1), unpleasant (-1) or neither (0), as :data:`POLARITY` lists them; the word takes
   the sign of their sum. (Wheels disagree about words such as *excited*, which stands under
   *surprised* on two of them and under *joyful* on two others, and no wheel has a place for every
   word; the five together do better than any one of them.)
3. The answer takes the sign of the sum over its distinct words; a tie is neutral.
4. A list of words none of which the lexicon knows is *unknown*, which scoring counts as out of the
   set; an empty list stays empty.

Over the 686 test clips of CMU-MOSI, on the labels that AffectGPT predicted for them, the rule
agrees with the sentiment that an LLM read from the same labels in .87 of the clips (a single wheel:
.77 to .84), and its Non0 accuracy is .75 (the LLM: .78; a single wheel: .68 to .72). It inherits
the lexicon's slips: *agitated* is near *excited* there, and counts as pleasant.

Example: ``["relieved", "joyful", "worried"]``: +1 +1 -1, so positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

from ovbench.normalize.normalizer import UNKNOWN, Normalizer
from ovbench.normalize.opening import open_normalizer

RULE = "polarity-1"
"""Name and version of the rule; another rule gets another name."""

Polarity = Literal["positive", "negative", "neutral", "unknown"]

POLARITY: dict[str, int] = {
    **dict.fromkeys(("happy", "joy", "joyful", "powerful", "peaceful", "genius"), 1),
    **dict.fromkeys(("mad", "angry", "anger", "disgusted", "disgust", "sad"), -1),
    **dict.fromkeys(("scared", "fearful", "fear", "bad"), -1),
    **dict.fromkeys(("surprised", "neutral"), 0),
}
"""Level-1 cluster, of whichever wheel → pleasant (1), unpleasant (-1), neither (0)."""

_SAID: dict[str, int] = {"positive": 1, "negative": -1, "neutral": 0}


def polarity_of(labels: Sequence[str]) -> Polarity | None:
    """Sentiment of a list of emotion words, by the rule of this module; None for an empty list."""
    if not labels:
        return None
    signs = [sign for label in dict.fromkeys(labels) if (sign := _sign(label)) is not None]
    if not signs:
        return "unknown"
    return polarity_of_number(sum(signs))


def polarity_of_number(value: float) -> Polarity:
    """The sentiment that a system gave as a number: its sign."""
    return "positive" if value > 0 else "negative" if value < 0 else "neutral"


def rule() -> dict[str, str]:
    """The rule and the tables that it rests on, as signatures show them."""
    return {"rule": RULE, **_normalizer().signature}


@cache
def _normalizer() -> Normalizer:
    return open_normalizer()


@cache
def _sign(label: str) -> int | None:
    """1, -1 or 0 for one word; None where the lexicon has no place for it."""
    if (said := _SAID.get(label.strip().lower())) is not None:
        return said
    placed = _normalizer().map([label])
    inner = [
        POLARITY[ring.clusters[code]]
        for ring, code in zip(placed.rings, placed.codes[0].tolist(), strict=True)
        if ring.level == "level1" and code != UNKNOWN
    ]
    total = sum(inner)
    return (total > 0) - (total < 0) if inner else None
