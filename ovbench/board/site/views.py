"""Tables as pages see them: cells with their links, bars, groups, systems, tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ovbench.board.record import Record, ScoreEntry
from ovbench.board.site.text import count, slug
from ovbench.board.tables import FLOOR, Row, Table

GROUPS = {
    "measured": "Measured: run with ovbench by whoever submitted it",
    "recomputed": "Recomputed: scored here from someone’s predictions",
    "published": "Published: figures copied from their source",
    FLOOR: "Floors: trivial answers on the same gold",
}


class Bar(NamedTuple):
    """An interval and its value, in percent of the axis; no width where there is no interval."""

    at: float
    left: float
    width: float | None


class Cell(NamedTuple):
    """One score of a row, and the page that its number links to."""

    score: ScoreEntry | None
    sort: str
    page: str


@dataclass(frozen=True)
class Line:
    """A row and what its table's page shows of it; addresses are relative to a folder of pages."""

    row: Row
    headline: ScoreEntry | None
    cells: tuple[Cell, ...]
    bar: Bar | None
    page: str
    system: str | None

    @property
    def anchor(self) -> str:
        """The row's id in its table's page."""
        return self.row.id or "floor-" + slug(self.row.name)

    @property
    def rank(self) -> str:
        """``1``, ``2–4`` or a dash."""
        return self.row.places

    @property
    def rank_sort(self) -> str:
        """Sorts by the best place, then by the worst; empty (last) without a rank."""
        return "" if self.row.rank is None else f"{self.row.rank[0]}.{self.row.rank[1]:07d}"

    @property
    def parameters(self) -> int | None:
        """Trainable parameters, where the record tells."""
        return self.row.record.cost.trainable_parameters if self.row.record else None

    @property
    def setting(self) -> str:
        """What tells entries of one system apart."""
        if self.row.record is None:
            return ""
        system = self.row.record.system
        parts = [f"{key}: {value}" for key, value in sorted(system.setting.items())]
        parts += [f"seed {system.seed}"] if system.seed is not None else []
        return ", ".join(parts)


class Group(NamedTuple):
    """Rows of one provenance."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class TableView:
    """A table's page."""

    table: Table
    lines: tuple[Line, ...]
    axis: tuple[float, float] | None
    """Both ends of the bars' axis, as scores; None where every score is the same."""

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The provenances that its rows have."""
        found = {line.row.provenance for line in self.lines}
        return tuple(kind for kind in GROUPS if kind in found)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Its rows by provenance; the order within each stays."""
        return tuple(
            Group(title, tuple(line for line in self.lines if line.row.provenance == kind))
            for kind, title in GROUPS.items()
            if kind in self.kinds
        )

    @property
    def longest(self) -> int:
        """Rows of the largest group; of more than 100, a page shows the first at first."""
        return max(len(group.lines) for group in self.groups)

    @property
    def records(self) -> int:
        """Rows that are records."""
        return sum(line.row.record is not None for line in self.lines)

    @property
    def published(self) -> bool:
        """Whether its figures are copied, so that the source belongs beside each."""
        return self.table.signature is None

    @property
    def leader(self) -> Line | None:
        """The first ranked row, where there is another to be before."""
        ranked = [line for line in self.lines if line.row.rank and line.headline]
        return ranked[0] if len(ranked) > 1 else None

    @property
    def comparable(self) -> bool:
        """Whether there are two systems to set side by side."""
        return self.records > 1

    @cached_property
    def lines_drawn(self) -> tuple[Line, ...]:
        """Rows with both a headline score and trainable parameters: those of the plot."""
        return tuple(line for line in self.lines if line.parameters and line.headline)

    @property
    def plotted(self) -> bool:
        """Whether there is anything to plot against each other."""
        return len(self.lines_drawn) > 1

    @property
    def width(self) -> int:
        """Columns of the page's table."""
        return 4 + len(self.table.columns) + (self.axis is not None) + 2 * self.published

    @property
    def caption(self) -> str:
        """How many records, and how intervals are drawn."""
        confidence = {
            line.row.record.interval.confidence
            for line in self.lines
            if line.row.record and line.row.record.interval
        }
        drawn = ""
        if len(confidence) == 1:
            drawn = f"; [low, high] and bars: {100 * confidence.pop():g} % intervals"
        elif confidence:
            drawn = "; [low, high] and bars: intervals of several widths, see the records"
        return f"{count(self.records)} record{'' if self.records == 1 else 's'}{drawn}"


class TaskView(NamedTuple):
    """A task's page."""

    name: str
    page: str
    tables: tuple[TableView, ...]
    systems: int
    kinds: Counter[str]


class SystemView(NamedTuple):
    """A system's page: its lines, each with its table."""

    name: str
    page: str
    lines: tuple[tuple[TableView, Line], ...]
    tasks: int


def table_view(table: Table) -> TableView:
    """Work out a table's cells and bars."""
    axis = _axis(table.rows, table.headline)
    homes = _floor_homes(table.rows)
    return TableView(table, tuple(_line(row, table, axis, homes) for row in table.rows), axis)


def task_views(views: Sequence[TableView]) -> tuple[TaskView, ...]:
    """Tables by task: those with figures of our own first, then by name."""
    found: dict[str, list[TableView]] = {}
    for view in views:
        found.setdefault(view.table.task, []).append(view)
    tasks = [
        TaskView(
            name,
            f"tasks/{slug(name)}.html",
            tuple(of_task),
            len({record.system.name for view in of_task for record in _records(view)}),
            Counter(record.origin.kind for view in of_task for record in _records(view)),
        )
        for name, of_task in sorted(found.items())
    ]
    return tuple(sorted(tasks, key=lambda task: set(task.kinds) <= {"published"}))


def system_views(views: Sequence[TableView]) -> tuple[SystemView, ...]:
    """Lines by the name of their system, by name."""
    found: dict[str, list[tuple[TableView, Line]]] = {}
    for view in views:
        for line in view.lines:
            if line.row.record is not None:
                found.setdefault(line.row.record.system.name, []).append((view, line))
    return tuple(
        SystemView(
            name, system_page(name), tuple(lines), len({view.table.task for view, _ in lines})
        )
        for name, lines in sorted(found.items())
    )


def system_page(name: str) -> str:
    """A system's page, relative to the site."""
    return f"systems/{slug(name)}.html"


def _records(view: TableView) -> Iterable[Record]:
    return (line.row.record for line in view.lines if line.row.record is not None)


def _line(row: Row, table: Table, axis: tuple[float, float] | None, homes: dict[str, str]) -> Line:
    page = f"../records/{row.id}.html" if row.record else homes.get(row.name, "")
    headline = row.values.get(table.headline)
    cells = []
    for name in table.columns:
        score = row.values.get(name)
        at = f"{page}#score-{slug(name)}" if row.record else page
        cells.append(Cell(score, "" if score is None else repr(score.value), at))
    drawn = headline and axis and axis[0] <= headline.value <= axis[1]
    bar = _bar(headline, axis) if headline and axis and drawn else None
    system = f"../{system_page(row.record.system.name)}" if row.record else None
    return Line(row, headline, tuple(cells), bar, page, system)


def _floor_homes(rows: Sequence[Row]) -> dict[str, str]:
    """Floor → the record that its numbers come from: the first row that tells those values."""
    homes: dict[str, str] = {}
    for floor in rows:
        if floor.record is not None:
            continue
        told = {name: score.value for name, score in floor.values.items()}
        for row in rows:
            if row.record is not None and row.record.floors.get(floor.name) == told:
                homes[floor.name] = f"../records/{row.id}.html#floor-{slug(floor.name)}"
                break
    return homes


def _axis(rows: Sequence[Row], headline: str) -> tuple[float, float] | None:
    """From the lowest to the highest end of the records' headline intervals.

    Floors beyond it are not drawn: some score 0, some 100, and would leave the systems no room.
    """
    ends: list[float] = []
    for row in rows:
        if row.record is not None and (score := row.values.get(headline)) is not None:
            ends += [end for end in (score.low, score.value, score.high) if end is not None]
    return (min(ends), max(ends)) if ends and min(ends) < max(ends) else None


def _bar(score: ScoreEntry, axis: tuple[float, float]) -> Bar:
    def at(value: float) -> float:
        return round(100 * (value - axis[0]) / (axis[1] - axis[0]), 2)

    middle = min(max(at(score.value) - 0.8, 0.0), 98.4)
    if score.low is None or score.high is None or score.high < score.low:
        return Bar(middle, 0.0, None)
    return Bar(middle, at(score.low), round(at(score.high) - at(score.low), 2))
