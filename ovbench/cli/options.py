"""Options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ovbench.errors import InputError

if TYPE_CHECKING:
    from ovbench.tasks import Task


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
    str | None,
    typer.Option(
        "--protocol",
        "-p",
        help="How to score; see: ovbench protocols. Default: ew-open-1, or the task's first.",
    ),
]
Json = Annotated[
    str | None, typer.Option("--json", help="Write the whole result as JSON to a file, or - .")
]
GoldIdColumn = Annotated[str | None, typer.Option(help="Id column of the gold.")]
GoldLabelColumn = Annotated[str | None, typer.Option(help="Label column of the gold.")]
Split = Annotated[
    str | None,
    typer.Option(help="Split of the task, or of a MERBench label file (default: its test split)."),
]
TaskId = Annotated[
    str | None,
    typer.Option("--task", "-t", help="Take the gold from a task; see: ovbench tasks"),
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


def _use_data(folder: str | None) -> str | None:
    """Make a folder the data folder of this process and its children."""
    if folder is not None:
        import os

        from ovbench.tasks.places import VARIABLE, checked_folder

        os.environ[VARIABLE] = str(checked_folder(folder, "--data").absolute())
    return folder


Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        callback=_use_data,
        help="Folder that holds your data sets. Default: OVBENCH_DATA, or data in config.toml.",
    ),
]


def gold_or_task(gold: str | None, task: str | None, split: str | None) -> str | Task | None:
    """What is scored against: the gold file, or the task's split; None where neither is given.

    Raises
    ------
    InputError
        If both are given, or the task cannot be read.
    """
    if task is None:
        return gold
    if gold is not None:
        raise InputError("a gold file and a --task are given", expected="one of them")
    from ovbench.tasks import load_task

    return load_task(task, split, clips=False)


def names(text: str, kind: str) -> list[str]:
    """The names in a comma-separated option, each once.

    Raises
    ------
    InputError
        If there is none, or one is given twice.
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise InputError(f"no {kind} is given", expected=f"a {kind}'s name, or several: a,b")
    for name in found:
        if found.count(name) > 1:
            raise InputError(f"{kind} {name!r} is given twice", mend="name it once")
    return found
