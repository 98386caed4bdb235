"""One sentence for each thing that a record's schema finds wrong, with its place in the JSON."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def explain(error: ValidationError, schema: type[BaseModel], place: str) -> list[str]:
    """What is wrong, a sentence each: ``records[0].task.digest: …``.

    ``place`` is where the value stands in its file; empty: it is the whole file.
    """
    return [_sentence(one, schema, place) for one in error.errors(include_url=False)]


def _sentence(error: ErrorDetails, schema: type[BaseModel], place: str) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    path = json_path(error["loc"], place)
    lead = f"{path}: " if path else ""
    if kind == "extra_forbidden":
        known = _fields(schema, error["loc"][:-1])
        name = str(error["loc"][-1])
        return f"{lead}unknown key{_near(name, known)}; known: {', '.join(known)}"
    if kind == "missing":
        return f"{lead}the key is missing"
    if kind == "literal_error":
        options = re.findall(r"'([^']+)'", str(context["expected"]))
        return f"{lead}{_shown(given)}{_near(str(given), options)}; expected {', '.join(options)}"
    if kind == "value_error":
        return f"{lead}{context['error']}"
    if kind == "string_pattern_mismatch" and "[0-9a-f]{64}" in str(context["pattern"]):
        return f"{lead}{_shown(given)}; expected a SHA-256: 64 hexadecimal digits"
    if kind == "json_invalid" and "hex escape" in error["msg"]:
        return f"{lead}a text holds half a surrogate pair; expected valid Unicode"
    wanted = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{lead}{_shown(given)}; expected {wanted[0].lower()}{wanted[1:]}"


def json_path(loc: Sequence[int | str], place: str = "") -> str:
    """``predictions[3].id``; keys that are no plain names are quoted and cut."""
    path = place
    for part in loc:
        if part == "[key]":
            continue
        if isinstance(part, int):
            path += f"[{part}]"
        elif re.fullmatch(r"\w{1,60}", part):
            path += f".{part}" if path else part
        else:
            path += f"[{part!r:.60}]"
    return path


def _shown(value: object) -> str:
    """A value for a message, cut; never a whole submission."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = ascii(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _near(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word[:100], known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _fields(schema: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The keys of the object at a place."""
    model = schema
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)
