"""``ovbench doctor``: what is found of the data sets, what is missing, what is wrong."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt


def doctor(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TASK…]", help="Tasks or data sets; default: all."),
    ] = None,
    data: opt.Data = None,
    json: opt.Json = None,
) -> None:
    """Look through the data folder: found, missing, wrong, and where to ask for the rest.

    Wrong are damaged files and clips, counts against the card, ids twice in a split or in both
    train and test, and speakers in both where the data set says otherwise. What is missing is no
    fault. Nothing is written or downloaded.

    \b
    Examples:
      ovbench doctor --data ~/datasets
      ovbench doctor meld iemocap-4class
      ovbench doctor --data ~/datasets --json report.json

    Exit codes: 0 nothing is wrong, 1 something is wrong, or failed while running (memory or disk
    that ran out), 2 bad input, 130 stopped.
    """
    from ovbench.cli.console import show, watched, write_json
    from ovbench.report.tasks import doctor_json, doctor_sections
    from ovbench.tasks.doctor import examine
    from ovbench.tasks.places import data_root

    with watched():
        reports = examine(data, tasks)
    root = data_root(data)
    where = None if root is None else str(root)
    if json is not None:
        write_json(json, doctor_json(reports, where))
    if json != "-":
        show(doctor_sections(reports, where))
    if any(report.wrong for report in reports):
        raise typer.Exit(1)
