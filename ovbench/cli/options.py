"""Options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class OnMissing(StrEnum):
    """What a gold item without a prediction means."""

    error = "error"
    wrong = "wrong"
    skip = "skip"


class Keep(StrEnum):
    """Which of several predictions with one id counts."""

    first = "first"
    last = "last"


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"


Gold = Annotated[
    str | None, typer.Option("--gold", "-g", help="Gold labels: a file or folder of any format.")
]
ProtocolId = Annotated[
    str, typer.Option("--protocol", "-p", help="How to score; see: ovbench protocols")
]
Json = Annotated[
    str | None, typer.Option("--json", help="Write the whole result as JSON to a file, or - .")
]
GoldIdColumn = Annotated[str | None, typer.Option(help="Id column of the gold.")]
GoldLabelColumn = Annotated[str | None, typer.Option(help="Label column of the gold.")]
Split = Annotated[
    str | None, typer.Option(help="Split of a MERBench label file (default: its test split).")
]
Classes = Annotated[
    str | None,
    typer.Option(
        help="Class names, comma-separated, or a known list: meld, iemocap4, iemocap6. Names the "
        "integers of a gold file, and the classes of a closed set."
    ),
]
Lemmatizer = Annotated[str, typer.Option(help="Stage 1 of the open normalizer: table or nltk.")]
Synonyms = Annotated[
    str,
    typer.Option(help="Stage 2 of the open normalizer: lexicon, wn:LEXICON or sentence:PATH."),
]
Draws = Annotated[int, typer.Option(min=0, help="Bootstrap draws; 0 leaves intervals out.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random draw.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="Level of the intervals.")]
