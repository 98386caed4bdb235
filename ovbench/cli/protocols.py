"""``ovbench protocols``: the named ways to score."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def list_protocols(context: typer.Context, json: opt.Json = None) -> None:
    """List the protocols, or show one.

    \b
    Examples:
      ovbench protocols
      ovbench protocols --json -
      ovbench protocols show ew-affectgpt-2025
    """
    if context.invoked_subcommand is not None:
        return
    from ovbench.cli.console import show, write_json
    from ovbench.protocols import load_protocol, protocol_ids
    from ovbench.report.cards import protocol_list, protocols_json

    every = [load_protocol(name) for name in protocol_ids()]
    if json is not None:
        write_json(json, protocols_json(every))
    if json != "-":
        show([protocol_list(every)])


@app.command("show")
def show_protocol(
    name: Annotated[str, typer.Argument(metavar="ID", help="A protocol's id, or a TOML file.")],
    json: opt.Json = None,
) -> None:
    """Show a protocol's card: definition, formula, edge rules, who uses it, known flaws.

    \b
    Examples:
      ovbench protocols show hit-affectgpt-2025
      ovbench protocols show my-protocol.toml --json -
    """
    from ovbench.cli.console import print_all, write_json
    from ovbench.protocols import load_protocol
    from ovbench.report.cards import protocol_card, protocol_json

    protocol = load_protocol(name)
    if json is not None:
        write_json(json, protocol_json(protocol))
    if json != "-":
        print_all(protocol_card(protocol))
