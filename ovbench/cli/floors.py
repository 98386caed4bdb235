"""``ovbench floors``: what trivial answers score on a gold file."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt
from ovbench.errors import InputError


def floors(
    gold: Annotated[str | None, typer.Argument(metavar="GOLD", help="Gold labels.")] = None,
    task: opt.TaskId = None,
    protocol: opt.ProtocolId = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--labels", "-k", min=1, help="Labels in the constant answer (default: as in gold)."
        ),
    ] = None,
    gold_id_column: opt.GoldIdColumn = None,
    gold_label_column: opt.GoldLabelColumn = None,
    split: opt.Split = None,
    classes: opt.Classes = None,
    json: opt.Json = None,
    data: opt.Data = None,
) -> None:
    """Score the trivial answers alone: the best constant, all labels, neutral, shuffled gold.

    \b
    Examples:
      ovbench floors gold.csv
      ovbench floors --task tinyov-6class
      ovbench floors meld-process/label.npz -p hit-affectgpt-2025 -k 2
    """
    from ovbench.cli.console import show, write_json
    from ovbench.report.cards import floor_section
    from ovbench.scoring import Options, floors_of

    chosen = Options(
        gold_id_column=gold_id_column,
        gold_label_column=gold_label_column,
        split=split if task is None else None,
        classes=classes,
    )
    found = opt.gold_or_task(gold, task, split)
    if found is None:
        raise InputError("no gold is given", expected="ovbench floors GOLD, or --task ID")
    report = floors_of(found, protocol, chosen, k)
    if json is not None:
        write_json(json, report.to_json())
    if json != "-":
        show([floor_section(report)])
