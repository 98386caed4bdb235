"""What the page that sets two systems side by side is made of.

The page itself holds what all systems of a table share; each system's answers lie in a script of
their own, which the browser loads when that system is chosen (pages from the file system may load
scripts, and nothing else).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from pydantic_core import to_json

from ovbench.board.items import Answers
from ovbench.board.site.text import plain, shortened
from ovbench.board.site.views import Line, TableView
from ovbench.board.versus import pair_tests
from ovbench.tasks.card import card_of

_CLASS = "class"
"""Name of the only ring of tasks whose answers are classes."""
_LONGEST_LABEL = 200
_MOST_TESTED = 200
"""Systems of a table up to which every pair is tested."""


@dataclass(frozen=True)
class ComparisonData:
    """Of one table: JSON of the page, and of each system's script by record id."""

    page: Markup
    scripts: Mapping[str, str] = field(default_factory=dict)


def comparison_data(view: TableView) -> ComparisonData:
    """Scores of all records; and, where the gold is here, their answers item by item."""
    lines = [line for line in view.lines if line.row.record is not None]
    shared: dict[str, object] = {
        "columns": [_clean(name) for name in view.table.columns],
        "systems": [_system(line) for line in lines],
        "items": None,
    }
    answers = view.table.answers
    if answers is None or len(answers.members) < 2 or answers.evaluation.describe is None:
        return ComparisonData(
            embedded(shared)
        )  # without answers or gold, scores alone are compared
    items, tests = _Items(answers), _tests(answers, view.table.headline)
    found = {
        name: {**items.of(system), "tests": tests[system] if tests else None}
        for system, name in enumerate(view.table.answered)
    }
    shared["items"] = {"systems": list(found), **items.shared()}
    scripts = {name: _call(name, value) for name, value in found.items()}
    return ComparisonData(embedded(shared), scripts)


def embedded(value: object) -> Markup:
    """JSON for the inside of a ``script`` element: no ``<``, ``>`` or ``&`` in it, ASCII only."""
    return Markup(_script(value))  # noqa: S704 - nothing in it can begin or end an element


def _script(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _call(name: str, value: object) -> str:
    """A script that hands a system's answers to the page, as text that is parsed there."""
    text = to_json(value, inf_nan_mode="null").decode()  # several times as fast as json's
    return f"ovbenchAnswers({_script(name)}, {_script(text)});\n"


def _clean(text: str, most: int = 1_000) -> str:
    return shortened(str(plain(text)), most)


def _system(line: Line) -> dict[str, object]:
    record = line.row.record
    assert record is not None
    facts = {
        "rank": line.rank,
        "unranked": line.row.why_unranked,
        "provenance": line.row.provenance,
        "backbone": record.system.backbone,
        "context": record.system.context_source,
        "checkpoint": record.checkpoint.selection,
        "trainable parameters": record.cost.trainable_parameters,
        "seconds": record.cost.seconds,
    }
    return {
        "id": line.row.id,
        "name": _clean(line.row.name),
        "facts": {
            key: _clean(value) if isinstance(value, str) else value for key, value in facts.items()
        },
        "scores": [
            None if cell.score is None else [cell.score.value, cell.score.low, cell.score.high]
            for cell in line.cells
        ],
    }


def _tests(answers: Answers, headline: str) -> list[list[list[float | None]]] | None:
    """For each system and each other: low and high end of the headline's difference, and p.

    None where there are too many systems, or the headline is none of the protocol's scores.
    """
    if len(answers.members) > _MOST_TESTED or headline not in answers.evaluation.scores:
        return None
    tests = pair_tests(answers, headline)
    return _rounded(np.stack([tests.low, tests.high, tests.p], axis=-1), 6)


class _Items:
    """Answers of all systems to a table's items, as numbers into common lists.

    A task scored on wheels has their rings; one with classes has the ring ``class`` alone, on which
    an answer stands as the scorer took it.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._public = _is_public(answers.task.id)
        self._scores = answers.item_scores()
        self._rows: list[list[int]] = answers.rows().tolist()
        self._label: dict[str, int] = {}
        # Answers first, and what gold alone says by name: no number tells an item's gold.
        self._labels_of = self._every_answer()
        self._given = len(self._label)
        gold = [answers.describe(0, item)[0] for item in range(len(answers.ids))]
        self._codes(sorted({label for labels in gold for label in labels}))
        self._gold = list(map(self._codes, gold))
        self._places: dict[int, dict[str, str | None]] = {}
        self._trace = answers.evaluation.trace
        self._classes = answers.evaluation.sample() if answers.evaluation.classes else {}
        first = next(iter(self._label), "")
        names = self._trace(first) if self._trace else [_CLASS] if self._classes else []
        self._rings = {
            ring: {str(name): code for code, name in enumerate(answers.evaluation.classes)}
            for ring in names
        }
        self._codes_on = {ring: np.zeros(0, dtype=np.int64) for ring in names}
        flat = _flat(self._gold)
        self._gold_marks = {ring: self._marks(ring, "gold", 0, *flat) for ring in names}

    def of(self, system: int) -> dict[str, object]:
        """One system's answers and counts per cluster; each answer's score where gold is public.

        A score of 1 beside an answer would be the gold.
        """
        labels = [self._labels_of[row] for row in self._rows[system]]
        scores = _rounded(self._scores[system], 4) if self._public else None
        items, flat = _flat(labels)
        counts = {ring: self._counts(ring, system, items, flat) for ring in self._rings}
        return {"labels": labels, "scores": scores, "counts": counts}

    def shared(self) -> dict[str, object]:
        """Ids, labels with their clusters, rings with gold's counts.

        Gold, and labels that it alone has, where it is public.
        """
        shown = len(self._label) if self._public else self._given
        places = [
            [self._code(ring, cluster) for ring, cluster in self._clusters(code).items()]
            for code in range(shown)
        ]
        return {
            "ids": [_clean(name, 200) for name in self._answers.ids],
            "labels": [_clean(label, _LONGEST_LABEL) for label in islice(self._label, shown)],
            "places": places,
            "rings": [
                {
                    "name": ring,
                    "clusters": [_clean(name, _LONGEST_LABEL) for name in codes],
                    "gold": _per_cluster(self._gold_marks[ring], len(codes)),
                }
                for ring, codes in self._rings.items()
            ],
            "gold": self._gold if self._public else None,
        }

    def _every_answer(self) -> dict[int, list[int]]:
        """Row → labels of the answer; those of one row are the same, and are looked up once."""
        found: dict[int, list[int]] = {}
        for system, rows in enumerate(self._rows):
            for item, row in enumerate(rows):
                if row not in found:
                    found[row] = self._codes(self._answers.describe(system, item)[1])
        return found

    def _codes(self, labels: Sequence[str]) -> list[int]:
        return [self._label.setdefault(label, len(self._label)) for label in labels]

    def _clusters(self, code: int) -> dict[str, str | None]:
        """A label's cluster on every ring of a wheel."""
        if self._trace is None:
            return {}
        if code not in self._places:
            for label, at in list(self._label.items())[len(self._places) :]:
                self._places[at] = self._trace(label)
        return self._places[code]

    def _code(self, ring: str, cluster: str | None) -> int:
        codes = self._rings[ring]
        return -1 if cluster is None else codes.setdefault(cluster, len(codes))

    def _marks(
        self, ring: str, side: str, system: int, items: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Shape (items, clusters so far): what the gold or a system's answers name on a ring."""
        count = len(self._answers.ids)
        if self._classes:
            every = self._classes[side][system * count : (system + 1) * count]
            items = np.arange(count)
            clusters = np.array([self._code(ring, str(one)) if one else -1 for one in every])
        else:
            clusters = self._places_on(ring)[labels]
        marks = np.zeros((count, len(self._rings[ring])), dtype=np.bool_)
        known = clusters >= 0
        marks[items[known], clusters[known]] = True
        return marks

    def _places_on(self, ring: str) -> NDArray[np.int64]:
        """The cluster of every label so far on a ring, -1 where it has none; shape (labels,)."""
        known = self._codes_on[ring]
        new = [
            self._code(ring, self._clusters(label)[ring])
            for label in range(len(known), len(self._label))
        ]
        if new:
            known = self._codes_on[ring] = np.append(known, np.array(new, dtype=np.int64))
        return known

    def _counts(
        self, ring: str, system: int, items: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> dict[str, list[int]]:
        """Per cluster: items that name it, and those where gold does too.

        Items whose gold has no cluster on the ring are not counted, as in the score.
        """
        named, gold = self._marks(ring, "pred", system, items, labels), self._gold_marks[ring]
        named &= gold.any(axis=1, keepdims=True)
        both = named[:, : gold.shape[1]] & gold
        return {
            key: _per_cluster(marks, named.shape[1])
            for key, marks in (("named", named), ("both", both))
        }


def _flat(labels: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lists of labels as two arrays of shape (labels,): the item of each, and the label."""
    items = np.repeat(np.arange(len(labels)), list(map(len, labels)))
    return items, np.fromiter(chain.from_iterable(labels), dtype=np.int64, count=len(items))


def _per_cluster(marks: NDArray[np.bool_], clusters: int) -> list[int]:
    counts: list[int] = marks.sum(axis=0).tolist()
    return counts + [0] * (clusters - len(counts))


def _rounded(values: NDArray[np.float64], digits: int) -> list[Any]:
    """Nested lists of numbers, None in place of those that are not finite."""
    rounded = values.round(digits).astype(object)
    rounded[~np.isfinite(values)] = None
    found: list[Any] = rounded.tolist()
    return found


def _is_public(task: str) -> bool:
    """Whether the data set ships with ovbench.

    The gold of others is not printed item by item: most licences forbid handing it on, and a file
    that anybody can fetch is its owner's to hand out.
    """
    return not card_of(task).places
