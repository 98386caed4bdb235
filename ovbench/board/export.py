"""A table as Markdown, LaTeX or CSV, and a record as Hugging Face's files.

Names and notes come from submissions: escaping is :mod:`ovbench.report.render`'s, and PyYAML's for
YAML. PyYAML is in the extra ``report``: a model card's metadata are read by YAML parsers, and
quoting hostile text right is what such a library is for. (huggingface_hub writes the same blocks,
but brings an HTTP client.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ovbench.board.record import Record, ScoreEntry
from ovbench.board.store import Entry
from ovbench.board.submission import printable
from ovbench.board.tables import Row, Table
from ovbench.errors import InputError, MissingExtraError, UnknownNameError
from ovbench.report.render import FORMATS, plain
from ovbench.report.sections import DASH, Section, percent

MODEL_INDEX = "model-index.yaml"
"""Name of the file with the block for a model card's metadata."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_RESULTS_HEAD = """\
# For .eval_results/ in the model's repository. dataset.id is the benchmark's data set on the Hub,
# dataset.task_id a task of its eval.yaml. Values are in percent.
"""
_INDEX_HEAD = """\
# For the metadata of the model's README.md, between the lines of three dashes. In percent.
"""


def export_table(table: Table, form: str) -> str:
    """A table as text.

    Parameters
    ----------
    form:
        ``markdown``, ``latex`` (for the package booktabs) or ``csv``.

    Raises
    ------
    UnknownNameError
        If it is none of those.
    """
    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    return FORMATS[form]([section_of(table)])


def list_of(tables: Iterable[Table]) -> Section:
    """A line for each table: its name, what it is of, and how many systems and items it has."""
    rows = tuple(
        (
            table.slug,
            printable(table.task, 40),
            printable(table.split, 30),
            printable(table.protocol, 40),
            str(sum(row.record is not None for row in table.rows)),
            DASH if table.items is None else str(table.items),
        )
        for table in tables
    )
    columns = ("table", "task", "split", "protocol", "systems", "items")
    return Section("Tables", columns, rows)


def section_of(table: Table) -> Section:
    """A table's cells: places, names, scores in percent, and where the figures come from."""
    rows, (headline, *others) = table.rows, table.columns
    shown: list[tuple[str, list[str]]] = [
        ("rank", [row.places for row in rows]),
        ("system", [row.name for row in rows]),
        (headline, [_value(row, headline) for row in rows]),
        ("interval", [_interval(row.values.get(headline)) for row in rows]),
        *((name, [_value(row, name) for row in rows]) for name in others),
        ("from", [row.provenance for row in rows]),
    ]
    if any(row.provenance == "published" for row in rows):
        shown.append(("source", [_source(row) for row in rows]))
        shown.append(("evidence", [_evidence(row) for row in rows]))
    shown.append(("remark", ["; ".join(_remarks(row)) for row in rows]))
    shown.append(("record", [row.id or DASH for row in rows]))
    kept = [(name, cells) for name, cells in shown if set(cells) - {"", DASH}]
    signature = (f"signature: {table.signature}",) if table.signature else ()
    return Section(
        table.title,
        tuple(name for name, _ in kept),
        tuple(zip(*(cells for _, cells in kept), strict=True)),
        (*table.notes, *signature),
    )


def _value(row: Row, name: str) -> str:
    return percent(row.values[name].value) if name in row.values else DASH


def _interval(score: ScoreEntry | None) -> str:
    if score is None or score.low is None or score.high is None:
        return DASH
    return f"[{percent(score.low)}, {percent(score.high)}]"


def _source(row: Row) -> str:
    return (row.record.origin.source if row.record else None) or DASH


def _evidence(row: Row) -> str:
    return (row.record.origin.evidence if row.record else None) or DASH


def _remarks(row: Row) -> Iterator[str]:
    if row.why_unranked and row.record:
        yield f"not ranked: {row.why_unranked}"
    if row.record and row.record.origin.note:
        yield row.record.origin.note


def hugging_face(entry: Entry, dataset: str | None = None) -> dict[str, str]:
    """A record as files for a model's repository on the Hugging Face Hub.

    Parameters
    ----------
    dataset:
        The data set's id on the Hub (``organisation/name``). Without it the task's id stands there,
        to be replaced: only its owner can say where a benchmark lies.

    Returns
    -------
    File name → text: ``.eval_results/<task>-<protocol>.yaml`` with the headline (the Hub's format
    since February 2026) and ``model-index.yaml`` with every score (the older block of a model
    card's metadata). There is no date in either: the Hub takes that of the commit.

    Raises
    ------
    InputError
        If ``dataset`` is no id.
    MissingExtraError
        If PyYAML is not installed.
    """
    record = entry.record
    if dataset is not None and not _HUB_ID.fullmatch(dataset):
        raise InputError(f"{dataset!r:.80} is no data set's id", expected="organisation/name")
    place = dataset or _slug(record.task.id)
    name = f".eval_results/{_slug(record.task.id)}-{_slug(record.protocol)}.yaml"
    return {
        name: _RESULTS_HEAD + _yaml([_result(entry, place)]),
        MODEL_INDEX: _INDEX_HEAD + _yaml({"model-index": [_index(entry, place)]}),
    }


def _result(entry: Entry, dataset: str) -> dict[str, object]:
    record = entry.record
    result: dict[str, object] = {
        "dataset": {"id": dataset, "task_id": _slug(record.task.id)},
        "value": _points(record.scores[record.headline].value),
    }
    address = _address(record)
    if address:
        result["source"] = {"url": address}
    result["notes"] = plain("; ".join(_told(entry)))
    return result


def _index(entry: Entry, dataset: str) -> dict[str, object]:
    record = entry.record
    names = dict.fromkeys([record.headline, *record.scores])
    result: dict[str, object] = {
        "task": {"type": "audio-classification", "name": "Speech emotion recognition"},
        "dataset": {
            "type": dataset,
            "name": plain(record.task.id),
            "split": plain(record.task.split),
        },
        "metrics": [
            {
                "type": plain(name),
                "value": _points(record.scores[name].value),
                "name": plain(f"{name} ({record.protocol})"),
                "args": {"told": plain("; ".join(_told(entry, name)))},
            }
            for name in names
        ],
    }
    address = _address(record)
    if address:
        result["source"] = {"url": address}
    return {"name": plain(record.system.name), "results": [result]}


def _told(entry: Entry, name: str | None = None) -> Iterator[str]:
    """What a reader of the value must know."""
    record = entry.record
    score = record.scores[name or record.headline]
    yield f"{name or record.headline} in percent"
    yield f"protocol {record.protocol}, split {record.task.split}"
    if score.low is not None and score.high is not None:
        confidence = f"{100 * record.interval.confidence:g} % " if record.interval else ""
        yield f"{confidence}interval {_interval(score)}"
    yield record.origin.kind
    if record.system.oracle:
        yield "oracle context: an upper bound"
    if record.checkpoint.selection == "test-best":
        yield "checkpoint chosen on test"
    if record.signature:
        yield f"signature {record.signature}"
    yield f"ovbench record {entry.id}"


def _address(record: Record) -> str | None:
    """The source, where it is a web address and nothing else."""
    source = record.origin.source or ""
    return source if re.fullmatch(r"https?://[!-~]{1,2000}", source) else None


def _points(value: float) -> float:
    return round(100 * value, 2)


def _slug(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))[:80] or "unnamed"


def _yaml(value: object) -> str:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError("the export for Hugging Face", "report") from None
    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=100))
