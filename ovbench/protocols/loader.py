"""Find protocols by name: the shipped TOML files, and any TOML file given by its path."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError, UnknownNameError
from ovbench.io.toml import toml_fields, toml_text
from ovbench.protocols.schema import MODELS, PROTOCOL, Protocol

_FOLDER = Path(__file__).parent / "data"


@cache
def protocol_ids() -> tuple[str, ...]:
    """Names of the shipped protocols, sorted."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_protocol(name: str | Path) -> Protocol:
    """A protocol by its id, or from a TOML file of the same form.

    Raises
    ------
    UnknownNameError
        If no protocol has that id.
    InputError
        If the file cannot be read or does not describe a protocol.
    """
    text = str(name)
    if text in protocol_ids():
        return _shipped(text)
    if text.endswith(".toml"):
        return _parse(Path(text))
    raise UnknownNameError(
        "protocol", text, protocol_ids(), mend="list them with: ovbench protocols"
    )


@cache
def _shipped(name: str) -> Protocol:
    fields = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    return MODELS[fields["metric"]].model_validate(fields)


def _parse(path: Path) -> Protocol:
    fields = toml_fields(toml_text(path), str(path))
    try:
        found = PROTOCOL.validate_python(fields)
    except PydanticError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "protocol"
        raise InputError(
            f"field {field!r}: {first['msg']}",
            where=str(path),
            mend="compare with a shipped protocol: ovbench protocols show ew-open-1",
        ) from None
    if found.id in protocol_ids() and found.scoring_fields() != _shipped(found.id).scoring_fields():
        raise InputError(
            f"it is called {found.id!r}, as a shipped protocol that scores otherwise",
            where=str(path),
            expected="an id of its own: a protocol's id never changes meaning",
        )
    return found
