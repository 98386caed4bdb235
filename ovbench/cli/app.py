"""The ``ovbench`` command: its subcommands, and how errors leave it."""

from __future__ import annotations

import inspect
import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from ovbench import __version__
from ovbench.cli.outputs import guarded
from ovbench.cli.stopping import stoppable
from ovbench.errors import OvbenchError, visible

if TYPE_CHECKING:
    from typer._click.core import Command

HOMES = {
    "score": "score:score",
    "eval": "evaluate:evaluate",
    "train": "train:train",
    "compare": "compare:compare",
    "sweep": "sweep:sweep",
    "describe": "describe:describe",
    "import-peft-ser": "importing:import_peft_ser",
    "las-report": "examine:las_report",
    "leak-test": "examine:leak_test",
    "normalize": "normalize:normalize",
    "floors": "floors:floors",
    "power": "power:power",
    "params": "params:params",
    "doctor": "doctor:doctor",
    "schema": "schema:schema",
    "leaderboard": "leaderboard:app",
    "protocols": "protocols:app",
    "tables": "tables:app",
    "cache": "cache:app",
    "tasks": "tasks:app",
    "list": "models:list_app",
    "show": "models:show_app",
}
"""Where each command is: a module of this package, and a function or an app of commands in it."""


class Commands(Mapping[str, "Command"]):
    """The commands, each imported and built when it is asked for."""

    def __init__(self) -> None:
        self._built: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._built:
            self._built[name] = _command(name, _found(name))
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


def _found(name: str) -> Any:
    """The function, or the app, that a command is made of."""
    module, _, attribute = HOMES[name].partition(":")
    return getattr(import_module(f"ovbench.cli.{module}"), attribute)


def _command(name: str, found: Any) -> Command:
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return guarded(group)
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command(name)(found)
    return guarded(get_command(alone))


class Root(TyperGroup):
    """The root command: to score a file, it builds no command but ``score``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast("MutableMapping[str, Command]", Commands())

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, in the order in which help shows them."""
        return list(HOMES)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Say what each command does; building them all would be half the time of ``--help``."""
        shells = [TyperCommand(name, help=_summary(name)) for name in HOMES]
        TyperGroup(commands=shells).format_commands(ctx, formatter)


def _summary(name: str) -> str | None:
    """The help of a command, which Typer would take from the same place."""
    found = _found(name)
    if isinstance(found, typer.Typer):
        found = found.registered_callback and found.registered_callback.callback
    return inspect.getdoc(found)


app = typer.Typer(
    name="ovbench",
    cls=Root,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


class Nowhere(io.TextIOWrapper):
    """What is printed where standard output is closed; it knows whether anything was."""

    def __init__(self) -> None:
        super().__init__(open(os.devnull, "wb"), encoding="utf-8")  # noqa: SIM115, PTH123 - to the end
        self.lost = False

    def write(self, text: str) -> int:
        """Drop ``text``."""
        self.lost = self.lost or bool(text)
        return len(text)


def main() -> None:
    """Run the command line and exit with its code."""
    if hasattr(signal, "SIGPIPE"):
        # As other programs do: when the reader has gone (ovbench … | head), end without a word.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # Python gives no stream where the caller has closed it (ovbench … >&- 2>&-).
    if sys.stdout is None:
        sys.stdout = Nowhere()
    if sys.stderr is None:
        sys.stderr = Nowhere()
    # Else pydantic looks for plugins in every distribution that is installed, at every start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        with stoppable():
            _run()
    except OvbenchError as error:
        typer.echo(f"error: {error.shown()}", err=True)
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:
        # PyTorch has no error of its own for the memory of a CPU.
        if isinstance(error, RuntimeError) and "DefaultCPUAllocator" not in str(error):
            raise
        typer.echo("error: there is not enough memory for this", err=True)
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        said = f"{where}reading or writing failed ({error.strerror or error})"
        typer.echo(f"error: {visible(said)}", err=True)
        sys.exit(1)


def _run() -> None:
    """Run the command line; a result that nobody could read is a failure."""
    try:
        app(hyphenated(sys.argv[1:]))
    except SystemExit as end:
        if end.code or not getattr(sys.stdout, "lost", False):
            raise
        raise OvbenchError(
            "standard output is closed, so what was printed is lost. Send it to a file or a pipe."
        ) from None
