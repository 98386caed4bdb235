"""What can be asked of scoring: files, kept samples, floors, and the spread of a difference.

What only some of that needs is imported there, so that a plain score starts quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ovbench.errors import InputError
from ovbench.metrics.power import detectable_difference
from ovbench.protocols import Protocol
from ovbench.results import Comparison, Result
from ovbench.scoring.assemble import Origin, assemble
from ovbench.scoring.evaluate import evaluate
from ovbench.scoring.of_task import FOLD, chosen_protocol, task_signature
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared, Source, prepare, read_gold, read_predictions
from ovbench.tasks.task import Task

if TYPE_CHECKING:
    from ovbench.io.batches import ParquetTable
    from ovbench.scoring.planning import FloorReport
    from ovbench.scoring.stream_tables import EngineName


def score_files(
    predictions: Source,
    gold: Source | Task,
    protocol: str | Protocol | None,
    options: Options,
    *,
    against: Sequence[Source] = (),
    samples: str | None = None,
    engine: EngineName = "auto",
) -> Result:
    """Score predictions against gold by a protocol.

    Parameters
    ----------
    predictions, gold:
        Files of any format, or mappings from id to labels. The gold may be a task: its notes
        become warnings, and a sentiment task takes lists of emotion words by their polarity.
    protocol:
        A protocol or its id; None: the task's first, or ``ew-open-1``.
    against:
        Other systems' predictions, compared on the same gold.
    samples:
        Where to write the sufficient statistics of every item.
    engine:
        How it is done, which changes no bit of the result: ``memory``; ``stream``, batch by batch,
        for Parquet tables of any size; ``ray``, the same on a Ray cluster; ``auto``: ``stream`` for
        large Parquet tables where it can, else ``memory``.

    Raises
    ------
    ovbench.errors.InputError
        If a file cannot be read, its ids do not fit the gold, or the protocol not the task.
    """
    chosen = chosen_protocol(gold, protocol)
    task = gold if isinstance(gold, Task) else None
    _check_options(chosen, options)
    if engine != "memory":
        from ovbench.scoring.stream_tables import tables_to_stream

        further = {"--against": against, "--samples": samples}
        tables = tables_to_stream(predictions, gold, chosen, options, engine, further)
        if tables is not None:
            return _score_stream(*tables, chosen, options, engine)
    gold_records = read_gold(gold, chosen, options)
    if task is not None and task.folds is not None:
        options = replace(options, folds=FOLD)

    def pair(source: Source) -> Prepared:
        return prepare(read_predictions(source, chosen, options, task), gold_records, options)

    prepared = pair(predictions)
    evaluation = evaluate(prepared, chosen, options)
    others = []
    for source in against:
        other = pair(source)
        others.append((other.predictions.source, evaluate(other, chosen, options)))
    comparisons: tuple[Comparison, ...] = ()
    if others:
        from ovbench.scoring.compare import compare

        comparisons = compare(evaluation, others, chosen.headline, options)
    result = assemble(evaluation, chosen, options, Origin.of(prepared), comparisons)
    if task is not None:
        result = result.model_copy(
            update={
                "warnings": (*result.warnings, *task.notes),
                "signature": task_signature(task, result.signature),
            }
        )
    if samples is not None:
        from ovbench.scoring.samples import write_samples

        write_samples(Path(samples), evaluation, chosen, result)
    return result


def _check_options(chosen: Protocol, options: Options) -> None:
    """Raise where an option would do nothing under the protocol."""
    if options.extract and getattr(chosen, "parser", None) != "open":
        raise InputError(
            f"--extract does not go with protocol {chosen.id!r}",
            expected="a protocol that uses the open parser",
            mend="use --protocol ew-open-1 or hit-open-1",
        )
    if options.groups is not None and chosen.metric != "synonym-groups":
        raise InputError(f"--groups does not go with protocol {chosen.id!r}")
    for name in ("lemmatizer", "synonyms"):
        if getattr(options, name) != getattr(Options, name) and not _is_open(chosen):
            raise InputError(
                f"--{name} does not go with protocol {chosen.id!r}",
                expected="a protocol that uses the open normalizer",
                mend="use --protocol ew-open-1 or hit-open-1",
            )


def _is_open(protocol: Protocol) -> bool:
    return getattr(protocol, "normalizer", None) == "open"


def _score_stream(
    predictions: ParquetTable,
    gold: ParquetTable,
    protocol: Protocol,
    options: Options,
    engine: EngineName,
) -> Result:
    from ovbench.scoring.stream import Threads, score_tables

    if engine != "ray":
        return score_tables(predictions, gold, protocol, options, Threads())
    from ovbench.scoring.stream_ray import cluster

    with cluster() as workers:
        return score_tables(predictions, gold, protocol, options, workers)


def score_samples(path: str | Path, options: Options) -> Result:
    """Score a file of sufficient statistics again (see ``--samples``).

    Raises
    ------
    ovbench.errors.InputError
        If the file is not such a file, is incomplete, or holds impossible counts.
    """
    from ovbench.scoring.samples import read_samples

    evaluation, protocol, origin = read_samples(Path(path), options)
    return assemble(evaluation, protocol, options, origin)


def floors_of(
    gold: Source | Task,
    protocol: str | Protocol | None,
    options: Options,
    labels: int | None = None,
) -> FloorReport:
    """What trivial answers score on a gold file, or on a task.

    Parameters
    ----------
    labels:
        Labels in the constant answer; by default as many as a gold item has on average.
    """
    from ovbench.scoring.floor_report import floor_report

    chosen = chosen_protocol(gold, protocol)
    return floor_report(read_gold(gold, chosen, options), chosen, options, labels)


def difference_error(
    predictions: Sequence[Source],
    gold: Source | Task,
    protocol: str | Protocol | None,
    options: Options,
) -> tuple[float, int]:
    """Standard error of the headline's difference between two systems, and the items it is for.

    Given one system, it is that of the difference to an unrelated system of the same spread.

    Raises
    ------
    InputError
        If there are more than two systems, or the error is undefined.
    """
    if len(predictions) > 2:
        raise InputError(f"{len(predictions)} systems", expected="one or two")
    without = replace(options, floors=False)
    return _error(score_files(predictions[0], gold, protocol, without, against=predictions[1:]))


def error_of_result(path: str) -> tuple[float, int]:
    """The same from a saved result: of its first comparison, or to an unrelated system.

    Raises
    ------
    InputError
        If the file is not a result, or has no intervals.
    """
    try:
        result = Result.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"]))),
            where=path,
            expected="a file written by ovbench score --json",
        ) from None
    return _error(result)


def _error(result: Result) -> tuple[float, int]:
    if result.comparisons:
        detectable, items = result.comparisons[0].detectable, result.comparisons[0].items
    else:
        detectable, items = result.detectable_difference, result.counts.scored
    if detectable is None:
        raise InputError(
            "the spread of the score is unknown",
            expected="a score that is defined, with bootstrap draws",
        )
    return detectable / detectable_difference(1.0), items
