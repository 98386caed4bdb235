"""From predictions to results: the task's protocols, exactly as ``ovbench score`` applies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import OvbenchError
from ovbench.io.atomic import write_text
from ovbench.io.labels import LabelParser, get_parser
from ovbench.protocols import load_protocol, with_field
from ovbench.results import Result
from ovbench.runs.preflight import Preflight
from ovbench.runs.records import Prediction, SystemRecord
from ovbench.runs.samples import samples
from ovbench.scoring import Options, score_files
from ovbench.scoring.evaluate import evaluate
from ovbench.scoring.evaluation import Evaluation
from ovbench.scoring.of_task import task_signature
from ovbench.scoring.prepare import prepare, read_gold, read_predictions

if TYPE_CHECKING:
    from ovbench.tasks import Task

WITHOUT_PARSER = "open"
"""Parser of predicted labels where the headline's protocol compares answers as they are."""


def task_parser(task: Task) -> LabelParser:
    """The parser that reads labels in a system's answers: that of the headline's protocol."""
    return get_parser(getattr(load_protocol(task.protocols[0]), "parser", WITHOUT_PARSER))


def prediction_source(task: Task, predictions: Iterable[Prediction]) -> dict[str, object]:
    """Predictions as :func:`ovbench.scoring.score_files` takes them for the task's protocols.

    The raw text, which the protocol parses itself, or the polarity of the labels. An item on which
    the system failed is left out, so that it counts as missing.
    """

    def cell(prediction: Prediction) -> str:
        if task.answers == "sentiment":
            return "".join(task.answer(prediction.labels))  # one word, or none
        return prediction.text

    return {one.id: cell(one) for one in predictions if one.status != "error"}


def score_predictions(
    task: Task,
    predictions: Sequence[Prediction],
    about: SystemRecord,
    options: Options,
    preflight: Preflight | None = None,
    notes: Sequence[str] = (),
) -> tuple[Result, ...]:
    """One result per protocol of the task, the headline first.

    Each is what ``ovbench score`` makes of the same answers, with what a reader must know of the
    run among its warnings. Failed items are scored as wrong and counted as missing.

    Raises
    ------
    OvbenchError
        If the system failed on every item.
    """
    source = prediction_source(task, predictions)
    failed = len(predictions) - len(source)
    if not source:
        raise OvbenchError(f"System {about.name!r} failed on every item of {task.id}.")
    chosen = replace(options, on_missing="wrong") if failed else options
    warnings = [*task.notes, *notes]
    if failed:
        warnings.append(f"the system failed on {failed} items, which score as wrong")
    fallen = sum(one.fallback for one in predictions)
    if fallen:
        warnings.append(
            f"{fallen} of {len(predictions)} answers ({100 * fallen / len(predictions):.1f} %) are "
            "none of the declared words and count as the declared fall-back"
        )
    if about.oracle:
        warnings.append("the context is made from gold: an upper bound, never ranked")
    batch = None
    if preflight is not None:
        warnings += preflight.warnings
        batch = preflight.batch_dependent
    found = []
    for protocol in task.protocols:
        result = score_files(source, task.gold_source(protocol), protocol, chosen)
        found.append(
            result.model_copy(
                update={
                    "predictions": about.name,
                    "gold": f"{task.id}/{task.split}",
                    "warnings": (*result.warnings, *warnings),
                    "signature": with_batch(task_signature(task, result.signature), batch),
                }
            )
        )
    return tuple(found)


def with_batch(signature: str, batch: int | None) -> str:
    """The signature, with the batch size where the answers depend on it."""
    return signature if batch is None else with_field(signature, "batch", batch, before="v")


def write_scores(
    folder: Path,
    task: Task,
    results: Sequence[Result],
    sampled: Sequence[Prediction],
    options: Options,
    now: datetime,
) -> None:
    """Write ``results_<utc>.json`` and, where ``sampled`` is not empty, ``samples_<utc>.jsonl``."""
    stamp = now.strftime("%Y-%m-%dT%H-%M-%S.%fZ")
    if sampled:
        each = _every_item(task, sampled, options)
        lines = "".join(sample.model_dump_json() + "\n" for sample in samples(sampled, each))
        write_text(folder / f"samples_{stamp}.jsonl", lines)
    write_text(folder / f"results_{stamp}.json", results_json(results))


def results_json(results: Iterable[Result]) -> str:
    """``{"results": [...]}``, one entry per protocol, with one trailing newline."""
    body = ",\n".join(result.to_json().rstrip("\n") for result in results)
    return '{"results": [\n' + body + "\n]}\n"


def _every_item(
    task: Task, predictions: Sequence[Prediction], options: Options
) -> Mapping[str, Result]:
    """Protocol → a result that lists every item."""
    source = prediction_source(task, predictions)
    chosen = replace(options, on_missing="wrong", errors=len(predictions), draws=0, floors=False)
    return {
        protocol: score_files(source, task.gold_source(protocol), protocol, chosen)
        for protocol in task.protocols
    }


def evaluation_of(
    task: Task, predictions: Iterable[Prediction], protocol: str, options: Options
) -> Evaluation:
    """Every item's sufficient statistics under a protocol; failed items count as wrong."""
    chosen = load_protocol(protocol)
    told = replace(options, on_missing="wrong")
    source = prediction_source(task, predictions)
    gold = read_gold(task.gold_source(chosen), chosen, told)
    return evaluate(prepare(read_predictions(source, chosen, told), gold, told), chosen, told)
