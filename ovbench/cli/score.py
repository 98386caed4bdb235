"""``ovbench score``: predictions and gold in, a score and what stands beside it out."""

# Without ``annotations`` from __future__: Typer would evaluate their text several times a start.

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ovbench.cli import options as opt
from ovbench.cli.given import refuse
from ovbench.cli.starting import load_numpy
from ovbench.errors import InputError

if TYPE_CHECKING:
    from ovbench.tasks import Task


class Ci(StrEnum):
    """Which intervals are given."""

    bootstrap = "bootstrap"
    wald = "wald"


class Engine(StrEnum):
    """Where the work is done."""

    auto = "auto"
    memory = "memory"
    stream = "stream"
    ray = "ray"


_WITH_SAMPLES = {
    *("from_samples", "json", "format", "draws", "seed", "confidence", "ci"),
    *("cluster_by", "by", "folds", "floors"),
}
"""Options that mean something when kept samples are scored again."""


def score(
    context: typer.Context,
    predictions: Annotated[
        str | None,
        typer.Argument(metavar="PRED", help="Predictions: a file, a folder, or - for stdin."),
    ] = None,
    gold: opt.Gold = None,
    task: opt.TaskId = None,
    protocol: opt.ProtocolId = None,
    against: Annotated[
        list[str] | None, typer.Option(help="Other predictions to compare with; repeatable.")
    ] = None,
    json: opt.Json = None,
    format: Annotated[  # noqa: A002 - the option's name
        opt.Format, typer.Option("--format", "-f", help="How to print the report.")
    ] = opt.Format.table,
    on_missing: Annotated[
        opt.OnMissing, typer.Option(help="Gold items without a prediction.")
    ] = opt.OnMissing.error,
    keep: Annotated[
        opt.Keep | None, typer.Option(help="Which of several predictions with one id counts.")
    ] = None,
    extract: Annotated[
        bool, typer.Option(help="Look for emotion words in answers that are sentences.")
    ] = False,
    id_column: Annotated[str | None, typer.Option(help="Id column of the predictions.")] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Label column of the predictions.")
    ] = None,
    gold_id_column: opt.GoldIdColumn = None,
    gold_label_column: opt.GoldLabelColumn = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of the task (folds: all its test folds), or of a MERBench label file "
            "(default: its test split)."
        ),
    ] = None,
    classes: opt.Classes = None,
    groups: Annotated[
        str | None, typer.Option(help="MER2024's synonym groups: a zip or a folder of .npy.")
    ] = None,
    lemmatizer: opt.Lemmatizer = "table",
    synonyms: opt.Synonyms = "lexicon",
    draws: opt.Draws = 10_000,
    seed: opt.Seed = 0,
    confidence: opt.Confidence = 0.95,
    cluster_by: Annotated[
        str | None, typer.Option(help="Gold column whose values are resampled as a whole.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Gold column: the same scores for each of its values.")
    ] = None,
    folds: Annotated[
        str | None,
        typer.Option(help="Gold column with each item's fold: means over folds beside the pooled."),
    ] = None,
    ci: Annotated[
        Ci,
        typer.Option(help="wald: also the normal-approximation interval that some papers print."),
    ] = Ci.bootstrap,
    errors: Annotated[
        int, typer.Option(min=0, help="List the N items with the largest disagreement.")
    ] = 0,
    floors: Annotated[bool, typer.Option(help="Score the trivial answers too.")] = True,
    samples: Annotated[
        str | None, typer.Option(help="Write the sufficient statistics of every item (JSONL).")
    ] = None,
    from_samples: Annotated[
        str | None, typer.Option(help="Score such a file again, without predictions or gold.")
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(
            help="stream: Parquet of any size, batch by batch (auto does so above 2 million rows); "
            "ray: the same on a Ray cluster. The result is the same."
        ),
    ] = Engine.auto,
    data: opt.Data = None,
) -> None:
    """Score a file of predictions against gold labels, or against a task's.

    A sentiment task takes sentiment words as they are, and lists of emotion words by their
    polarity.

    \b
    Examples:
      ovbench score preds.jsonl --gold gold.csv
      ovbench score preds.jsonl --gold gold.csv --against other.jsonl --errors 5
      ovbench score x-openset.npz --gold check-openset.csv -p ew-affectgpt-2025
      ovbench score preds.csv --gold test_sent_emo.csv -p hit-open-1 --cluster-by Dialogue_ID
      ovbench score preds.csv --task meld --data ~/datasets
      ovbench score preds.csv --gold gold.csv -p closed-set --folds session --ci wald
      ovbench score preds.csv --task iemocap-4class --split folds
      cat preds.jsonl | ovbench score - --gold gold.jsonl --json -
      ovbench score predictions/ --gold gold/ --engine stream
      ovbench score --from-samples samples.jsonl

    Exit codes: 0 scored, 1 failed while running (memory or disk that ran out), 2 bad input, 3 a
    damaged file, 130 stopped.
    """
    load_numpy()
    from ovbench.cli.console import show, watched, write_json
    from ovbench.report.sections import sections
    from ovbench.scoring import Options, score_files, score_samples

    chosen = Options(
        on_missing=on_missing.value,
        keep=keep.value if keep else None,
        extract=extract,
        id_column=id_column,
        label_column=label_column,
        gold_id_column=gold_id_column,
        gold_label_column=gold_label_column,
        split=split if task is None else None,
        classes=classes,
        groups=groups,
        lemmatizer=lemmatizer,
        synonyms=synonyms,
        draws=draws,
        seed=seed,
        confidence=confidence,
        cluster_by=cluster_by,
        by=by,
        folds=folds,
        ci=ci.value,
        errors=errors,
        floors=floors,
    )
    if from_samples is not None:
        refuse(
            context,
            context.params.keys() - _WITH_SAMPLES,
            "--from-samples",
            expected="options that need neither labels nor text, such as --draws and --by",
            mend="score the predictions themselves for that",
        )
        with watched():
            result = score_samples(from_samples, chosen)
    else:
        against_what = _gold(gold, task, split)
        if predictions is None or against_what is None:
            raise InputError(
                "predictions or gold are not given",
                expected="ovbench score PRED --gold GOLD, or --task ID",
                mend="try it on the sample that ships with ovbench (see the README)",
            )
        with watched():
            result = score_files(
                predictions,
                against_what,
                protocol,
                chosen,
                against=against or (),
                samples=samples,
                engine=engine.value,
            )
    if json is not None:
        write_json(json, result.to_json())
    if json != "-":
        show(sections(result), format.value)


def _gold(gold: str | None, task: str | None, split: str | None) -> "str | Task | None":
    """As :func:`ovbench.cli.options.gold_or_task`; the split ``folds`` is all test folds."""
    if gold is None and task is not None:
        from ovbench.tasks.folds import FOLDS, load_folds

        if split == FOLDS:
            return load_folds(task)
    return opt.gold_or_task(gold, task, split)
