"""Words that stand for classes: what a model is taught to answer, and how its answer is read.

Nothing here needs PyTorch.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ovbench.errors import InputError
from ovbench.systems.answers import Answer, Stage

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
GENERATED = "generated"
"""Name of the stage that keeps an answer as it came, where another stands in its place."""


def word_key(text: str) -> str:
    """A word without case, white space around and within it folded, and without punctuation around.

    >>> word_key(' "Joy".')
    'joy'
    """
    bare = _EDGES.sub("", unicodedata.normalize("NFC", text))
    return " ".join(bare.casefold().split())


def check_words(words: Mapping[str, str], fallback: str | None) -> None:
    """Raise ValueError, as validators do, unless each word means one class, and the fall-back one.

    ``words``: canonical class → its word.
    """
    by_key: dict[str, str] = {}
    for category, word in words.items():
        key = word_key(word)
        if not key:
            raise ValueError(f"words.{category} is {word!r}, which holds no word")
        if by_key.setdefault(key, category) != category:
            raise ValueError(f"words: {word!r} stands for {by_key[key]} and for {category}")
    if fallback is not None and fallback not in words:
        raise ValueError(f"fallback {fallback!r} is no class that words names")


@dataclass(frozen=True)
class AnswerWords:
    """How answers that should be one word become classes.

    Attributes
    ----------
    words:
        Canonical class → the word that stands for it.
    fallback:
        Class that any other answer counts as; None: such an answer stays what it is, and is outside
        the set when it is scored.
    """

    words: Mapping[str, str]
    fallback: str | None = None

    def class_of(self, text: str) -> str | None:
        """The class whose word is the whole of ``text``, whatever its case and punctuation."""
        key = word_key(text)
        return next((name for name, word in self.words.items() if word_key(word) == key), None)

    def read(self, answer: Answer, prompt: str | None = None) -> Answer:
        """The answer with the class's name as its text.

        What was generated is kept as a stage, where it is another text; ``prompt`` is the sha256
        that the stage is given. An answer that counts as the fall-back is marked, and its status is
        ``ok``; an item that could not be answered at all stays an error.
        """
        if answer.status == "error":
            return answer
        found = self.class_of(answer.text)
        told = found or self.fallback
        if told is None or (found is not None and told == answer.text):
            return answer
        stage = Stage(GENERATED, answer.text, prompt, answer.tokens)
        return replace(
            answer,
            text=told,
            status="ok" if found is None else answer.status,
            fallback=found is None,
            stages=(*answer.stages, stage),
        )


def word_of(words: Mapping[str, str], category: str | None, where: str) -> str:
    """The word that is taught for a class.

    Raises
    ------
    InputError
        If the class has none.
    """
    if category is None or category not in words:
        raise InputError(
            f"class {category!r} has no word",
            where=where,
            expected="a word for every class of the task: " + ", ".join(words),
            mend="name it under words in the recipe",
        )
    return words[category]
