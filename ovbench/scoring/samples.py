"""Sufficient statistics of every item, kept in a file and scored again from it.

A samples file is JSON Lines (``.gz`` and ``.zst`` names are compressed): a header with the
protocol and the choices made, then one line per item with its id, status and the integers that the
score is made of: |G∩P|, |G| and |P| per ring for set metrics, the two classes for class metrics.
No word of the model's answer is needed to score it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError
from ovbench.frozen import Frozen
from ovbench.io.atomic import write_bytes
from ovbench.io.labels import Status
from ovbench.io.text import lines, open_stream, packed
from ovbench.protocols import Protocol, load_protocol, protocol_ids
from ovbench.results import Counts, Result
from ovbench.scoring.assemble import Origin
from ovbench.scoring.evaluation import Evaluation
from ovbench.scoring.kept import SampleItem, evaluation_from_sample
from ovbench.scoring.options import Options

_STATUS = {status.label: status for status in Status}


class SampleHeader(Frozen):
    """First line of a samples file."""

    format: Literal["ovbench.samples/1"] = "ovbench.samples/1"
    protocol: Protocol
    signature: str
    choices: dict[str, str]
    """What the signature says beside the protocol's fields, without n and version."""
    predictions: str
    gold: str
    counts: Counts
    items: int = Field(ge=1)
    columns: tuple[str, ...]
    """Gold columns kept with every item."""
    classes: tuple[str, ...] = ()
    """Of class metrics."""
    notes: tuple[str, ...] = ()
    """What a reader of the score must know."""


def write_samples(path: Path, evaluation: Evaluation, protocol: Protocol, result: Result) -> None:
    """Write the statistics of every item, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if str(path) == "-":
        raise InputError("samples are not written to standard output", expected="a file's name")
    text = "".join(_lines(evaluation, protocol, result))
    write_bytes(path, packed(path.name, text))


def _lines(evaluation: Evaluation, protocol: Protocol, result: Result) -> Iterator[str]:
    header = SampleHeader(
        protocol=protocol,
        signature=result.signature,
        choices=_choices(result.signature),
        predictions=result.predictions,
        gold=result.gold,
        counts=result.counts,
        items=len(evaluation.ids),
        columns=tuple(sorted(evaluation.columns)),
        classes=evaluation.classes,
        notes=evaluation.notes,
    )
    yield header.model_dump_json() + "\n"
    sides = evaluation.sample()
    columns = {name: column.tolist() for name, column in evaluation.columns.items()}
    for item, name in enumerate(evaluation.ids):
        record = {
            "id": name,
            "status": Status(int(evaluation.status[item])).label,
            **{side: values[item] for side, values in sides.items()},
            "columns": {key: values[item] for key, values in columns.items()},
        }
        yield json.dumps(record, ensure_ascii=False) + "\n"


def _choices(signature: str) -> dict[str, str]:
    """The parts of a signature, but for the protocol's id, n and the version."""
    pairs = (part.partition(":") for part in signature.split("|")[1:])
    return {key: value for key, _, value in pairs if key not in ("n", "v")}


def _differs(one: Protocol, other: Protocol) -> bool:
    """Whether they score differently; titles and cards may be worded anew."""
    return (one.scoring_fields(), one.headline) != (other.scoring_fields(), other.headline)


def read_samples(path: Path, options: Options) -> tuple[Evaluation, Protocol, Origin]:
    """The evaluation that a samples file holds.

    Raises
    ------
    InputError
        If the file is not a samples file, was cut short, or holds impossible values.
    """
    where = str(path)
    header, items = _read(path)
    protocol = header.protocol
    if protocol.id in protocol_ids() and _differs(protocol, load_protocol(protocol.id)):
        raise InputError(
            f"the protocol {protocol.id!r} in this file is not the one of that name",
            where=f"{where}, line 1",
            mend="score the predictions again with this version of ovbench",
        )
    if len(items) != header.items:
        raise InputError(
            f"{len(items)} items", where=where, expected=f"{header.items}, as the header says"
        )
    _check_items(items, header.columns, where)
    for option in ("by", "cluster_by", "folds"):
        wanted = getattr(options, option)
        if wanted is not None and wanted not in header.columns:
            raise InputError(
                f"column {wanted!r} was not kept in this file",
                where=where,
                expected=", ".join(header.columns) or "none was kept",
                mend=f"write the samples again with --{option.replace('_', '-')} {wanted}",
            )
    evaluation = replace(
        evaluation_from_sample(protocol, items, header.classes, where),
        status=np.array([_STATUS[item.status] for item in items], dtype=np.uint8),
        notes=header.notes,
        columns={name: np.array([item.columns[name] for item in items]) for name in header.columns},
        choices=dict(header.choices),
    )
    return evaluation, protocol, Origin(header.predictions, header.gold, header.counts)


def _check_items(items: Sequence[SampleItem], columns: tuple[str, ...], where: str) -> None:
    """Raise where an id comes twice, or an item lacks a column."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise InputError(f"item {item.id!r} comes twice", where=where)
        if set(item.columns) != set(columns):
            raise InputError(
                f"item {item.id!r} has the columns {', '.join(item.columns) or 'none'}",
                where=where,
                expected=", ".join(columns) or "none",
            )
        seen.add(item.id)


def _read(path: Path) -> tuple[SampleHeader, list[SampleItem]]:
    where = str(path)
    items: list[SampleItem] = []
    header: SampleHeader | None = None
    with open_stream(path, where) as stream:
        for number, line in enumerate(lines(stream, where), 1):
            try:
                if header is None:
                    header = SampleHeader.model_validate_json(line)
                else:
                    items.append(SampleItem.model_validate_json(line))
            except PydanticError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"]))
                raise InputError(
                    f"{field}: {first['msg']}" if field else first["msg"],
                    where=f"{where}, line {number}",
                    expected="a file written by ovbench score --samples",
                ) from None
    if header is None:
        raise InputError("the file is empty", where=where, expected="a samples file")
    return header, items
