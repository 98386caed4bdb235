"""The lines that go to an external program and come back.

To the program, one JSON object per line: ``{"id": …}`` and the fields that the recipe shows, null
where an item has none. Back, one line per item, in any order::

    {"id": "…", "text": "angry, disappointed"}
    {"id": "…", "labels": ["angry", "disappointed"], "tokens": 7}
    {"id": "…", "status": "error"}

``status`` is ``ok``, ``empty``, ``truncated`` or ``error``; ``tokens`` how many were generated.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ovbench.errors import OvbenchError
from ovbench.systems.answers import Answer
from ovbench.systems.external.recipe import FieldName
from ovbench.tasks.item import Item

MAX_LINE = 1_000_000
"""Bytes of the longest answer; a longer one is taken for a program that does not end."""
_STATUSES = ("ok", "empty", "truncated", "error")
_SILENT = ("error", "empty")
_SHOWN = 120
"""Characters of a line that are shown of it."""


class ContractError(OvbenchError):
    """A program wrote a line that breaks the contract; a mistake in it, so the run stops."""

    def __init__(self, program: str, found: str, line: bytes, mend: str) -> None:
        text = line.decode("utf-8", "replace").strip()
        shown = ascii(text[:_SHOWN] + ("…" if len(text) > _SHOWN else ""))
        super().__init__(f"{program}: {found}, in the line {shown}. {mend}")


def request_line(item: Item, fields: Sequence[FieldName]) -> bytes:
    """The line that shows an item: ASCII, with one line end."""
    shown: dict[str, str | None] = {"id": item.id}
    for name in fields:
        value = getattr(item, name)
        shown[name] = str(Path(value).absolute()) if name == "audio" and value else value or None
    return json.dumps(shown).encode("ascii") + b"\n"


def read_answer(line: bytes, program: str, waiting: Collection[str]) -> Answer:
    """The answer in a line to one of the items that are ``waiting``, by id.

    Raises
    ------
    ContractError
        If it is no answer, or one to another item.
    """

    def broken(found: str, mend: str) -> ContractError:
        return ContractError(program, found, line, mend)

    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise broken("the answer is not UTF-8", "Write JSON in UTF-8.") from None
    except (ValueError, RecursionError):
        raise broken(
            "the answer is not JSON",
            "Print nothing but answers on standard output; messages belong on standard error.",
        ) from None
    if not isinstance(fields, dict):
        raise broken("the answer is no JSON object", 'Write {"id": "…", "text": "…"}.')
    name = fields.pop("id", None)
    if not isinstance(name, str):
        raise broken("the answer has no id", "Give the item's id back as it came, as text.")
    if name not in waiting:
        raise broken(
            f"the answer is to {name!a}, which it has not been asked, or has answered already",
            "Answer every line once, under its own id.",
        )
    fields = {key: value for key, value in fields.items() if value is not None}
    fault = _fault(fields)
    if fault is not None:
        raise broken(*fault)
    text = _text(fields)
    status = fields.get("status", "ok")
    if status == "ok" and not text.strip():
        status = "empty"
    return Answer(
        id=name,
        text="" if status == "error" else text,
        status=status,
        tokens=fields.get("tokens", 0),
    )


def _fault(fields: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with an answer's fields beside its id, and how to mend it."""
    known = ("text", "labels", "status", "tokens")
    unknown = fields.keys() - set(known)
    if unknown:
        return f"unknown key {min(unknown)!a}", f"Known are id, {', '.join(known)}."
    if fields.get("status", "ok") not in _STATUSES:
        return f"status {fields['status']!a}", f"It is one of {', '.join(_STATUSES)}."
    if "text" in fields and "labels" in fields:
        return "text and labels are both given", "Give one of them."
    if fields.keys().isdisjoint(("text", "labels")) and fields.get("status") not in _SILENT:
        return "neither text nor labels", 'Give one of them, or "status": "error".'
    if not isinstance(fields.get("text", ""), str):
        return "text is no text", 'Write "text": "…".'
    labels = fields.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return "labels is no list of texts", 'Write "labels": ["…", "…"].'
    tokens = fields.get("tokens", 0)
    if type(tokens) is not int or not 0 <= tokens < 2**53:
        return "tokens is no whole number", "Write how many were generated, or leave it out."
    return None


def _text(fields: dict[str, Any]) -> str:
    """The text; of labels, their words between commas, which none of them may hold itself."""
    words = (" ".join(label.replace(",", " ").split()) for label in fields.get("labels", ()))
    return str(fields["text"]) if "text" in fields else ", ".join(word for word in words if word)
