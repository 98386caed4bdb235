"""Cards and lists: protocols, tables, floors and plans as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ovbench.errors import InputError
from ovbench.protocols import Protocol
from ovbench.report.sections import DASH, Section, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ovbench.normalize.official import LabelChange
    from ovbench.normalize.tables import StoredTables
    from ovbench.scoring.planning import FloorReport, Plan


def protocol_list(protocols: Sequence[Protocol]) -> Section:
    """Every protocol on one line."""
    rows = tuple((p.id, p.headline, getattr(p, "normalizer", DASH), p.title) for p in protocols)
    note = "a card with formula and flaws: ovbench protocols show ID"
    return Section("Protocols", ("id", "headline", "normalizer", "what"), rows, (note,))


def protocols_json(protocols: Iterable[Protocol]) -> str:
    """``{"protocols": [...]}``: each as :func:`protocol_json` gives it."""
    each = ",\n".join(protocol_json(protocol).rstrip("\n") for protocol in protocols)
    return '{"protocols": [\n' + each + "\n]}\n"


def protocol_json(protocol: Protocol) -> str:
    """All fields of a protocol, its card among them, with one trailing newline."""
    return protocol.to_json()


def protocol_card(protocol: Protocol) -> Iterable[RenderableType]:
    """A protocol's card as a Rich panel."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    card = protocol.card
    blocks: list[RenderableType] = []

    def block(name: str, text: str) -> None:
        blocks.extend([Text(name, style="bold"), Text(text), Text("")])

    def bullets(name: str, lines: Iterable[str]) -> None:
        block(name, "\n".join(f"• {line}" for line in lines))

    block("Definition", card.definition)
    block("Formula", card.formula)
    bullets("Edge rules", card.edge_rules)
    bullets("Used by", card.used_by)
    bullets("Known flaws", card.flaws)
    fields = "\n".join(f"{name}: {_plain(v)}" for name, v in protocol.scoring_fields().items())
    block("Fields", fields)
    blocks.extend([Text("Source", style="bold"), Text(card.source)])
    yield Panel(Group(*blocks), title=f"{protocol.id}: {protocol.title}", title_align="left")


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def table_list(tables: Iterable[StoredTables]) -> Section:
    """Stored official tables."""
    rows = tuple(
        (t.name, t.hash[:8], str(t.forms), str(t.base_words), str(t.wheel_words), t.source)
        for t in tables
    )
    notes = () if rows else ("none is stored yet; add some with: ovbench tables add PATH",)
    columns = ("name", "hash", "forms", "base words", "wheel words", "read from")
    return Section("Official tables", columns, rows, notes)


def table_diff(before: str, after: str, changes: Sequence[LabelChange], level: str) -> Section:
    """Labels whose cluster differs between two tables."""
    rings = {ring for change in changes for ring, *_ in change.rings}
    levels = sorted({ring.partition("/")[2] for ring in rings})
    if changes and level not in ("all", *levels):
        raise InputError(f"no ring has level {level!r}", expected=", ".join(levels) + " or all")
    rows = []
    for change in changes:
        for ring, old, new in change.rings:
            wheel, _, ring_level = ring.partition("/")
            if level in ("all", ring_level):
                rows.append((change.label, wheel, ring_level, old or DASH, new or DASH))
    labels = len({row[0] for row in rows})
    note = f"{labels} labels change here ({len(changes)} on any level); {DASH} is unknown"
    columns = ("label", "wheel", "level", before, after)
    return Section(f"{before} → {after}", columns, tuple(rows), (note,))


def floor_section(report: FloorReport) -> Section:
    """The floors of a gold file."""
    names = list(dict.fromkeys(name for scores in report.floors.values() for name in scores))
    rows = tuple(
        (floor, *(percent(scores.get(n)) for n in names), ", ".join(report.notes[floor].labels))
        for floor, scores in report.floors.items()
    )
    notes = tuple(f"{name}: {note.description}" for name, note in report.notes.items())
    title = f"Floors of {report.gold}, {report.protocol} ({report.items} items)"
    return Section(title, ("answer", *names, "labels"), rows, notes)


def power_section(report: Plan) -> Section:
    """What a test set can show."""
    rows = [
        ("items", str(report.items)),
        ("standard error of the difference", percent(report.standard_error)),
        ("smallest detectable difference", percent(report.detectable)),
    ]
    if report.difference is not None:
        rows.append(("planned difference", percent(report.difference)))
        rows.append(("items needed for it", str(report.items_needed)))
        rows.append(("power for it with these items", percent(report.achieved_power)))
    note = f"two-sided, level {report.level:g}, power {report.power:g}; differences in points"
    return Section("Power", ("", "value"), tuple(rows), (note,))
