"""Trivial systems: they know the train split's labels and look at nothing of an item."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from ovbench.errors import InputError
from ovbench.systems.answers import Answer, item_seed
from ovbench.systems.recipe import ConstantRecipe
from ovbench.tasks import Item, Task


class ConstantSystem:
    """One of the trivial systems, fitted on a train split.

    Parameters
    ----------
    recipe:
        Which one.
    train:
        The train split, whose labels (classes, where the task scores classes) it answers with.
    seed:
        Of ``random``. Every item has random numbers of its own.

    Raises
    ------
    InputError
        If ``train`` is another split.
    """

    def __init__(self, recipe: ConstantRecipe, train: Task, seed: int = 0) -> None:
        if train.split != "train":
            raise InputError(
                f"{recipe.name} was given the {train.split} split of {train.id}",
                expected="the train split: an answer must not know the split it is scored on",
            )
        self.name = recipe.name
        self._answer, self._k, self._seed = recipe.answer, recipe.k, seed
        self._lists = _label_lists(train)
        counts = Counter(label for labels in self._lists for label in labels)
        ranked = sorted(counts, key=lambda label: (-counts[label], label))
        self._ranked, self._weights = ranked, [counts[label] for label in ranked]

    def predict(self, items: Sequence[Item], batch_size: int = 1) -> Iterator[Answer]:
        """One answer per item, in their order; ``batch_size`` changes nothing."""
        for item in items:
            labels = self.labels(item.id)
            yield Answer(item.id, ", ".join(labels), "ok", len(labels))

    def labels(self, item_id: str) -> list[str]:
        """The labels that an item is given, most frequent first."""
        match self._answer:
            case "majority":
                return self._ranked[:1]
            case "frequent-k":
                return self._ranked[: self._k or self._mean_length()]
            case "all-labels":
                return self._ranked
            case "random":
                return self._drawn(random.Random(item_seed(self._seed, item_id)))  # noqa: S311

    def _mean_length(self) -> int:
        """The mean number of labels of a train item, rounded half up, at least 1."""
        total = sum(map(len, self._lists))
        return max(1, (2 * total + len(self._lists)) // (2 * len(self._lists)))

    def _drawn(self, source: random.Random) -> list[str]:
        """As many distinct labels as a random train item has, each drawn by its frequency."""
        wanted = len(source.choice(self._lists))
        drawn: list[str] = []
        while len(drawn) < wanted:
            label = source.choices(self._ranked, self._weights)[0]
            if label not in drawn:
                drawn.append(label)
        return drawn


def _label_lists(train: Task) -> list[tuple[str, ...]]:
    """The distinct labels of each train item; its class where the task scores classes.

    A sentiment task's items are answered with their emotion words, or, where they have none, with
    the name of their value's sign.
    """
    lists = []
    for item in train.items:
        gold = train.gold[item.id]
        labels = gold.labels
        if train.answers == "class":
            labels = (gold.category or "",)
        elif not labels:
            value = gold.valence or 0.0
            labels = ("positive" if value > 0 else "negative" if value < 0 else "neutral",)
        lists.append(tuple(dict.fromkeys(labels)))
    return lists
