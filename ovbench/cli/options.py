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

Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="Recipes, comma-separated: names (ovbench list models) or TOML files."
    ),
]
Scale = Annotated[
    str, typer.Option(help="tiny: the bundled backbone and data, on any CPU. paper: as published.")
]
Base = Annotated[
    str | None,
    typer.Option(help="Folder of the base model, in place of the recipe's backbone."),
]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps; auto takes the fastest there is.")
]
Dtype = Annotated[
    str | None,
    typer.Option(help="Of the base: float32, bfloat16 or float16. Default: the recipe's."),
]
RUNS = "runs"
"""Folder of the runs, unless another is named."""
OutputPath = Annotated[str, typer.Option("--output-path", "-o", help="Folder of the runs.")]


def names(text: str, kind: str) -> list[str]:
    """The names in a comma-separated option, each once.

    Raises
    ------
    InputError
        If there is none, or one is given twice.
    """
    from ovbench.errors import InputError

    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise InputError(f"no {kind} is given", expected=f"a {kind}'s name, or several: a,b")
    for name in found:
        if found.count(name) > 1:
            raise InputError(f"{kind} {name!r} is given twice", mend="name it once")
    return found
