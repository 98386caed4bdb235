"""Sections as a Rich table, Markdown, LaTeX (booktabs) or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ovbench.report.sections import Section

if TYPE_CHECKING:
    from rich.console import RenderableType


def rich_tables(parts: Iterable[Section]) -> Iterable[RenderableType]:
    """One Rich table per section, its notes below it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for part in parts:
        yield Text(f"\n{_plain(part.title)}", style="bold")
        table = Table(box=box.SIMPLE_HEAD)
        for index, name in enumerate(part.columns):
            numeric = all(_is_number(row[index]) for row in part.rows)
            table.add_column(
                Text(_plain(name)), justify="right" if numeric else "left", overflow="fold"
            )
        for row in part.rows:
            table.add_row(*(Text(_plain(cell)) for cell in row))
        yield table
        for note in part.notes:
            yield Text(f"  {_plain(note)}", style="dim")


def _plain(text: str) -> str:
    """Text without control characters (a label could hold a terminal's escape codes)."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "\ufffd", text)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[–\d.\-\[\], e]*", text))


def markdown(parts: Iterable[Section]) -> str:
    """GitHub-flavoured Markdown; cell text is escaped."""

    def cell(text: str) -> str:
        escaped = re.sub(r"([\\`*_{}\[\]<>|#$~&])", r"\\\1", _plain(text))
        return escaped.replace("\n", "<br>")

    blocks = []
    for part in parts:
        lines = [f"### {cell(part.title)}", "", _row(map(cell, part.columns))]
        lines.append(_row("---" for _ in part.columns))
        lines.extend(_row(map(cell, row)) for row in part.rows)
        if part.notes:
            lines += ["", *(f"- {cell(note)}" for note in part.notes)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "–": "--", "→": r"$\rightarrow$", "\n": " ",
}  # fmt: skip


def latex(parts: Iterable[Section]) -> str:
    """LaTeX tables for the booktabs package; cell text is escaped."""

    def cell(text: str) -> str:
        escaped = "".join(_LATEX.get(char, char) for char in _plain(text))
        # After a line's end, a bracket or star would be read as its argument.
        return "{}" + escaped if escaped[:1] in ("[", "*") else escaped

    def alignment(part: Section) -> str:
        columns = range(len(part.columns))
        return "".join(
            "r" if all(_is_number(row[i]) for row in part.rows) else "l" for i in columns
        )

    blocks = []
    for part in parts:
        lines = [
            r"\begin{table}", rf"\caption{{{cell(part.title)}}}",
            rf"\begin{{tabular}}{{{alignment(part)}}}", r"\toprule",
            " & ".join(map(cell, part.columns)) + r" \\", r"\midrule",
            *(" & ".join(map(cell, row)) + r" \\" for row in part.rows),
            r"\bottomrule", r"\end{tabular}",
            *(rf"\par\footnotesize {cell(note)}" for note in part.notes), r"\end{table}",
        ]  # fmt: skip
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def csv_text(parts: Iterable[Section]) -> str:
    """CSV with the section's title in the first column of every row, its notes after the rows.

    A cell that a spreadsheet would run as a formula is preceded by an apostrophe.
    """

    def cell(text: str) -> str:
        risky = re.match(r"[=+@\t\r-]", text) and not re.fullmatch(r"-?\d+(\.\d+)?", text)
        return f"'{text}" if risky else text

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for part in parts:
        writer.writerow(["section", *map(cell, part.columns)])
        rows: Sequence[Sequence[str]] = part.rows
        writer.writerows([cell(part.title), *map(cell, row)] for row in rows)
        writer.writerows([cell(part.title), "note", cell(note)] for note in part.notes)
    return out.getvalue()


FORMATS: dict[str, Callable[[Iterable[Section]], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": csv_text,
}
"""Text formats by the name that ``--format`` takes."""
