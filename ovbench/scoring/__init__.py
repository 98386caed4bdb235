"""Predictions + gold + protocol → result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ovbench.protocols import Protocol, load_protocol
from ovbench.results import Result
from ovbench.scoring.assemble import Origin, assemble
from ovbench.scoring.compare import compare
from ovbench.scoring.evaluate import evaluate
from ovbench.scoring.options import Options
from ovbench.scoring.planning import FloorReport
from ovbench.scoring.prepare import Prepared, Source, prepare, read_gold, read_predictions
from ovbench.scoring.samples import read_samples, write_samples

__all__ = ["Options", "floors_of", "score_files", "score_samples"]


def score_files(
    predictions: Source,
    gold: Source,
    protocol: str | Protocol,
    options: Options,
    *,
    against: Sequence[Source] = (),
    samples: str | None = None,
) -> Result:
    """Score predictions against gold by a protocol.

    Parameters
    ----------
    predictions, gold:
        Files of any format, or mappings from id to labels.
    protocol:
        A protocol or its id.
    against:
        Other systems' predictions, compared on the same gold.
    samples:
        Where to write the sufficient statistics of every item.

    Raises
    ------
    ovbench.errors.InputError
        If a file cannot be read, or its ids do not fit the gold.
    """
    chosen = load_protocol(protocol) if isinstance(protocol, str) else protocol
    gold_records = read_gold(gold, chosen, options)

    def pair(source: Source) -> Prepared:
        return prepare(read_predictions(source, chosen, options), gold_records, options)

    prepared = pair(predictions)
    evaluation = evaluate(prepared, chosen, options)
    others = []
    for source in against:
        other = pair(source)
        others.append((other.predictions.source, evaluate(other, chosen, options)))
    comparisons = compare(evaluation, others, chosen.headline, options) if others else ()
    result = assemble(evaluation, chosen, options, Origin.of(prepared), comparisons)
    if samples is not None:
        write_samples(Path(samples), evaluation, chosen, result)
    return result


def score_samples(path: str | Path, options: Options) -> Result:
    """Score a file of sufficient statistics again (see ``--samples``).

    Raises
    ------
    ovbench.errors.InputError
        If the file is not such a file, is incomplete, or holds impossible counts.
    """
    evaluation, protocol, origin = read_samples(Path(path), options)
    return assemble(evaluation, protocol, options, origin)


def floors_of(
    gold: Source, protocol: str | Protocol, options: Options, labels: int | None = None
) -> FloorReport:
    """What trivial answers score on a gold file.

    Parameters
    ----------
    labels:
        Labels in the constant answer; by default as many as a gold item has on average.
    """
    from ovbench.scoring.floor_report import floor_report

    chosen = load_protocol(protocol) if isinstance(protocol, str) else protocol
    return floor_report(read_gold(gold, chosen, options), chosen, options, labels)
