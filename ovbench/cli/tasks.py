"""``ovbench tasks``: what can be evaluated, the data sets' cards, and their public files."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt

app = typer.Typer(rich_markup_mode=None)

Id = Annotated[str, typer.Argument(metavar="ID", help="A task's id, or its data set's.")]


@app.callback(invoke_without_command=True)
def list_tasks(context: typer.Context, data: opt.Data = None, json: opt.Json = None) -> None:
    """List the tasks; show one's card; fetch the public files of one.

    \b
    Examples:
      ovbench tasks
      ovbench tasks --data ~/datasets --json -
      ovbench tasks show meld
      ovbench tasks fetch meld --into ~/datasets/meld
    """
    if context.invoked_subcommand is not None:
        return
    from ovbench.cli.console import show, write_json
    from ovbench.report.tasks import task_list, tasks_json
    from ovbench.tasks.card import cards
    from ovbench.tasks.places import data_folder

    every = list(cards().values())
    here = [card.id for card in every if data_folder(card, data).holds_any()]
    if json is not None:
        write_json(json, tasks_json(every, here))
    if json != "-":
        show([task_list(every, here)])


@app.command("show")
def show_task(name: Id, json: opt.Json = None) -> None:
    """Show a card: licence, access, files, counts, label map, views, protocols, citation, traps.

    \b
    Examples:
      ovbench tasks show meld
      ovbench tasks show iemocap-4class --json -
    """
    from ovbench.cli.console import show, write_json
    from ovbench.report.tasks import card_json, task_card
    from ovbench.tasks.card import card_named

    card = card_named(name)
    if json is not None:
        write_json(json, card_json(card))
    if json != "-":
        show(task_card(card))


@app.command("fetch")
def fetch_files(
    name: Id,
    into: Annotated[str, typer.Option(help="The data set's folder; it is made if need be.")],
    json: opt.Json = None,
) -> None:
    """Fetch the public files of a data set, each checked against the hash in its card.

    Only tables whose owners publish them; what is under an agreement is never fetched.

    \b
    Examples:
      ovbench tasks fetch meld --into ~/datasets/meld
      ovbench tasks fetch crema-d --into ~/datasets/CREMA-D --json -

    Exit codes: 0 all are there, 1 one cannot be fetched, or memory or disk ran out, 2 bad input or
    nothing is public, 3 what came is another file, 130 stopped.
    """
    from json import dumps

    from ovbench.cli.console import show, watched, write_json
    from ovbench.io.home import expanded
    from ovbench.report.tasks import fetched_section
    from ovbench.tasks.card import card_named
    from ovbench.tasks.fetch import fetch

    card = card_named(name)
    with watched():
        files = [str(path) for path in fetch(card, expanded(into))]
    if json is not None:
        write_json(json, dumps({"data_set": card.id, "files": files}, indent=2) + "\n")
    if json != "-":
        show([fetched_section(card, files)])
