"""``ovbench protocols``: the named ways to score."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def list_protocols(context: typer.Context) -> None:
    """List the protocols, or show one.

    \b
    Examples:
      ovbench protocols
      ovbench protocols show ew-affectgpt-2025
    """
    if context.invoked_subcommand is not None:
        return
    from ovbench.cli.console import show
    from ovbench.protocols import load_protocol, protocol_ids
    from ovbench.report.cards import protocol_list

    show([protocol_list([load_protocol(name) for name in protocol_ids()])])


@app.command("show")
def show_protocol(
    name: Annotated[str, typer.Argument(metavar="ID", help="A protocol's id, or a TOML file.")],
) -> None:
    """Show a protocol's card: definition, formula, edge rules, who uses it, known flaws.

    \b
    Example:
      ovbench protocols show hit-affectgpt-2025
    """
    from ovbench.cli.console import print_all
    from ovbench.protocols import load_protocol
    from ovbench.report.cards import protocol_card

    print_all(protocol_card(load_protocol(name)))
