"""One comparison over several tasks that ask different things of the same items.

An open view of a data set and a closed one, say: emotion words scored by WF and HiT, classes by HiT
and UA, for the same methods on the same clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ovbench.errors import InputError
from ovbench.runs.comparison import Comparison, Row
from ovbench.tasks import load_task

Value = TypeVar("Value")


def joined(parts: Sequence[Comparison]) -> Comparison:
    """The comparisons as one, the columns of each beside those of the others.

    Titles of metrics then begin with the task's name. The first comparison gives the costs and the
    runs of the rows.

    Raises
    ------
    InputError
        If the comparisons are not of the same methods, under the same seeds, on the same items.
    """
    first, *others = parts
    if not others:
        return first
    for other in others:
        _check_same(first, other)
    return first.model_copy(
        update={
            "more_tasks": tuple(other.task for other in others),
            "comparable": all(part.comparable for part in parts),
            "metrics": tuple(
                metric.model_copy(update={"title": _title(part, metric.title), "task": part.task})
                for part in parts
                for metric in part.metrics
            ),
            "rows": tuple(
                _joined_row(parts, [part.rows[index] for part in parts])
                for index in range(len(first.rows))
            ),
            "noise": {
                _title(part, title): floor for part in parts for title, floor in part.noise.items()
            },
            "warnings": tuple(dict.fromkeys(w for part in parts for w in part.warnings)),
        }
    )


def _joined_row(parts: Sequence[Comparison], rows: Sequence[Row]) -> Row:
    def all_of(values: Sequence[dict[str, Value]]) -> dict[str, Value]:
        return {
            _title(part, title): value
            for part, own in zip(parts, values, strict=True)
            for title, value in own.items()
        }

    return rows[0].model_copy(
        update={
            "runs": tuple(run for row in rows for run in row.runs),
            "scores": all_of([row.scores for row in rows]),
            "differences": all_of([row.differences for row in rows]),
            "above_noise": all_of([row.above_noise for row in rows]),
        }
    )


def _title(part: Comparison, title: str) -> str:
    return f"{part.task} {title}"


def _check_same(one: Comparison, other: Comparison) -> None:
    for what, a, b in (
        ("methods", [row.name for row in one.rows], [row.name for row in other.rows]),
        ("seeds", [row.seeds for row in one.rows], [row.seeds for row in other.rows]),
        ("items", _ids(one), _ids(other)),
    ):
        if a != b:
            raise _apart(one.task, other.task, what)


def check_views(names: Sequence[str]) -> None:
    """Refuse tasks that do not have the same items, before anything is done for them.

    Raises
    ------
    InputError
        Naming the first that differs; or as :func:`ovbench.tasks.load_task`.
    """
    first, *others = names
    items = [item.id for item in load_task(first).items]
    for other in others:
        if [item.id for item in load_task(other).items] != items:
            raise _apart(first, other, "items")


def _apart(one: str, other: str, what: str) -> InputError:
    return InputError(
        f"{one} and {other} do not have the same {what}",
        expected="tasks over the same items, such as two views of one split",
        mend="compare them one by one",
    )


def _ids(comparison: Comparison) -> list[str]:
    """Of the items that were compared; a limit takes the first ones."""
    task = load_task(comparison.task, comparison.split)
    return [item.id for item in task.items][: comparison.items]
