"""``ovbench las-report`` and ``ovbench leak-test``: what stands behind a run's answers."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's folder: runs/NAME/TASK, from ovbench eval.")
]
Adapter = Annotated[
    str | None, typer.Option(help="Folder of the adapter, if it is not where the run found it.")
]
Recipe = Annotated[
    str | None, typer.Option(help="The recipe's TOML file, if it is not a registered one.")
]


def las_report(
    run: Run,
    adapter: Adapter = None,
    recipe: Recipe = None,
    base: opt.Base = None,
    device: opt.Device = "auto",
    data: opt.Data = None,
    json: opt.Json = None,
) -> None:
    """Say what LoRA-LAS's term does to a run's answers, beside controls that know no label.

    \b
    Examples:
      ovbench las-report runs/lora-las-r4/tinyov
      ovbench las-report runs/lora-las-r4-wide/tinyov --json -

    Exit codes: 0 reported, 1 failed while running (memory or disk that ran out), 2 bad input, 3 not
    what made the run, 130 stopped.
    """
    from ovbench.cli import running
    from ovbench.cli.console import needs_models, show, watched, write_json
    from ovbench.report.examine import las_sections

    with needs_models("ovbench las-report"), watched():
        from ovbench.runs.reopen import las_report_of

        where = running.place("tiny", adapter, base, device, None)
        found = las_report_of(run, where, recipe=recipe)
    if json is not None:
        write_json(json, found.to_json())
    if json != "-":
        show(las_sections(found))


def leak_test(
    run: Run,
    rounds: Annotated[int, typer.Option(min=1, help="How often the labels are replaced.")] = 1,
    seed: opt.Seed = 0,
    adapter: Adapter = None,
    recipe: Recipe = None,
    base: opt.Base = None,
    device: opt.Device = "auto",
    data: opt.Data = None,
    json: opt.Json = None,
) -> None:
    """Test that no gold label reaches a run's answers.

    The evaluation labels are replaced at random, contexts and answers are made again, and must be
    the same to the last bit. A positive control shows that the test can fail.

    \b
    Examples:
      ovbench leak-test runs/lora-las-r4/tinyov
      ovbench leak-test runs/lora-las-r4/tinyov --rounds 5 --json -

    Exit codes: 0 no leak, 1 failed while running (memory or disk that ran out), 2 bad input, 3 a
    leak, or a test that could not have found one, 130 stopped.
    """
    from ovbench.cli import running
    from ovbench.cli.console import needs_models, show, watched, write_json
    from ovbench.errors import ValidationError
    from ovbench.report.examine import leak_section

    with needs_models("ovbench leak-test"), watched():
        from ovbench.runs.reopen import leak_test_of

        where = running.place("tiny", adapter, base, device, None)
        found = leak_test_of(run, where, recipe=recipe, rounds=rounds, seed=seed)
    if json is not None:
        write_json(json, found.to_json())
    if json != "-":
        show([leak_section(found)])
    if found.verdict != "no leak":
        raise ValidationError(found.line())
