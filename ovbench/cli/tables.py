"""``ovbench tables``: the authors' own mapping tables."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def list_tables(context: typer.Context) -> None:
    """List the official tables stored here; add and compare them.

    \b
    Examples:
      ovbench tables
      ovbench tables add AffectGPT/emotion_wheel
      ovbench tables diff affectgpt-2025 mer2026
    """
    if context.invoked_subcommand is not None:
        return
    from ovbench.cli.console import show
    from ovbench.normalize.tables import list_tables as stored
    from ovbench.report.cards import table_list

    show([table_list(stored())])


@app.command("add")
def add(
    path: Annotated[
        str,
        typer.Argument(
            help="An emotion_wheel folder, a checkout that holds one, or wheel_mapping.npz."
        ),
    ],
) -> None:
    """Check official tables, hash them and keep them under OVBENCH_HOME.

    \b
    Examples:
      ovbench tables add AffectGPT/emotion_wheel
      ovbench tables add MER2026/wheel_mapping.npz
    """
    from ovbench.cli.console import show
    from ovbench.normalize.tables import add_tables
    from ovbench.report.cards import table_list

    show([table_list([add_tables(path)])])


@app.command("diff")
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Name of stored tables.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Name of stored tables.")],
    level: Annotated[
        str, typer.Option(help="Ring level to show: level1, level2 or all.")
    ] = "level1",
) -> None:
    """Show which labels change their cluster from tables A to tables B.

    \b
    Example:
      ovbench tables diff affectgpt-2025 mer2026
    """
    from ovbench.cli.console import show
    from ovbench.normalize.tables import diff_tables
    from ovbench.report.cards import table_diff

    show([table_diff(first, second, diff_tables(first, second), level)])
