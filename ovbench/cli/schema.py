"""``ovbench schema``: the JSON Schemas of results, records and submissions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """What there is a schema of."""

    result = "result"
    record = "record"
    submission = "submission"


def schema(
    of: Annotated[
        Kind, typer.Argument(metavar="[KIND]", help="result, record or submission.")
    ] = Kind.result,
) -> None:
    """Print the JSON Schema of a result, of a leaderboard's record, or of a submission.

    A result is what ovbench score --json writes; a record is one line of a leaderboard; a
    submission is a file of several records.

    \b
    Examples:
      ovbench schema > result.schema.json
      ovbench schema record > record.schema.json
      ovbench schema submission > submission.schema.json
    """
    import json

    from pydantic import BaseModel

    model: type[BaseModel]
    if of is Kind.result:
        from ovbench.results import Result

        model = Result
    elif of is Kind.record:
        from ovbench.board.record import Record

        model = Record
    else:
        from ovbench.board.submission import Submission

        model = Submission
    typer.echo(json.dumps(model.model_json_schema(), indent=2))
