"""Ranks as ranges: the places that tests between all pairs of a table leave open.

System A is above B where a test tells them apart after Holm's correction for the number of pairs
in the table. A system's best place is 1 + how many are above it, its worst n - how many are below
it. Rows that no test tells apart share places; being above is not taken to be transitive. The
tests are those of :mod:`ovbench.board.pairs`: of our own figures paired, on both systems' answers,
so that only those are ranked that were scored here; of published ones unpaired, from two intervals.

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
    p_of_differences,
    two_sided,
    variances_of_differences,
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
NOT_SCORED = "its answers could not be scored here"


@dataclass(frozen=True)
class Scored:
    """The answers of one table's records, as far as they can be scored here.

    Attributes
    ----------
    answers:
        None where there are none, or they cannot be scored.
    places:
        Of each system of ``answers``: its record's place among the table's.
    problem:
        Why answers that there are could not be scored (in no words of theirs, and without paths).
    """

    answers: Answers | None
    places: tuple[int, ...]
    problem: str = ""


@dataclass(frozen=True)
class Ranking:
    """Ranks of one table's records, or why a record has none.

    Attributes
    ----------
    ranks:
        Best and worst place by record id, 1 for the first.
    unranked:
        Reason by record id; every record is in one of the two.
    believed:
        Ids of the records whose answers were scored here and give the claimed score, ranked or not.
    notes:
        How the ranks were made.
    """

    ranks: dict[str, tuple[int, int]]
    unranked: dict[str, str]
    believed: frozenset[str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Evidence:
    """What the answers of a table's records say of their differences.

    ``place`` has shape (records,): the row in ``variance`` and ``items`` of those whose answers
    give the claimed score, else -1; both have shape (answers, answers).
    """

    place: NDArray[np.int64]
    variance: NDArray[np.float64]
    items: NDArray[np.int64]
    degrees: int


def score_answers(entries: Sequence[Entry]) -> Scored:
    """All answers of one table's records that can be scored here."""
    offered = [place for place, entry in enumerate(entries) if entry.record.predictions]
    if not offered:
        return Scored(None, ())
    try:
        answers = answers_to([entries[place].record for place in offered])
    except MissingDataError:
        return Scored(None, (), "the task's files are not on the machine that made this table")
    except OvbenchError:
        return Scored(None, (), "the task, its gold or its protocol is not one of this ovbench")
    return Scored(answers, tuple(offered[member] for member in answers.members))


def rank(
    entries: Sequence[Entry], headline: str, scored: Scored, *, higher_is_better: bool = True
) -> Ranking:
    """The range of places that tests leave open for every record of one table.

    Oracles, checkpoints chosen on test, and figures of ours that are not those of answers scored
    here are not ranked, and take no part in the correction. The records are all published, or none
    is.
    """
    records = [entry.record for entry in entries]
    evidence = _evidence(records, headline, scored)
    errors = np.array([_error(record, headline) for record in records])
    told = [
        _why(record, headline, place in scored.places, bool(evidence.place[place] >= 0), error)
        for place, (record, error) in enumerate(zip(records, errors.tolist(), strict=True))
    ]
    chosen = np.array([place for place, why in enumerate(told) if why is None], dtype=np.int64)
    values = np.array([records[place].scores[headline].value for place in chosen])
    first, second = np.triu_indices(len(chosen), 1)
    difference = (values[first] - values[second]) * (1 if higher_is_better else -1)
    published = all(record.origin.kind == "published" for record in records)
    if published:
        squares = errors[chosen] ** 2
        p = two_sided(deviates(difference, squares[first] + squares[second]))
    else:
        place = evidence.place[chosen]
        at = place[first], place[second]
        variance, items = evidence.variance[at], evidence.items[at]
        p = p_of_differences(difference, variance, evidence.degrees, items)
    apart = holm(p.tolist()) <= LEVEL
    above, below = (
        np.bincount(np.where(wins, first, second)[apart], minlength=len(chosen))
        for wins in (difference < 0, difference > 0)
    )
    places = zip((1 + above).tolist(), (len(chosen) - below).tolist(), strict=True)
    return Ranking(
        ranks={entries[at].id: found for at, found in zip(chosen.tolist(), places, strict=True)},
        unranked={entry.id: why for entry, why in zip(entries, told, strict=True) if why},
        believed=frozenset(entries[at].id for at in np.flatnonzero(evidence.place >= 0).tolist()),
        notes=(*_how(len(first), published), *_unused(records, evidence, scored)),
    )


def _why(record: Record, headline: str, scored: bool, fits: bool, error: float) -> str | None:
    """Why a record is not ranked; None: it is.

    ``scored``: its answers were scored here; ``fits``: and gave the claimed score; ``error``: the
    standard error of its headline, NaN where it has no interval.
    """
    published = record.origin.kind == "published"
    if headline not in record.scores:
        return f"no score {headline}"
    if scored and not fits:
        return OTHER_SCORE
    if record.system.oracle:
        return ORACLE
    if record.checkpoint.selection == "test-best":
        return TEST_BEST
    if published:
        return NO_EVIDENCE if np.isnan(error) else None
    if not record.predictions:
        return CLAIMED
    return None if fits else NOT_SCORED


def _how(pairs: int, published: bool) -> tuple[str, ...]:
    if not pairs:
        return ()
    tested = (
        "from two intervals (unpaired, which finds less)"
        if published
        else "on the items' answers (paired, leave-one-out)"
    )
    return (
        f"ranks are the places that tests leave open (level {LEVEL:g}, {pairs} "
        f"{'pair' if pairs == 1 else 'pairs'}, corrected by Holm's method)",
        f"pairs tested {tested}: {pairs}",
    )


def _evidence(records: Sequence[Record], headline: str, scored: Scored) -> _Evidence:
    """What the answers say that give the claimed score."""
    place = np.full(len(records), -1, dtype=np.int64)
    answers = scored.answers
    if answers is None or headline not in answers.evaluation.scores:
        none = np.zeros((0, 0), dtype=np.int64)
        return _Evidence(place, none.astype(np.float64), none, 1)
    values, rows = answers.evaluation.statistics.values, answers.rows()
    scores, parts = leave_one_out(values, rows, answers.finish, headline)
    claimed = np.array([_claimed(records[index], headline) for index in scored.places])
    fits = np.abs(scores - claimed) <= TOLERANCE
    used = np.array(scored.places)[fits]
    place[used] = np.arange(len(used))
    parts, rows = parts[fits], rows[fits]
    return _Evidence(
        place,
        variances_of_differences(values, rows, parts, answers.finish, headline),
        differing(values, rows),
        max(parts.shape[1] - 1, 1),
    )


def _claimed(record: Record, headline: str) -> float:
    return record.scores[headline].value if headline in record.scores else float("nan")


def _unused(records: Sequence[Record], evidence: _Evidence, scored: Scored) -> tuple[str, ...]:
    """A note on predictions that are not used."""
    offered = np.array([bool(record.predictions) for record in records])
    unused = int((offered & (evidence.place < 0)).sum())
    if not unused:
        return ()
    why = scored.problem or "they do not fit the task, or do not give the claimed score here"
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
