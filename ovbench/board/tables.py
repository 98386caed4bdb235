"""Records as tables: what may stand beside what, in which order, ranked or not.

Records share a table when they answer the same items by the same score: task, split, signature
(published: metric as printed), digest of the gold, and protocol. Of a signature only what is said
of the score counts: not whether a run failed on items, its batch size or its version, because all
answers of a table are scored here, by one version, and failed items as wrong. Rows are sorted:
ranked ones by the headline, then those without a rank, then the floors; equal scores follow each
other by name. Nothing depends on the order of the records. Where answers of a table are scored
here, it is ranked by the protocol's own headline, and those records alone whose answers give their
score say what the floors are: claims of others cannot change either.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ovbench.board.items import Answers
from ovbench.board.ranking import Ranking, Scored, rank, score_answers
from ovbench.board.record import Record, ScoreEntry
from ovbench.board.store import Board, Entry
from ovbench.report.sections import DASH

FLOOR = "floor"
"""Provenance of the rows that no system made."""
_LOWER = re.compile(
    r"(?<![a-z])(mae|mse|rmse|wer|cer|eer|error|loss|perplexity)(?![a-z])", re.IGNORECASE
)
_BRACKETS = re.compile(r"\([^()]*\)|\[[^][]*\]")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    id:
        The record's id (12 hexadecimal digits); empty for a floor.
    record:
        The record; None for a floor.
    name:
        What is shown: the system's name, its setting, and its seed where rows differ in that alone;
        or the floor's name. Untrusted text.
    provenance:
        ``measured``, ``recomputed``, ``published`` or ``floor``.
    values:
        By score name, the headline among them where the row has it.
    rank:
        Best and worst place that the tests leave open, 1 for the first; None: unranked.
    why_unranked:
        A reason in a few words; None where there is a rank.
    file:
        The record's file, relative to ``leaderboards/``; empty for a floor.
    """

    id: str
    record: Record | None
    name: str
    provenance: str
    values: dict[str, ScoreEntry]
    rank: tuple[int, int] | None
    why_unranked: str | None
    file: str

    @property
    def places(self) -> str:
        """The rank as text: ``3``, ``1–5``, or a dash."""
        if self.rank is None:
            return DASH
        best, worst = self.rank
        return str(best) if best == worst else f"{best}–{worst}"


@dataclass(frozen=True)
class Table:
    """Rows that may be compared.

    Attributes
    ----------
    slug:
        Unique, of ``a-z 0-9 -``; part of file names. It stays the same when records are added.
    task, split, protocol, signature, headline:
        As in the rows' records. ``signature`` is that part of it which all rows have; it is None
        in tables of published figures.
    title:
        One line. Untrusted text.
    columns:
        Score names, the headline first.
    rows:
        Ranked by headline, then unranked, then floors.
    items:
        How many items the scores are over; None where the records do not agree or do not say.
    notes:
        How the ranks were made, and what to beware of.
    higher_is_better:
        False for errors such as MAE or WER; the rows are sorted accordingly.
    answers, answered:
        The answers to the table's items, scored once for all uses, where records have predictions
        and the gold is here; and the record id of each of their systems.
    """

    slug: str
    task: str
    split: str
    title: str
    protocol: str
    signature: str | None
    headline: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    items: int | None
    notes: tuple[str, ...]
    higher_is_better: bool = True
    answers: Answers | None = field(default=None, repr=False, compare=False)
    answered: tuple[str, ...] = ()


def tables(board: Board) -> tuple[Table, ...]:
    """All tables of a board, sorted by task, split, protocol and slug."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in sorted(board.entries, key=lambda entry: entry.id):
        record = entry.record
        key = (*record.table(), record.task.digest or "", record.protocol)
        groups.setdefault(key, []).append(entry)
    made = [_table(key, entries) for key, entries in groups.items()]
    return tuple(sorted(made, key=lambda t: (t.task, t.split, t.protocol, t.slug)))


def _table(key: tuple[str, ...], entries: Sequence[Entry]) -> Table:
    records = [entry.record for entry in entries]
    first = records[0]
    scored = score_answers(entries)
    headline = _headline(records, scored)
    higher = not _LOWER.search(_BRACKETS.sub(" ", headline))
    ranking = rank(entries, headline, scored, higher_is_better=higher)
    floors, floor_notes = _floors(_believed(entries, ranking), headline, higher)
    sizes = {record.task.items for record in records}
    title = f"{first.task.id}, {first.task.split}: {first.protocol}"
    return Table(
        slug=_slug(key, first.protocol),
        task=first.task.id,
        split=first.task.split,
        title=title,
        protocol=first.protocol,
        signature=_signature(records),
        headline=headline,
        columns=_columns(records, headline),
        rows=(*_rows(entries, ranking, headline, higher), *floors),
        items=sizes.pop() if len(sizes) == 1 else None,
        notes=(*_sources(records), *ranking.notes, *floor_notes),
        higher_is_better=higher,
        answers=scored.answers,
        answered=tuple(entries[place].id for place in scored.places),
    )


def _headline(records: Sequence[Record], scored: Scored) -> str:
    """The protocol's own; where nothing can be scored here, the one that most records name."""
    if scored.answers is not None:
        return scored.answers.headline
    counted = Counter(record.headline for record in records)
    return min(counted, key=lambda name: (-counted[name], name))


def _believed(entries: Sequence[Entry], ranking: Ranking) -> list[Record]:
    """The records whose answers give their score; where there are none, all."""
    found = [entry.record for entry in entries if entry.id in ranking.believed]
    return found or [entry.record for entry in entries]


def _signature(records: Sequence[Record]) -> str | None:
    """Whole where the records have the same, else the part that they share."""
    whole = {record.signature for record in records}
    return whole.pop() if len(whole) == 1 else records[0].shared_signature()


def _rows(entries: Sequence[Entry], ranking: Ranking, headline: str, higher: bool) -> Iterable[Row]:
    names = _names([entry.record for entry in entries])
    rows = [
        Row(
            id=entry.id,
            record=entry.record,
            name=name,
            provenance=entry.record.origin.kind,
            values=dict(entry.record.scores),
            rank=ranking.ranks.get(entry.id),
            why_unranked=ranking.unranked.get(entry.id),
            file=entry.file,
        )
        for entry, name in zip(entries, names, strict=True)
    ]
    return sorted(
        rows, key=lambda r: (r.rank is None, _order(r.values, headline, higher), r.name, r.id)
    )


def _order(values: Mapping[str, ScoreEntry], headline: str, higher: bool) -> float:
    """Smallest for the best; last where there is no such score."""
    if headline not in values:
        return float("inf")
    return -values[headline].value if higher else values[headline].value


def _names(records: Sequence[Record]) -> list[str]:
    """Name and setting, and the seed where rows have the same of both."""
    plain = []
    for record in records:
        setting = ", ".join(
            f"{key} {value}" for key, value in sorted(record.system.setting.items())
        )
        plain.append(f"{record.system.name} ({setting})" if setting else record.system.name)
    often = Counter(plain)
    return [
        f"{name}, seed {record.system.seed}"
        if often[name] > 1 and record.system.seed is not None
        else name
        for name, record in zip(plain, records, strict=True)
    ]


def _columns(records: Sequence[Record], headline: str) -> tuple[str, ...]:
    """Score names: the headline, then as in the record that has most, then the others' by name.

    Averages over the first level that repeat the score over all rings are left out.
    """
    fullest = max(records, key=lambda record: len(record.scores))
    others = sorted({name for record in records for name in record.scores})
    names = dict.fromkeys([headline, *fullest.scores, *others])
    return tuple(name for name in names if not _repeats(records, name))


def _repeats(records: Sequence[Record], name: str) -> bool:
    whole = name.removesuffix("_level1")
    return whole != name and all(
        record.scores.get(name) == record.scores.get(whole) for record in records
    )


def _sources(records: Sequence[Record]) -> tuple[str, ...]:
    """A warning on figures that others printed."""
    found = {record.origin.source for record in records if record.origin.kind == "published"}
    if not found:
        return ()
    return (
        f"copied from {len(found)} source{'s' * (len(found) > 1)}; items, label sets and settings "
        "may differ even where data set and metric are called the same",
    )


def _floors(
    records: Sequence[Record], headline: str, higher: bool
) -> tuple[list[Row], tuple[str, ...]]:
    """One row per trivial answer; where records tell of several values, the hardest to beat.

    Answers dealt at random are a system's own, and the best constant answer has as many labels as
    the system's own answers have on average: those floors differ between systems.
    """
    found: dict[str, dict[tuple[tuple[str, float], ...], None]] = {}
    for record in records:
        for name, scores in record.floors.items():
            found.setdefault(name, {})[tuple(sorted(scores.items()))] = None
    rows = []
    for name, several in found.items():
        told = [{key: ScoreEntry(value=value) for key, value in scores} for scores in several]
        best = min(told, key=lambda values: (_order(values, headline, higher), sorted(values)))
        rows.append(Row("", None, name, FLOOR, best, None, FLOOR, ""))
    notes = tuple(
        f"floor {name}: records give {len(several)} values; the hardest to beat is shown"
        for name, several in sorted(found.items())
        if len(several) > 1
    )
    return sorted(rows, key=lambda r: (_order(r.values, headline, higher), r.name)), notes


def _slug(key: tuple[str, ...], protocol: str) -> str:
    """Readable beginning, and digits of a hash over the key, which alone make it unique."""
    words = "-".join(re.findall(r"[a-z0-9]+", " ".join([*key[:2], protocol]).lower()))[:60]
    digits = hashlib.sha256("\0".join(key).encode()).hexdigest()[:12]
    return f"{words.strip('-')}-{digits}".lstrip("-")
