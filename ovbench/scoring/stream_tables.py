"""Whether predictions and gold are scored batch by batch, and the tables that they then are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.errors import InputError
from ovbench.io.columns import Wanted
from ovbench.io.files import parquet_files
from ovbench.protocols import Protocol
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import want_of

if TYPE_CHECKING:
    from ovbench.io.batches import ParquetTable

EngineName = Literal["auto", "memory", "stream", "ray"]
STREAM_FROM = 2_000_000
"""Rows above which Parquet tables are scored batch by batch where nothing else is asked for."""


def tables_to_stream(
    predictions: object,
    gold: object,
    protocol: Protocol,
    options: Options,
    engine: EngineName,
    further: Mapping[str, object],
) -> tuple[ParquetTable, ParquetTable] | None:
    """Both tables, if they are to be scored batch by batch; None where they are not.

    ``further`` are options that are not among ``options`` and need every item by itself.

    Raises
    ------
    InputError
        If that was asked for by name, and cannot be; or a table cannot be read.
    """
    barrier = _about_items(options, further)
    if barrier is not None:
        if engine == "auto":
            return None
        raise InputError(
            f"{barrier} does not go with --engine {engine}, which keeps sums over items only",
            expected="options that need no single item",
            mend=f"leave out {barrier}, or use --engine memory",
        )
    sources = {
        "predictions": (predictions, _predictions_wanted(protocol, options)),
        "gold": (gold, _gold_wanted(protocol, options)),
    }
    tables = []
    for what, (source, columns) in sources.items():
        table = _table(source, columns)
        if table is None:
            if engine == "auto":
                return None
            raise InputError(
                f"the {what} are neither a Parquet file nor a folder of them",
                where=str(source) if isinstance(source, str | Path) else None,
                expected=f"Parquet on both sides with --engine {engine}",
                mend="save it as Parquet, or use --engine memory",
            )
        tables.append(table)
    if engine == "auto" and max(table.rows for table in tables) <= STREAM_FROM:
        return None
    return tables[0], tables[1]


def _table(source: object, columns: Wanted) -> ParquetTable | None:
    if not parquet_files(source):
        return None
    from ovbench.io.batches import open_table

    return open_table(source, columns)


def _about_items(options: Options, further: Mapping[str, object]) -> str | None:
    """An option that needs every item by itself, if one was given."""
    asked = {
        **further,
        "--errors": options.errors,
        "--by": options.by,
        "--cluster-by": options.cluster_by,
        "--folds": options.folds,
        "--split": options.split,
    }
    return next((option for option, value in asked.items() if value), None)


def _predictions_wanted(protocol: Protocol, options: Options) -> Wanted:
    """As :func:`ovbench.scoring.prepare.read_predictions` asks for them."""
    return Wanted("prediction", want_of(protocol), options.id_column, options.label_column)


def _gold_wanted(protocol: Protocol, options: Options) -> Wanted:
    """As :func:`ovbench.scoring.prepare.read_gold` asks for it."""
    return Wanted(
        "gold",
        want_of(protocol),
        options.gold_id_column,
        options.gold_label_column,
        classes=options.classes,
    )
