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
        yield Text(f"\n{plain(part.title)}", style="bold")
        table = Table(box=box.SIMPLE_HEAD)
        for index, name in enumerate(part.columns):
            numeric = all(_is_number(row[index]) for row in part.rows)
            table.add_column(
                Text(plain(name)), justify="right" if numeric else "left", overflow="fold"
            )
        for row in part.rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        yield table
        for note in part.notes:
            yield Text(f"  {plain(note)}", style="dim")


_INVISIBLE = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def plain(text: str) -> str:
    """Text without what is not seen but acts.

    Control characters (a label could hold a terminal's escape codes), marks that turn the direction
    of writing (a name could read as another), line separators but the newline, and halves of
    surrogate pairs (which no file can hold) become U+FFFD.
    """
    return _INVISIBLE.sub("\ufffd", text)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[–\d.\-\[\], e]*", text))


def markdown(parts: Iterable[Section]) -> str:
    """GitHub-flavoured Markdown; cell text is escaped."""

    def cell(text: str) -> str:
        escaped = re.sub(r"([\\`*_{}\[\]<>|#$~&])", r"\\\1", plain(text))
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
    "–": "--", "→": r"$\rightarrow$", "\n": " ", "\ufffd": "?",
}  # fmt: skip


def latex(parts: Iterable[Section]) -> str:
    """LaTeX tables for the booktabs package; cell text is escaped."""

    def cell(text: str) -> str:
        escaped = "".join(_LATEX.get(char, char) for char in plain(text))
        # After a line's end, a bracket or star would be read as its argument, even behind blanks.
        return "{}" + escaped if escaped.lstrip()[:1] in ("[", "*") else escaped

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


_FORMULA = re.compile(r"[\s\ufffd'\"]*[=+@|%＝＋＠－-]")
"""Also in full width, which some spreadsheets take for the same."""


def csv_text(parts: Iterable[Section]) -> str:
    """CSV with the section's title in the first column of every row, its notes after the rows.

    A cell that a spreadsheet could run as a formula, blanks and quotes before it or not, is
    preceded by an apostrophe.
    """

    def cell(text: str) -> str:
        shown = plain(text)
        risky = _FORMULA.match(shown) and not re.fullmatch(r"-?\d+(\.\d+)?", shown)
        return f"'{shown}" if risky else shown

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
