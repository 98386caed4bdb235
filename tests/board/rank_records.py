"""Records for tests of tables: as small as they can be, and answers to TinyOV."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from ovbench.board.record import (
    Checkpoint,
    Origin,
    PredictionEntry,
    Record,
    ScoreEntry,
    SystemEntry,
    TaskEntry,
)
from ovbench.board.rescore import rescore
from ovbench.board.store import Board, Entry
from ovbench.board.submission import record_id
from ovbench.scoring import Options
from ovbench.tasks import Task, load_task

HOSTILE = (
    "a|b`c`", "<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", " \t=1+1", "＝1+1",
    r"\input{/etc/passwd}", "[1cm] a", " [1cm] a", "\n*x", "@SUM(A1)", "line\nbreak\r\n| x | y |",
    "\u202egnp.exe", "\x1b[31mred", "50% & $x_1$ #{y} ~^", "[click](javascript:alert(1))",
    "- a: {b: !!python/object:os.system c}", "---\n...", "' \"", "a\u2028b",
)  # fmt: skip
DIGEST = "0" * 64


def record(
    name: str = "s",
    value: float = 0.5,
    half: float | None = None,
    *,
    kind: Any = "measured",
    task: str = "nowhere",
    signature: str = "one|v:1",
    protocol: str = "p-1",
    scores: dict[str, ScoreEntry] | None = None,
    selection: Any = "dev",
    oracle: bool = False,
    floors: dict[str, dict[str, float]] | None = None,
    **more: Any,
) -> Record:
    """A record of a task that nobody has; ``half`` is half its interval's width.

    With an answer, unless it is published: without one nothing of ours is ranked.
    """
    published = kind == "published"
    low, high = (None, None) if half is None else (value - half, value + half)
    return Record(
        system=SystemEntry(name=name, oracle=oracle, **more),
        checkpoint=Checkpoint(selection=selection),
        task=TaskEntry(id=task, split="test", digest=None if published else DIGEST, items=100),
        protocol=protocol,
        signature=None if published else signature,
        headline="f1",
        scores=scores or {"f1": ScoreEntry(value=value, low=low, high=high)},
        floors=floors or {},
        origin=Origin(kind=kind, source="a paper" if published else None),
        predictions=() if published else (PredictionEntry(id="x", labels=("sad",)),),
    )


def board(*records: Record) -> Board:
    """A board of records, each in a file of its own."""
    entries = [Entry(record_id(one), one, f"measured/{i}.json") for i, one in enumerate(records)]
    return Board(tuple(entries))


@cache
def task(name: str = "tinyov") -> Task:
    """The test split."""
    return load_task(name)


def answers(name: str, share: float, seed: int) -> tuple[PredictionEntry, ...]:
    """Gold on a share of the items, and another item's gold on the rest; some are left out."""
    draw = random.Random(seed)
    gold = task(name).gold
    ids = list(gold)

    def labels(of: str) -> tuple[str, ...]:
        return gold[of].labels if name != "tinyov-6class" else (str(gold[of].category),)

    found = []
    for i, one in enumerate(ids):
        chosen = labels(one if draw.random() < share else draw.choice(ids))
        failed = i % 97 == 96
        text = None if failed else ", ".join(chosen)
        found.append(PredictionEntry(id=one, labels=None if failed else chosen, text=text))
    return tuple(found)


@cache
def answered(
    share: float,
    seed: int = 0,
    *,
    name: str = "tinyov",
    protocol: str | None = None,
    predictions: tuple[PredictionEntry, ...] | None = None,
) -> Record:
    """A record with predictions and the score that they give, without an interval."""
    chosen = protocol or task(name).protocols[0]
    given = predictions or answers(name, share, seed)
    figures = rescore(task(name), chosen, given, Options(draws=0, floors=False))
    return Record(
        system=SystemEntry(name=f"{share:g} of gold, draw {seed}"),
        checkpoint=Checkpoint(selection="dev"),
        task=TaskEntry(
            id=name, split="test", digest=task(name).digest(), items=len(task(name).items)
        ),
        protocol=chosen,
        signature=figures.signature,
        headline=figures.headline,
        scores=figures.scores,
        origin=Origin(kind="measured"),
        predictions=given,
    )
