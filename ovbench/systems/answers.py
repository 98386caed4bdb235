"""What a system is, and what it answers. Nothing here needs PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from ovbench.tasks import Item


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a chain of models, and what it said.

    Attributes
    ----------
    name:
        ``describer``, ``captioner``, ``extractor``; ``asr``, what a recognizer wrote down;
        ``generated``, an answer before its word was taken from it.
    text:
        As it came.
    prompt:
        sha256 of the prompt file; None for a step that has none.
    tokens:
        Generated; 0 for a step without a language model.
    seconds:
        Wall time, an item's share of its batch. Not compared: it is never twice the same.
    """

    name: str
    text: str
    prompt: str | None = None
    tokens: int = 0
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system said of an item.

    Attributes
    ----------
    id:
        The item's.
    text:
        As generated, without control tokens; where a recipe declares answer words, the one found.
    status:
        ``truncated``: cut off at the largest number of tokens. ``error``: there is no answer (the
        prompt is longer than the model can take, a clip cannot be heard, a program died), and
        ``text`` is empty. ``empty``: nothing but white space.
    tokens:
        Generated, the end-of-sequence token included; a constant system's labels. Of all passes.
    passes:
        How often the model answered; 2 where the first answer makes the context of the second.
    first_pass:
        The text of that first answer; None where there was one pass.
    fallback:
        The answer was none of the declared words, and counts as the recipe's declared fall-back.
    scores:
        Probabilities of the system's classes, in their order, for a system that has them.
    stages:
        What each step of a chain said, in their order.
    """

    id: str
    text: str
    status: Literal["ok", "empty", "truncated", "error"]
    tokens: int
    passes: int = 1
    first_pass: str | None = None
    fallback: bool = False
    scores: tuple[float, ...] | None = None
    stages: tuple[Stage, ...] = ()


class System(Protocol):
    """Anything that turns items into answers."""

    @property
    def name(self) -> str:
        """The recipe's name."""
        ...

    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        """One answer per item, in their order."""
        ...


def item_seed(seed: int, name: str) -> int:
    """A seed below 2⁶³ for one item, from the run's seed and the item's id."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big") >> 1
