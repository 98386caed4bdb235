"""Ranks as ranges: the places that tests between all pairs of a table leave open.

System A is above B where a test tells them apart after Holm's correction for the number of pairs
in the table. A system's best place is 1 + how many are above it, its worst n - how many are below
it. Rows that no test tells apart share places; being above is not taken to be transitive. The
tests are those of :mod:`ovbench.board.pairs`: paired where both systems' answers and the task's
gold are here, else unpaired from two intervals.

Example: three systems of which only the first and the last are told apart have the places 1-2, 1-3
and 2-3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.board.items import Answers, answers_to
from ovbench.board.pairs import (
    deviates,
    differing,
    error_of_interval,
    leave_one_out,
    slopes,
    student_as_normal,
    two_sided,
    variances,
)
from ovbench.board.record import Record
from ovbench.board.store import Entry
from ovbench.errors import OvbenchError
from ovbench.metrics.significance import holm
from ovbench.tasks import MissingDataError

LEVEL = 0.05
"""Of the corrected tests."""
CONFIDENCE = 0.95
"""Of intervals whose record does not say."""
TOLERANCE = 5e-5
"""Between a claimed score and that of the predictions: half a unit of 55.37's last digit."""

ORACLE = "oracle context"
TEST_BEST = "checkpoint chosen on test"
CLAIMED = "no answers: its figures are a claim"
NO_EVIDENCE = "no interval and no predictions"
OTHER_SCORE = "its answers do not give this score"
UNUSED_PREDICTIONS = "its predictions cannot be used here, and it has no interval"


@dataclass(frozen=True)
class Ranking:
    """Ranks of one table's records, or why a record has none.

    Attributes
    ----------
    ranks:
        Best and worst place by record id, 1 for the first.
    unranked:
        Reason by record id; every record is in one of the two.
    notes:
        How the ranks were made.
    answers, answered:
        The answers to the table's items, where they can be scored here, and the id of the record
        of each of their systems (ranked or not).
    """

    ranks: dict[str, tuple[int, int]]
    unranked: dict[str, str]
    notes: tuple[str, ...]
    answers: Answers | None
    answered: tuple[str, ...]


@dataclass(frozen=True)
class _Evidence:
    """What is known of the records of a table, in their order.

    ``own`` has shape (records,): the standard error of each score, NaN where unknown. ``place`` has
    shape (records,): the row in ``variance`` and ``items`` of those whose answers are used, else
    -1; both have shape (answers, answers).
    """

    own: NDArray[np.float64]
    place: NDArray[np.int64]
    variance: NDArray[np.float64]
    items: NDArray[np.int64]
    degrees: int


def rank(entries: Sequence[Entry], headline: str, *, higher_is_better: bool = True) -> Ranking:
    """The range of places that tests leave open for every record of one table.

    Oracles, checkpoints chosen on test, figures of ours that no answers stand behind and those that
    their own answers do not give are not ranked, and take no part in the correction.
    """
    unranked = {entry.id: why for entry in entries if (why := _never(entry.record, headline))}
    answers, answered, problem = _answers(entries)
    evidence = _evidence([entry.record for entry in entries], headline, answers, answered)
    if answers is not None and headline in answers.evaluation.scores:
        lied = [entries[index].id for index in answered if evidence.place[index] < 0]
        unranked = dict.fromkeys(lied, OTHER_SCORE) | unranked
    for entry, error in zip(entries, evidence.own, strict=True):
        if entry.id not in unranked and np.isnan(error):
            unranked[entry.id] = UNUSED_PREDICTIONS if entry.record.predictions else NO_EVIDENCE
    chosen = [index for index, entry in enumerate(entries) if entry.id not in unranked]
    values = np.array([entries[index].record.scores[headline].value for index in chosen])
    above, below, notes = _told_apart(
        values if higher_is_better else -values, evidence, np.array(chosen, dtype=np.int64)
    )
    places = zip((1 + above).tolist(), (len(chosen) - below).tolist(), strict=True)
    return Ranking(
        ranks={entries[index].id: place for index, place in zip(chosen, places, strict=True)},
        unranked=unranked,
        notes=(*notes, *_unused(entries, evidence, problem)),
        answers=answers,
        answered=tuple(entries[index].id for index in answered),
    )


def _answers(entries: Sequence[Entry]) -> tuple[Answers | None, list[int], str]:
    """All answers that can be scored here, the entries they are of, and else why not."""
    offered = [index for index, entry in enumerate(entries) if entry.record.predictions]
    if not offered:
        return None, [], ""
    try:
        answers = answers_to([entries[index].record for index in offered])
    except MissingDataError:
        return None, [], "the task's files are not on the machine that made this table"
    except OvbenchError:
        return None, [], "the task, its gold or its protocol is not one of this ovbench"
    return answers, [offered[member] for member in answers.members], ""


def _never(record: Record, headline: str) -> str | None:
    """Why a record is not ranked whatever its evidence."""
    if record.system.oracle:
        return ORACLE
    if record.checkpoint.selection == "test-best":
        return TEST_BEST
    if record.origin.kind != "published" and not record.predictions:
        return CLAIMED
    return None if headline in record.scores else f"no score {headline}"


def _told_apart(
    values: NDArray[np.float64], evidence: _Evidence, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """How many systems are above and below each of the chosen ones; and how that was found."""
    first, second = np.triu_indices(len(chosen), 1)
    difference = values[first] - values[second]
    own, place = evidence.own[chosen], evidence.place[chosen]
    squares = own**2
    deviate = deviates(difference, squares[first] + squares[second])
    least = np.zeros(len(first))
    paired = (place[first] >= 0) & (place[second] >= 0)
    if paired.any():
        at = place[first[paired]], place[second[paired]]
        t = deviates(difference[paired], evidence.variance[at])
        deviate[paired] = student_as_normal(t, evidence.degrees)
        least[paired] = np.minimum(1.0, 2.0 ** (1.0 - evidence.items[at]))
    p = np.maximum(two_sided(deviate), least)
    apart = holm(p.tolist()) <= LEVEL
    better = np.where(difference > 0, first, second)[apart]
    worse = np.where(difference > 0, second, first)[apart]
    above = np.bincount(worse, minlength=len(chosen))
    below = np.bincount(better, minlength=len(chosen))
    return above, below, _how(int(paired.sum()), len(first))


def _how(paired: int, pairs: int) -> tuple[str, ...]:
    if not pairs:
        return ()
    notes = [
        f"ranks are the places that tests leave open (level {LEVEL:g}, {pairs} "
        f"{'pair' if pairs == 1 else 'pairs'}, corrected by Holm's method)"
    ]
    if paired:
        notes.append(f"pairs tested on the items' answers (paired, leave-one-out): {paired}")
    if pairs > paired:
        notes.append(
            f"pairs tested from two intervals (unpaired, which finds less): {pairs - paired}"
        )
    return tuple(notes)


def _evidence(
    records: Sequence[Record], headline: str, answers: Answers | None, answered: Sequence[int]
) -> _Evidence:
    """Answers where they give the claimed score, else intervals."""
    own = np.array([_error(record, headline) for record in records])
    place = np.full(len(records), -1, dtype=np.int64)
    none = np.zeros((0, 0), dtype=np.int64)
    if answers is None or headline not in answers.evaluation.scores:
        return _Evidence(own, place, none.astype(np.float64), none, 1)
    values, rows = answers.evaluation.statistics.values, answers.rows()
    scores, parts = leave_one_out(values, rows, answers.finish, headline)
    claimed = np.array([_claimed(records[index], headline) for index in answered])
    fits = np.abs(scores - claimed) <= TOLERANCE
    used = np.array(answered)[fits]
    place[used] = np.arange(len(used))
    n = parts.shape[1]
    own[used] = np.sqrt((parts[fits] ** 2).sum(axis=1) * ((n - 1) / n))
    variance = variances(parts[fits])
    if len(used):
        given = slopes(values, rows[fits], answers.finish, headline)
        variance = np.maximum(variance, variances(given))
    return _Evidence(own, place, variance, differing(values, rows[fits]), max(n - 1, 1))


def _claimed(record: Record, headline: str) -> float:
    return record.scores[headline].value if headline in record.scores else float("nan")


def _unused(entries: Sequence[Entry], evidence: _Evidence, problem: str) -> tuple[str, ...]:
    """A note on predictions that are not used (with no words of theirs, and no paths)."""
    offered = np.array([bool(entry.record.predictions) for entry in entries])
    unused = int((offered & (evidence.place < 0)).sum())
    if not unused:
        return ()
    why = problem or "they do not fit the task, or do not give the claimed score here"
    return (f"predictions of {unused} record{'s' * (unused > 1)} are not used: {why}",)


def _error(record: Record, headline: str) -> float:
    """Standard error from the headline's interval; NaN without one, or with an impossible one."""
    score = record.scores.get(headline)
    if score is None:
        return float("nan")
    if score.low is None or score.high is None or not score.low <= score.value <= score.high:
        return float("nan")
    if score.low == score.high:  # says nothing
        return float("nan")
    confidence = record.interval.confidence if record.interval else CONFIDENCE
    return error_of_interval(score.low, score.high, confidence)
