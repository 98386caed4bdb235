"""Views of results: every cell is untrusted text."""

from __future__ import annotations

import csv
import io
import re

import pytest
from rich.console import Console

import ovbench
from ovbench.report.render import FORMATS, csv_text, latex, markdown, rich_tables
from ovbench.report.sections import Section, percent, sections

HOSTILE = ["a|b", "<script>alert(1)</script>", "$x_1$ & 50% #", "=cmd|' /C calc'!A0", "\x1b[31mred",
           "[1] a", "*b", "-2+3", "-1.5", "~~gone~~ &lt;", "back\\slash", "new\nline"]  # fmt: skip


def hostile() -> Section:
    rows = tuple((text, "1.00") for text in HOSTILE)
    return Section("T|itle", ("=name", "value"), rows, ("note | one",))


def test_markdown_keeps_every_row_in_one_line_and_every_sign_as_text() -> None:
    lines = markdown([hostile()]).splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == len(HOSTILE) + 2
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 3
    text = "\n".join(lines)
    assert "<script>" not in text
    assert not re.search(r"(?<!\\)[$~]", text)


def test_latex_escapes_and_aligns() -> None:
    text = latex([hostile()])
    assert r"\begin{tabular}{lr}" in text
    assert r"\$x\_1\$ \& 50\% \#" in text
    assert r"\textless{}script\textgreater{}" in text
    for line in text.splitlines():
        assert not line.startswith(("[", "*"))


def test_csv_cells_are_no_formulas() -> None:
    rows = list(csv.reader(io.StringIO(csv_text([hostile()]))))
    cells = [row[1] for row in rows]
    assert "'=name" in cells
    assert "'=cmd|' /C calc'!A0" in cells
    assert "'-2+3" in cells
    assert "-1.5" in cells
    assert rows[-1][1:] == ["note", "note | one"]


def test_a_terminal_gets_no_escape_codes() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100)
    for part in rich_tables([hostile()]):
        console.print(part)
    assert "\x1b" not in out.getvalue()
    assert "[1] a" in out.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_the_signature_and_the_warnings(form: str) -> None:
    result = ovbench.score({"a": "sad"}, {"a": ["sad"]}, draws=20)
    text = FORMATS[form](sections(result))
    plain = re.sub(r"[\\{}]|textbar|textasciitilde", "", text)
    assert "signature: ew-open-1" in plain
    assert "fewer than 20 items (1)" in plain


def test_undefined_scores_are_dashes() -> None:
    assert (percent(None), percent(0.5537)) == ("–", "55.37")
