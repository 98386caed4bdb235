"""The ``ovbench`` command: its subcommands, and how errors leave it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from ovbench import __version__
from ovbench.cli import (
    cache,
    compare,
    describe,
    doctor,
    evaluate,
    examine,
    floors,
    importing,
    leaderboard,
    models,
    normalize,
    params,
    power,
    protocols,
    schema,
    score,
    sweep,
    tables,
    tasks,
    train,
)
from ovbench.cli.stopping import stoppable
from ovbench.errors import OvbenchError

app = typer.Typer(
    name="ovbench",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("score")(score.score)
app.command("eval")(evaluate.evaluate)
app.command("train")(train.train)
app.command("compare")(compare.compare)
app.command("sweep")(sweep.sweep)
app.command("describe")(describe.describe)
app.command("import-peft-ser")(importing.import_peft_ser)
app.command("las-report")(examine.las_report)
app.command("leak-test")(examine.leak_test)
app.command("normalize")(normalize.normalize)
app.command("floors")(floors.floors)
app.command("power")(power.power)
app.command("params")(params.params)
app.command("doctor")(doctor.doctor)
app.command("schema")(schema.schema)
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(protocols.app, name="protocols")
app.add_typer(tables.app, name="tables")
app.add_typer(cache.app, name="cache")
app.add_typer(tasks.app, name="tasks")
app.add_typer(models.list_app, name="list")
app.add_typer(models.show_app, name="show")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"ovbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Score and compare open-vocabulary speech emotion recognition systems.

    Start with: ovbench score preds.jsonl --gold gold.csv, or ovbench eval --model lora-las-r4
    """


def hyphenated(arguments: list[str]) -> list[str]:
    """``--on_missing`` → ``--on-missing``: option names with either sign, as users know them."""

    def one(argument: str) -> str:
        name, equals, value = argument.partition("=")
        return name.replace("_", "-") + equals + value if name.startswith("--") else argument

    return [one(argument) for argument in arguments]


def main() -> None:
    """Run the command line and exit with its code."""
    if hasattr(signal, "SIGPIPE"):
        # As other programs do: when the reader has gone (ovbench … | head), end without a word.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
    # Else pydantic looks for plugins in every distribution that is installed, at every start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        with stoppable():
            app(hyphenated(sys.argv[1:]))
    except OvbenchError as error:
        typer.echo(f"error: {error.shown()}", err=True)
        sys.exit(error.exit_code)
    except MemoryError:
        typer.echo("error: there is not enough memory for this", err=True)
        sys.exit(1)
    except OSError as error:
        typer.echo(f"error: the output cannot be written ({error.strerror or error})", err=True)
        sys.exit(1)
