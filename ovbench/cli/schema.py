"""``ovbench schema``: the JSON Schema of results."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of a result as ovbench score writes it.

    \b
    Example:
      ovbench schema > result.schema.json
    """
    import json

    from ovbench.results import Result

    typer.echo(json.dumps(Result.model_json_schema(), indent=2))
