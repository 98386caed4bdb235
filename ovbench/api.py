"""The functions of the public API that are not a class of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ovbench.io.read import read_records
from ovbench.io.records import Records
from ovbench.protocols import Protocol
from ovbench.results import Result
from ovbench.scoring import Options, score_files
from ovbench.scoring.prepare import Source
from ovbench.tasks.task import Task


def load_predictions(
    source: Source, *, id_column: str | None = None, label_column: str | None = None
) -> Records:
    """Read predictions from a file of any format, or from memory.

    Parameters
    ----------
    source:
        A file or folder, ``-`` for standard input, or a mapping from id to labels.
    id_column, label_column:
        Column names; found by the field's usual names when not given.

    Raises
    ------
    ovbench.InputError
        If the file cannot be read as predictions.
    """
    return read_records(source, id_column=id_column, label_column=label_column)


def score(
    predictions: Source,
    gold: Source | Task,
    protocol: str | Protocol | None = None,
    *,
    against: Sequence[Source] = (),
    **options: Any,
) -> Result:
    """Score predictions against gold labels.

    Parameters
    ----------
    predictions, gold:
        Files of any format (``docs/formats.md``), or mappings from id to labels. The gold may be a
        task: ``ovbench.load_task("meld")``.
    protocol:
        A protocol or its id (``ovbench protocols`` lists them); by default ``ew-open-1``, or the
        task's first.
    against:
        Other predictions to compare with, on the same gold.
    **options:
        Fields of :class:`ovbench.scoring.Options`: ``on_missing``, ``keep``, ``draws``, ``seed``,
        ``confidence``, ``cluster_by``, ``by``, ``errors``, …

    Returns
    -------
    A frozen :class:`ovbench.Result`; scores are fractions.

    Raises
    ------
    ovbench.InputError
        If a file cannot be read, or its ids do not fit the gold.
    TypeError
        If an option does not exist.
    """
    return score_files(predictions, gold, protocol, Options(**options), against=against)
