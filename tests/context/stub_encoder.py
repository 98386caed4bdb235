"""An encoder whose vectors can be worked out by hand, and items to encode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ovbench.context.encoder import Vectors
from ovbench.tasks import Gold, Item, Task

DIM = 3
TEXTS: dict[str, tuple[float, float, float]] = {
    "bright": (1, 0, 0),
    "dull": (0, 1, 0),
    "mixed": (0.6, 0.8, 0),
    "nothing": (0, 0, 0),
    "happy": (1, 0, 0),
    "sad": (0, 1, 0),
    "angry": (0, 0, 1),
}


class StubEncoder:
    """Vectors from the table above."""

    id = "stub-1"
    dim = DIM

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.array([TEXTS[text] for text in texts], dtype=np.float32).reshape(-1, DIM)


ITEMS = tuple(
    Item(name, description, f"words of {name}")
    for name, description in zip("abcd", ("bright", "dull", "mixed", "nothing"), strict=True)
)
GOLD = {
    "a": Gold(("happy",), "happy", 2.0),
    "b": Gold(("sad", "angry", "sad"), "sad", -2.0),
    "c": Gold(("sad",), "sad", -1.0),
    "d": Gold(("happy",), "happy", 1.0),
}
TRAIN = Task("toy", "Toy", "train", "train", ITEMS, GOLD, "labels", ("ew-open-1",))
