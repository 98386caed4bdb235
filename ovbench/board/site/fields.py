"""Everything that a record says, as titled lists of names and values."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup
from pydantic import BaseModel

from ovbench.board.record import Record
from ovbench.board.site.text import count, linked
from ovbench.report.sections import size_text

Field = tuple[str, str | Markup]
Section = tuple[str, list[Field]]

_SELECTION = {
    "fixed": "fixed: chosen beforehand",
    "dev": "dev: chosen on the development set",
    "test-best": "test-best: the best on the test set",
    "unknown": "unknown: nobody says how it was chosen",
}


def sections(record: Record, file: str) -> list[Section]:
    """All fields but scores, floors and predictions; those that are null are left out.

    ``file``: where the record lies, relative to the leaderboard's folder.
    """
    signature = [("signature", record.signature)] if record.signature is not None else []
    parts: list[tuple[str, list[Field]]] = [
        ("Where it comes from", [*_fields(record.origin), ("file", file)]),
        ("System", _fields(record.system, skip={"setting"})),
        ("Setting", _text(sorted(record.system.setting.items()))),
        (
            "Checkpoint",
            [
                *_fields(record.checkpoint, skip={"selection"}),
                ("selection", _SELECTION[record.checkpoint.selection]),
            ],
        ),
        ("Task", _fields(record.task)),
        ("Protocol", [("protocol", record.protocol), *signature]),
        ("Intervals", _fields(record.interval) if record.interval else []),
        ("Items by what became of them", _text(record.counts.items())),
        ("Cost", _cost(record)),
        ("Versions", _text(sorted(record.versions.items()))),
        ("Schema", [("schema_version", record.schema_version)]),
    ]
    return [(title, fields) for title, fields in parts if fields]


def _fields(model: BaseModel, skip: Iterable[str] = ()) -> list[Field]:
    names = [name for name in type(model).model_fields if name not in set(skip)]
    return _text((name, getattr(model, name)) for name in names)


def _text(pairs: Iterable[tuple[str, object]]) -> list[Field]:
    return [(name.replace("_", " "), _shown(value)) for name, value in pairs if value is not None]


def _shown(value: object) -> str | Markup:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    return linked(value) if isinstance(value, str) else str(value)


def _cost(record: Record) -> list[Field]:
    cost = record.cost
    fields = _fields(cost, skip={"peak_memory_bytes", "seconds"})
    if cost.peak_memory_bytes is not None:
        fields.append(("peak memory", size_text(cost.peak_memory_bytes)))
    if cost.seconds is not None:
        fields.append(("seconds", f"{cost.seconds:,.1f}"))
    return fields
