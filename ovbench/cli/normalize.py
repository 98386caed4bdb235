"""``ovbench normalize``: how labels are understood, step by step."""

from __future__ import annotations

from typing import Annotated

import typer

from ovbench.cli import options as opt
from ovbench.errors import InputError


def normalize(
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help="Labels to explain.")],
    tables: Annotated[
        str | None,
        typer.Option(help="Official tables by name (see: ovbench tables); default: open lexicon."),
    ] = None,
    lemmatizer: opt.Lemmatizer = "table",
    synonyms: opt.Synonyms = "lexicon",
    level: Annotated[
        str, typer.Option(help="Ring level to show: level1, level2 or all.")
    ] = "level1",
    json: opt.Json = None,
) -> None:
    """Show each label's way: lemma, synonyms, and its cluster on every wheel.

    \b
    Examples:
      ovbench normalize "slightly nervous excitement" "not happy" depressed
      ovbench normalize fear --tables affectgpt-2025 --level all
      ovbench normalize fear --json -
    """
    from ovbench.cli.console import show, write_json
    from ovbench.normalize.opening import official_normalizer, open_normalizer
    from ovbench.report.traces import trace_json, trace_sections

    if tables and (lemmatizer, synonyms) != ("table", "lexicon"):
        raise InputError(
            f"--lemmatizer and --synonyms do not go with --tables {tables}",
            expected="them with the open lexicon, whose stages they choose",
            mend="leave out --tables, or them",
        )
    normalizer = official_normalizer(tables) if tables else open_normalizer(lemmatizer, synonyms)
    traces = [normalizer.trace(label.strip().lower()) for label in labels]
    if json is not None:
        write_json(json, trace_json(traces, normalizer.signature))
    if json != "-":
        show(trace_sections(traces, level))
