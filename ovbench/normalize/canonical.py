"""Canonical names of emotion classes: what corpora call by different words.

Merges that change a task (excited with happy, calm with neutral) are not made here; they belong to
a protocol.
"""

from __future__ import annotations

_SYNONYMS = {
    "neutral": ("neu", "neutrality"),
    "happy": ("hap", "joy", "joyful", "happiness"),
    "excited": ("exc", "excitement"),
    "sad": ("sadness",),
    "angry": ("ang", "anger"),
    "frustrated": ("fru", "frustration"),
    "fearful": ("fea", "fear"),
    "worried": ("worry",),
    "surprised": ("sur", "surprise"),
    "disgusted": ("dis", "disgust"),
    "contemptuous": ("contempt",),
    "calm": ("calmness",),
    "other": ("oth",),
    "no_agreement": ("xxx",),
}
_CANONICAL = {word: name for name, words in _SYNONYMS.items() for word in (name, *words)}


def canonical(name: str) -> str:
    """The canonical name of a class; a name that is not known stays itself.

    >>> canonical("joy"), canonical("ang"), canonical("bored")
    ('happy', 'angry', 'bored')
    """
    return _CANONICAL.get(name, name)
