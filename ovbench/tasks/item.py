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
        How the voice sounds, in words; empty where nobody has described it.
    transcript:
        What is said; empty where the data set has no transcript.
    audio:
        File of the clip, where it is on this machine.
    speaker:
        Who speaks, where the data set tells.
    """

    id: str
    description: str
    transcript: str
    audio: str | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Gold:
    """What the annotators said of an item.

    Attributes
    ----------
    labels:
        Their emotion words.
    category:
        The class, by its canonical id (:mod:`ovbench.normalize.canonical`).
    valence:
        The sentiment value, on the data set's own scale.
    word:
        The class in the data set's own word (``joy``), where that is another than its canonical
        id: what the official scorers look up in their tables.
    """

    labels: tuple[str, ...] = ()
    category: str | None = None
    valence: float | None = None
    word: str | None = None
