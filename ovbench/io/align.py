"""Which prediction belongs to which gold item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.records import Records

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Alignment:
    """Gold items, each with the row of its prediction.

    Attributes
    ----------
    rows:
        Shape (gold items,), int64: row of the prediction; -1 where there is none.
    gold_rows:
        Shape (gold items,), int64: row in the gold file, after ``keep`` on duplicates.
    missing, extra:
        Gold ids without a prediction, predicted ids without gold, in their file's order.
    duplicates, gold_duplicates:
        Ids that come more than once among the predictions and in the gold, each once, in the
        order in which they are repeated.
    """

    rows: NDArray[np.int64]
    gold_rows: NDArray[np.int64]
    missing: list[str]
    extra: list[str]
    duplicates: list[str]
    gold_duplicates: list[str]


def align(
    predictions: Records,
    gold: Records,
    *,
    on_missing: Literal["error", "wrong", "skip"] = "error",
    keep: Literal["first", "last"] | None = None,
) -> Alignment:
    """Pair gold items with predictions by id, compared as text, exactly.

    Missing predictions are listed whatever ``on_missing`` says; whether they count as wrong or are
    left out (``rows`` is -1) is the scorer's business. Extra predictions are listed and not used.

    Raises
    ------
    InputError
        If an id comes twice and ``keep`` does not say which row counts; if a prediction is missing
        and ``on_missing`` is ``"error"``; if not a single id is in both files.
    """
    if gold.ids == predictions.ids and _all_different(gold.ids):
        rows = np.arange(len(gold.ids), dtype=np.int64)
        return Alignment(rows, rows.copy(), [], [], [], [])
    gold_row, gold_duplicates = _rows_by_id(gold, keep)
    row_of, duplicates = _rows_by_id(predictions, keep)
    extra = [name for name in row_of if name not in gold_row]
    if len(extra) == len(row_of):
        raise nothing_shared(predictions.source, gold.source, predictions.ids[0], gold.ids[0])
    rows = np.array([row_of.get(name, -1) for name in gold_row], dtype=np.int64)
    missing = [name for name in gold_row if name not in row_of] if (rows < 0).any() else []
    if missing and on_missing == "error":
        raise not_predicted(
            predictions.source, gold.source, len(missing), len(gold_row), _first(missing)
        )
    gold_rows = np.fromiter(gold_row.values(), dtype=np.int64, count=len(gold_row))
    return Alignment(rows, gold_rows, missing, extra, duplicates, gold_duplicates)


def _rows_by_id(
    records: Records, keep: Literal["first", "last"] | None
) -> tuple[dict[str, int], list[str]]:
    """Row of each id, in the order in which the ids first occur, and the ids that come twice."""
    ids = list(records.ids)
    row_of = dict(zip(ids, range(len(ids)), strict=True))
    if len(row_of) == len(ids):
        return row_of, []
    seen: set[str] = set()
    twice: dict[str, int] = {}
    for row, name in enumerate(ids):
        if name not in seen:
            seen.add(name)
        else:
            twice.setdefault(name, row)
    if keep is None:
        at = next(iter(twice.values()))
        where = f"line {records.rows[at]}" if isinstance(records.rows, list) else f"row {at + 1}"
        raise given_twice(f"{records.source}, {where}", len(twice), _first(list(twice)))
    if keep == "first":
        row_of.update((ids[row], row) for row in range(len(ids) - 1, -1, -1) if ids[row] in twice)
    return row_of, list(twice)


@runtime_checkable
class ColumnIds(Protocol):
    """Ids that can be looked at a whole column at a time."""

    def all_different(self) -> bool:
        """Whether no id comes twice."""
        ...


def _all_different(ids: Sequence[str]) -> bool:
    return ids.all_different() if isinstance(ids, ColumnIds) else len(set(ids)) == len(ids)


def _first(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in ids[:_SHOWN])
    return shown + (" …" if len(ids) > _SHOWN else "")


def nothing_shared(predictions: str, gold: str, here: str, there: str) -> InputError:
    """No id is in both: ``here`` and ``there`` are the first of each."""
    return InputError(
        f"no id is also in {gold}: there {there!r}, here {here!r}",
        where=predictions,
        expected="the gold's ids",
        mend="name the columns with --id-column and --gold-id-column",
    )


def not_predicted(predictions: str, gold: str, missing: int, items: int, first: str) -> InputError:
    """So many items have no prediction; ``first`` names some."""
    return InputError(
        f"no prediction for {missing} of {items} items: {first}",
        where=predictions,
        expected=f"every id of {gold}",
        mend="add them, or say --on-missing wrong or --on-missing skip",
    )


def given_twice(where: str, ids: int, first: str) -> InputError:
    """So many ids come more than once; ``first`` names some."""
    found = "1 id comes" if ids == 1 else f"{ids} ids come"
    return InputError(
        f"{found} more than once: {first}",
        where=where,
        expected="each id once",
        mend="remove the repeated rows, or say --keep first or --keep last",
    )
