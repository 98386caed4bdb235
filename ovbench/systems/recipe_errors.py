"""One clear sentence for what is wrong in a recipe's file: file, line, key, and how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ovbench.errors import InputError

_MEND = "compare with a bundled recipe: ovbench show model lora-las-r4"


def explain(error: ValidationError, schema: object, text: str, file: str) -> InputError:
    """What is wrong with the TOML ``text`` of ``file``: an unknown key first, then a bad value.

    A key that is misspelt is also one that is missing, and only the former can be mended from the
    message. ``schema`` is the annotation that it was validated against.
    """
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    path, models = _resolve(schema, first["loc"])
    if first["type"].startswith("union_tag"):
        path.append(str(first["ctx"]["discriminator"]).strip("'"))
    key = ".".join(path)
    line = _line_of(text, path)
    where = f"{file}, line {line}" if line else file
    found, expected = _sentence(first, key, models)
    if len(errors) > 1:
        found += f" (and {len(errors) - 1} more)"
    return InputError(found, where=where, expected=expected, mend=_MEND)


def _sentence(
    error: ErrorDetails, key: str, models: Sequence[type[BaseModel]]
) -> tuple[str, str | None]:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted({name for model in models for name in model.model_fields})
        return f"unknown key {key!r}{_near(key.rpartition('.')[2], known)}", _one_of(known)
    if kind in ("missing", "union_tag_not_found"):
        return f"the key {key!r} is missing", None
    if kind == "union_tag_invalid":
        tags = re.findall(r"'([^']+)'", str(context["expected_tags"]))
        return f"{key} is {context['tag']!r}{_near(context['tag'], tags)}", _one_of(tags)
    if kind == "literal_error":
        options = re.findall(r"'([^']+)'", str(context["expected"]))
        if error["loc"][-1] == "[key]":
            return f"unknown key {key!r}{_near(str(given), options)}", _one_of(options)
        return f"{key} is {given!r}{_near(str(given), options)}", _one_of(options)
    if kind == "too_short":
        return f"{key} is empty", "at least one entry"
    if kind == "value_error":
        reason = str(context["error"])
        return (f"{key}: {reason}" if key else reason), None
    wanted = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{key} is {given!r}", ("a value " if wanted[:4] in ("grea", "less") else "") + wanted


def _near(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _one_of(known: Sequence[str]) -> str:
    return "one of " + ", ".join(known)


def _resolve(
    schema: object, loc: Sequence[int | str]
) -> tuple[list[str], Sequence[type[BaseModel]]]:
    """The keys of an error's place, without the tags of unions, and the models that hold the last.

    A place is keys and list positions, with the value of the discriminator after each union.
    """
    models = _models(schema)
    path: list[str] = []
    holders: Sequence[type[BaseModel]] = models
    for part in loc:
        tagged = [model for model in models if part in _tags(model)] if len(models) > 1 else []
        if tagged:
            models = tagged
            continue
        if part == "[key]":
            continue
        path.append(str(part))
        holders = models
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if fields:
            models = [found for field in fields for found in _models(field.annotation)]
    return path, holders


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _tags(model: type[BaseModel]) -> tuple[object, ...]:
    """The values that tell a model apart in a union: its ``kind`` or ``name``."""
    for field in ("kind", "name"):
        if field in model.model_fields and (tags := get_args(model.model_fields[field].annotation)):
            return tags
    return ()


def _line_of(text: str, path: Sequence[str]) -> int | None:
    """The line on which a key stands, counted from 1; its table's, if the key does not stand."""
    table: list[str] = []
    best: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$", line):
            table = re.split(r"\s*\.\s*", header[1].replace('"', ""))
            if list(path[: len(table)]) == table:
                best = number
        elif key := re.match(r"\s*([A-Za-z0-9_.\"-]+)\s*=", line):
            keys = [*table, *key[1].replace('"', "").split(".")]
            if [part for part in path if not part.isdigit()] == keys:
                return number
    return best
