"""``ovbench leaderboard build`` and ``export``: what is made of a leaderboard."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ovbench.cli import options as opt

if TYPE_CHECKING:
    from collections.abc import Collection

BOARD = "leaderboards"
"""Folder of the leaderboard, unless another is named."""
Board = Annotated[str, typer.Option("--board", help="Folder of the leaderboard.")]


class Form(StrEnum):
    """How a table, or a record, leaves the leaderboard."""

    table = "table"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"
    hugging_face = "hugging-face"


def build(
    board: Board = BOARD,
    out: Annotated[str, typer.Option("--out", help="Folder of the site; replaced as a whole.")] = (
        "site"
    ),
    data: opt.Data = None,
) -> None:
    """Write a site from a leaderboard, which opens from the file system without a network.

    Answers are scored again for the ranks; where the gold of a task is not on this machine, its
    records are shown without a rank.

    \b
    Examples:
      ovbench leaderboard build
      ovbench leaderboard build --data ~/datasets
      ovbench leaderboard build --board ~/my-leaderboards --out public
    """
    from ovbench.board.site import build as build_site
    from ovbench.board.store import read_board
    from ovbench.cli.console import note, watched

    with watched():
        report = build_site(read_board(board), out)
    typer.echo(report.folder / "index.html")
    note(
        f"{report.pages} pages, {report.tables} tables, {report.records} records, "
        f"{report.size / 1e6:.1f} MB"
    )


def export(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE|RECORD]",
            help="A table's name, or a record's id; a start "
            "of it that is no other's will do. Without: the tables are listed.",
        ),
    ] = None,
    form: Annotated[
        Form,
        typer.Option("--format", "-f", help="Of a table; or hugging-face, of a record."),
    ] = Form.table,
    out: Annotated[
        str, typer.Option("--out", help="File, or - ; for hugging-face a folder.")
    ] = "-",
    dataset: Annotated[
        str | None,
        typer.Option(help="For hugging-face: the data set's id on the Hub, organisation/name."),
    ] = None,
    board: Board = BOARD,
    data: opt.Data = None,
) -> None:
    """Print a table of the leaderboard, or write a record as files for the Hugging Face Hub.

    The format table is for the terminal; --out takes the others.

    \b
    Examples:
      ovbench leaderboard export
      ovbench leaderboard export tinyov-test-ew-open-1 --format latex --out table.tex
      ovbench leaderboard export meld --format csv
      ovbench leaderboard export 0123456789ab --format hugging-face --out model-repo
    """
    from ovbench.board.store import read_board
    from ovbench.cli.console import show, watched, write_json
    from ovbench.cli.outputs import check_outside
    from ovbench.errors import InputError

    check_outside(out, board)
    if form is Form.hugging_face:
        _export_record(what, dataset, board, out)
        return
    if form is Form.table and out != "-":
        raise InputError(
            f"the format table is for the terminal, so {out} would not be written",
            expected="--format markdown, latex or csv with --out",
        )
    from ovbench.board.export import list_of, section_of
    from ovbench.board.tables import tables
    from ovbench.report.render import FORMATS

    with watched():
        found = {table.slug: table for table in tables(read_board(board))}
    if what is None:
        section = list_of(found.values())
    else:
        section = section_of(found[_one("table", what, found)])
    if form is Form.table:
        show([section])
    else:
        write_json(out, FORMATS[form.value]([section]))


def _export_record(what: str | None, dataset: str | None, board: str, out: str) -> None:
    """A record's files, below the folder ``out``."""
    from pathlib import Path

    from ovbench.board.export import hugging_face
    from ovbench.board.store import read_board
    from ovbench.errors import InputError
    from ovbench.io.atomic import write_text
    from ovbench.io.folders import make_folder

    if what is None or out == "-":
        raise InputError(
            "a record or a folder is missing",
            expected="ovbench leaderboard export RECORD --format hugging-face --out FOLDER",
        )
    entries = {entry.id: entry for entry in read_board(board).entries}
    for name, text in hugging_face(entries[_one("record", what, entries)], dataset).items():
        path = Path(out) / name
        make_folder(path.parent)
        write_text(path, text)
        typer.echo(path)


def _one(kind: str, start: str, names: Collection[str]) -> str:
    """The one name that is, or begins with, ``start``.

    Raises
    ------
    InputError
        If there is none, or there are several.
    """
    from difflib import get_close_matches

    from ovbench.errors import InputError

    if start in names:
        return start
    found = [name for name in names if name.startswith(start)]
    if not found:
        begun = {name[: len(start)]: name for name in names}
        near = [repr(begun[cut]) for cut in get_close_matches(start.lower(), begun, n=3)]
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise InputError(
            f"no {kind} begins with {start!r}{hint}", mend="list them: ovbench leaderboard export"
        )
    if len(found) > 1:
        shown = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
        raise InputError(f"{len(found)} {kind}s begin with {start!r}: {shown}", expected="one")
    return found[0]
