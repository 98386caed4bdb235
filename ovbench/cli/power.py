"""``ovbench power``: which difference a test set can show, and how many items one needs."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt
from ovbench.cli.given import refuse
from ovbench.errors import InputError


def power(
    context: typer.Context,
    predictions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PRED [OTHER]]", help="One or two systems, to measure the spread from."
        ),
    ] = None,
    gold: opt.Gold = None,
    task: opt.TaskId = None,
    result: Annotated[
        str | None, typer.Option(help="A result of: ovbench score … --json FILE")
    ] = None,
    protocol: opt.ProtocolId = None,
    error: Annotated[
        float | None,
        typer.Option(
            "--standard-error",
            min=0.0,
            max=1.0,
            help="Standard error of the difference, 0..1, if known.",
        ),
    ] = None,
    items: Annotated[
        int | None, typer.Option(min=2, help="Number of items that the standard error is for.")
    ] = None,
    difference: Annotated[
        float | None, typer.Option(min=1e-6, max=1.0, help="Plan for this difference (0..1).")
    ] = None,
    level: Annotated[float, typer.Option(min=0.0001, max=0.5, help="Significance level.")] = 0.05,
    power: Annotated[float, typer.Option(min=0.5, max=0.999, help="Power wanted.")] = 0.8,
    cluster_by: Annotated[
        str | None, typer.Option(help="Gold column whose values are resampled as a whole.")
    ] = None,
    seed: opt.Seed = 0,
    json: opt.Json = None,
    data: opt.Data = None,
) -> None:
    """Plan a test set: the smallest difference it can detect, or the items a difference needs.

    \b
    Examples:
      ovbench power a.jsonl b.jsonl --gold gold.jsonl
      ovbench power a.jsonl --gold gold.jsonl --difference 0.02
      ovbench power a.jsonl b.jsonl --task tinyov
      ovbench power --result result.json --difference 0.02
      ovbench power --standard-error 0.0244 --items 332 --difference 0.02
    """
    from ovbench.cli.console import show, write_json
    from ovbench.report.cards import power_section
    from ovbench.scoring import Options, difference_error, error_of_result
    from ovbench.scoring.planning import plan

    if (error is None) != (items is None):
        raise InputError("--standard-error and --items belong together")
    if error is not None:
        refuse(
            context,
            ("predictions", "gold", "task", "protocol", "cluster_by", "seed", "result"),
            "--standard-error",
            expected="one of both: systems to measure the spread from, or the spread",
        )
    if error is None or items is None:
        if result is not None:
            if predictions or gold or task or protocol or cluster_by:
                raise InputError(
                    "systems to measure the spread from, and a --result: give one",
                    mend="leave out PRED, --gold, --task, --protocol and --cluster-by",
                )
            error, items = error_of_result(result)
        else:
            found = opt.gold_or_task(gold, task, None)
            if not predictions or found is None:
                raise InputError(
                    "nothing to measure the spread from",
                    expected="PRED --gold GOLD or --task ID, --result FILE, or --standard-error "
                    "with --items",
                )
            chosen = Options(cluster_by=cluster_by, seed=seed)
            error, items = difference_error(predictions, found, protocol, chosen)
    report = plan(error, items, difference, level=level, power=power)
    if json is not None:
        write_json(json, report.to_json())
    if json != "-":
        show([power_section(report)])
