"""Boards made up for the tests of the pages."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ovbench.board.record import (
    Checkpoint,
    CostEntry,
    IntervalEntry,
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
from ovbench.tasks import load_task

SCRIPT = "<script>window.hacked = 1</script>"
IMAGE = "\"><img src=x onerror='window.hacked = 2'>"
JAVASCRIPT = "javascript:window.hacked=3"
FORMULA = "=cmd|' /C calc'!A0"
TURNED = "\u202esrever\u202c \u200fmark \u2067isolated"
CLOSING = "</script><script>window.hacked = 4</script><!--"
TEMPLATE = "{{ 7 * 7 }} ${window.hacked = 5} {% raw %}"
TRAVERSAL = "../../../etc/passwd\x00.html"
LONG = "w" * 200
HOSTILE = (SCRIPT, IMAGE, JAVASCRIPT, FORMULA, TURNED, CLOSING, TEMPLATE, TRAVERSAL, LONG)


def board_of(records: Sequence[Record]) -> Board:
    """The records as they would be read from a folder."""
    return Board(
        tuple(Entry(record_id(one), one, f"measured/{n}.json") for n, one in enumerate(records))
    )


def record(
    name: str,
    score: float,
    *,
    kind: str = "measured",
    task: str = "made-up",
    digest: str = "a" * 64,
    protocol: str = "ew-open-1",
    parameters: int | None = None,
    half: float | None = 0.02,
    **changes: object,
) -> Record:
    """A record with one headline score and one other."""
    published = kind == "published"
    values: dict[str, object] = {
        "system": SystemEntry(name=name),
        "checkpoint": Checkpoint(selection="dev"),
        "task": TaskEntry(id=task, split="test", digest=None if published else digest, items=100),
        "protocol": protocol,
        "signature": None if published else f"{protocol}|made-up",
        "headline": "f1",
        "scores": {
            "f1": ScoreEntry(
                value=score,
                low=None if half is None else score - half,
                high=None if half is None else score + half,
            ),
            "precision": ScoreEntry(value=min(1.0, score + 0.1)),
        },
        "interval": IntervalEntry(method="percentile-bootstrap", confidence=0.95),
        "floors": {} if published else {"majority": {"f1": 0.12, "precision": 0.15}},
        "cost": CostEntry(trainable_parameters=parameters),
        "origin": Origin(kind=kind, source="https://example.org/paper.pdf, Table 3"),  # type: ignore[arg-type]
        # Of a task that is not here: its interval counts, but only with answers behind it.
        "predictions": () if published else (PredictionEntry(id="x", labels=("sad",)),),
    }
    return Record.model_validate({**values, **changes})


def small_board() -> Board:
    """Both kinds of unranked records, three provenances, two tasks."""
    return board_of(
        [
            record("alpha", 0.61, parameters=9_216),
            record("beta", 0.55, parameters=36_864),
            record("gamma", 0.70, parameters=1_000_000),
            record("delta", 0.42, kind="recomputed"),
            record("echo", 0.9, checkpoint=Checkpoint(selection="test-best"), parameters=4_096),
            record("oracle", 0.95, system=SystemEntry(name="oracle", oracle=True)),
            record("paper one", 0.5955, kind="published", task="OV-MERD", protocol="WF", half=None),
            record("alpha", 0.58, kind="published", task="OV-MERD", protocol="WF", half=None),
        ]
    )


def hostile_board() -> Board:
    """Every free text of a record says something that must stay text."""
    records = []
    for place, text in enumerate(HOSTILE):
        records += [
            record(
                text.replace("\x00", "") or "x",
                0.3 + 0.05 * place,
                parameters=10 ** (place % 6 + 2),
                task=HOSTILE[place % 4],
                digest="b" * 64,
                system=SystemEntry(name=text, backbone=text, setting={text: text}),
                scores={
                    "f1": ScoreEntry(value=0.3 + 0.05 * place, low=0.2, high=0.9),
                    text: ScoreEntry(value=0.4),
                },
                floors={text: {"f1": 0.1, text: 0.2}},
                counts={text: 3},
                versions={text: text},
                protocol=HOSTILE[place % 4],
                signature=HOSTILE[place % 4] + "|x",
                origin=Origin(kind="measured", source=text, note=text * 4, command=text),
                predictions=(PredictionEntry(id=text, labels=(text, "happy"), text=text),),
            ),
            record(
                text + "2" if len(text) < 200 else text,
                0.5,
                kind="published",
                task=HOSTILE[place % 4],
                protocol=HOSTILE[place % 4],
                origin=Origin(kind="published", source=text, note=4_000 * "n"),
            ),
        ]
    return board_of(records)


def tinyov_board(systems: int = 3) -> Board:
    """Systems that answered TinyOV: gold at times, else other words, hostile ones among them."""
    task = load_task("tinyov")
    records = []
    for place in range(systems):
        dealt = random.Random(place)
        words = ["happy", "sad", "angry", "calm", "no such word", SCRIPT, CLOSING, TURNED]
        predictions = tuple(
            PredictionEntry(
                id=item.id,
                labels=task.gold[item.id].labels
                if dealt.random() < 0.2 + 0.2 * place
                else (dealt.choice(words), dealt.choice(words)),
            )
            for item in task.items
        )
        scores = rescore(task, "ew-open-1", predictions, Options(draws=0, floors=False)).scores
        records.append(
            record(
                f"system {place}",
                scores["f1"].value,
                task="tinyov",
                digest=task.digest(),
                parameters=1_000 * (place + 1),
                predictions=predictions,
            )
        )
    return board_of(records)


def large_board(records: int = 2_000, tables: int = 1) -> Board:
    """Many records, spread over tables, without predictions."""
    dealt = random.Random(7)
    return board_of(
        [
            record(
                f"system {place:04d}",
                round(dealt.uniform(0.2, 0.8), 4),
                task=f"task {place % tables}",
                kind=dealt.choice(["measured", "recomputed"]),
                parameters=dealt.choice([None, 10 ** dealt.randint(3, 9) + place]),
                floors={},
                scores={
                    "f1": ScoreEntry(
                        value=(value := dealt.uniform(0.2, 0.8)),
                        low=value - 0.02,
                        high=value + 0.02,
                    ),
                    **{f"score {n}": ScoreEntry(value=dealt.random()) for n in range(4)},
                },
            )
            for place in range(records)
        ]
    )
