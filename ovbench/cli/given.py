"""What stands on the command line itself, so that nothing that was asked for is passed over."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

import typer

from ovbench.errors import InputError

if TYPE_CHECKING:
    from typer._click.core import Parameter


def refuse(
    context: typer.Context,
    options: Collection[str],
    beside: str,
    *,
    expected: str,
    mend: str | None = None,
) -> None:
    """Refuse options that a command could only ignore.

    Parameters
    ----------
    options:
        Their names as parameters of the command: ``cluster_by``.
    beside:
        What they do not go with, as a message calls it: ``--fit``.

    Raises
    ------
    InputError
        Naming the first one that was given.
    """
    for parameter in context.command.params:
        name = parameter.name
        if name is None or name not in options:
            continue
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(
                f"{called(parameter)} does not go with {beside}", expected=expected, mend=mend
            )


def called(parameter: Parameter) -> str:
    """``--cluster-by``; an argument by the first word of its place in the usage: ``PRED``."""
    if parameter.param_type_name == "argument":
        shown = getattr(parameter, "metavar", None) or str(parameter.name).upper()
        return str(re.findall(r"\w+", shown)[0])
    return max(parameter.opts, key=len)
