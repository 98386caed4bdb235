"""An item as a system sees it, and its gold, which a system never sees: two types, kept apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """All that a system, a prompt or a context builder may see. It has no label field.

    Attributes
    ----------
    id:
        Name of the item, unique in its task.
    description:
        How the voice sounds, in words.
    transcript:
        What is said.
    """

    id: str
    description: str
    transcript: str


@dataclass(frozen=True, slots=True)
class Gold:
    """What the annotators said of an item.

    Attributes
    ----------
    labels:
        Their emotion words.
    category:
        The class, in a closed-set view.
    valence:
        The sentiment value, -3 to 3.
    """

    labels: tuple[str, ...] = ()
    category: str | None = None
    valence: float | None = None
