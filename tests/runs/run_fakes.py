"""Systems and tasks without a model: answers that follow from the item alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ovbench.runs.records import SystemRecord
from ovbench.systems import answers
from ovbench.tasks import Gold, Item, Task

WORDS = ("happy", "sad", "angry", "worried", "calm", "surprised", "tired")
ABOUT = SystemRecord(name="fake", kind="fake", recipe="0" * 64)


@dataclass(frozen=True, slots=True)
class Answer(answers.Answer):
    """An answer that needs no more than its text."""

    status: Literal["ok", "empty", "truncated", "error"] = "ok"
    tokens: int = 3


@dataclass
class Fake:
    """Answers with words picked by the item's number; counts the batches that it was given.

    ``die_after`` kills the process, with SIGKILL, when that many batches are answered.
    """

    name: str = "fake"
    die_after: int | None = None
    odd: dict[str, Answer] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)

    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        if self.die_after is not None and len(self.batches) == self.die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.batches.append([item.id for item in items])
        for item in items:
            # The neighbours in the batch leave a trace, as the arithmetic of a real model may.
            yield self.odd.get(item.id) or Answer(item.id, text_of(item), tokens=len(items))


def text_of(item: Item) -> str:
    number = int(item.id.rpartition("-")[2])
    return f"{WORDS[number % 7]}, {WORDS[(number * 3 + 1) % 7]}"


def fake_task(
    n: int = 11, answers: Literal["labels", "class", "sentiment"] = "labels", **changes: object
) -> Task:
    items, gold = [], {}
    for number in range(n):
        name = f"item-{number}"
        items.append(Item(name, "a voice " * (1 + number * 5 % 7), f"word {number}"))
        gold[name] = Gold(
            labels=(WORDS[number * 2 % 7], WORDS[number % 7]),
            category=WORDS[number * 2 % 7],
            valence=float(number % 5 - 2),
        )
    protocols = {
        "labels": ("ew-open-1", "hit-open-1"),
        "class": ("hit-open-1",),
        "sentiment": ("sentiment-non0",),
    }
    task = Task(
        id="fake-task",
        title="A task for tests",
        split="test",
        role="test",
        items=tuple(items),
        gold=gold,
        answers=answers,
        protocols=protocols[answers],
    )
    return replace(task, **changes) if changes else task


def fake_load(name: str, split: str | None = None, *, clips: bool = True) -> Task:
    split = split or "test"
    sizes = {"test": 11, "dev": 5, "train": 9}
    return replace(fake_task(sizes[split]), id=name, split=split, role=split)
