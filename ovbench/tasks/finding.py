"""What an examination of files says: one finding per line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "wrong", "missing"]
"""``ok``: as it should be; ``note``: to know, no fault; ``wrong``: damaged, or against the card;
``missing``: not on this machine, which is no fault either."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found (or not) of a data set.

    Attributes
    ----------
    level:
        How it is to be taken.
    text:
        One sentence, without the data set's name.
    """

    level: Level
    text: str
