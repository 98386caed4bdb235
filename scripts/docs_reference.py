"""The generated parts of the reference, as Markdown: commands, protocols, tasks, recipes, schemas.

A page of ``docs/reference`` asks for a part with a line such as ``<!-- generated: cli -->``; the
docs' configuration puts the part there when the site is built. Nothing generated is kept in the
repository, so nothing of it can be out of date.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import typer.main
from pydantic import BaseModel
from typer.testing import CliRunner

from ovbench.tasks.card import Card, cards

WIDTH = 92
"""Columns of the help texts."""
MARKER = re.compile(r"^<!-- generated: (?P<part>[a-z]+) -->$", re.MULTILINE)

Row = tuple[str, ...]


def filled(text: str) -> str:
    """A page with every marker replaced by its part."""
    return MARKER.sub(lambda match: PARTS[match["part"]](), text)


def command_paths() -> list[tuple[str, ...]]:
    """Every command of the command line, as the words after ``ovbench``; groups before members."""
    from ovbench.cli.app import app

    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, member in getattr(command, "commands", {}).items():
            yield (*path, name)
            yield from walk(member, (*path, name))

    return list(walk(typer.main.get_command(app), ()))


def help_of(path: tuple[str, ...]) -> str:
    """What ``ovbench PATH --help`` prints."""
    from ovbench.cli.app import app

    os.environ["COLUMNS"] = str(WIDTH)
    result = CliRunner().invoke(app, [*path, "--help"], prog_name="ovbench")
    if result.exit_code:
        raise RuntimeError(f"ovbench {' '.join(path)} --help ends with {result.exit_code}")
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines())


def cli() -> str:
    """A section for each command with its help text."""
    sections = [f"## ovbench\n\n```text\n{help_of(())}\n```"]
    sections += [
        f"{'#' * (len(path) + 1)} ovbench {' '.join(path)}\n\n```text\n{help_of(path)}\n```"
        for path in command_paths()
    ]
    return "\n\n".join(sections)


def protocols() -> str:
    """A section for each protocol from its card."""
    from ovbench.protocols import load_protocol, protocol_ids

    def section(name: str) -> str:
        protocol = load_protocol(name)
        card = protocol.card
        told = protocol.scoring_fields().items()
        fields = [(_code(key), _code(_flat(value))) for key, value in told]
        return _blocks(
            f"## {name}",
            _sentence(protocol.title) + f" The headline score is `{protocol.headline}`.",
            _plain(card.definition),
            f"```text\n{card.formula.strip()}\n```",
            _listed("Edge rules", card.edge_rules),
            _listed("Used by", card.used_by),
            _listed("Known flaws", card.flaws),
            "**Fields**, all part of the signature:",
            _table(("field", "value"), fields),
            "**Source:** " + _plain(card.source),
        )

    return "\n\n".join(section(name) for name in protocol_ids())


def tasks() -> str:
    """A section for each data set from its card, with the tasks that are views of it."""
    return "\n\n".join(_data_set(card) for card in cards().values())


def _data_set(card: Card) -> str:
    views = [
        (
            _code(name),
            _plain(view.title),
            view.answers,
            ", ".join(map(_code, view.protocols)),
            ", ".join(view.splits or card.splits),
        )
        for name, view in card.views.items()
    ]
    files = [
        (_code(f.path), _plain(f.holds), "yes" if f.needed else "no", f.url or "–")
        for f in card.files
    ]
    merges = [(_code(own), _code(canonical)) for own, canonical in card.labels.items()]
    return _blocks(
        f"## {card.id}",
        _sentence(card.title) + " " + _plain(card.description),
        "**Tasks**",
        _table(("task", "what", "answers", "protocols", "splits"), views),
        "**Splits**",
        _table(("split", "role", "items", "classes"), _splits(card)),
        f"**Licence:** {_plain(card.licence)}. **Access:** {_plain(card.access)}."
        + (f" **Home page:** <{card.homepage}>" if card.homepage else ""),
        "**Folders** below the data folder: " + ", ".join(map(_code, card.places))
        if card.places
        else "",
        "**Files looked for**" if files else "",
        _table(("file", "holds", "needed", "public address"), files) if files else "",
        "**Class names**" if merges else "",
        _table(("in the data set", "canonical"), merges) if merges else "",
        _listed("An item holds", card.contents),
        _listed("Traps", card.traps),
        _listed("Notes", [*card.notes, *(n for v in card.views.values() for n in v.notes)]),
        f"**Citation:** {_plain(card.citation)}",
    )


def _splits(card: Card) -> list[Row]:
    """The card's splits, and those of views that have splits of their own."""
    told = {_code(name): split for name, split in card.splits.items()}
    for view, declared in card.views.items():
        told |= {_code(f"{view}/{name}"): split for name, split in declared.splits.items()}
    return [
        (
            name,
            split.role,
            "not fixed" if split.items is None else f"{split.items:,}",
            ", ".join(f"{key} {count:,}" for key, count in split.classes.items()) or "–",
        )
        for name, split in told.items()
    ]


def recipes() -> str:
    """A section for each bundled recipe from its TOML file."""
    from ovbench.systems import load_recipe, recipe_names

    def section(name: str) -> str:
        recipe = load_recipe(name)
        told = recipe.model_dump(mode="json", exclude={"name", "title", "notes", "published"})
        rows = [(_code(key), _plain(value)) for key, value in _leaves(told)]
        figures = [
            (p.dataset, p.metric, f"{p.value:g}", _plain(p.source), _plain(p.note or "–"))
            for p in getattr(recipe, "published", ())
        ]
        return _blocks(
            f"## {name}",
            _sentence(recipe.title),
            _table(("field", "value"), rows),
            _listed("Notes", recipe.notes),
            "**Published by its authors** (not measured here)" if figures else "",
            _table(("dataset", "metric", "value", "source", "note"), figures) if figures else "",
        )

    return "\n\n".join(section(name) for name in recipe_names())


def schemas() -> str:
    """The fields of results and of leaderboard records, from their JSON Schemas."""
    from ovbench.board.record import Record
    from ovbench.results import Result

    return _blocks(_schema(Result, "The result"), _schema(Record, "The leaderboard record"))


def _schema(model: type[BaseModel], title: str) -> str:
    schema = model.model_json_schema()
    parts = {model.__name__: schema, **schema.get("$defs", {})}
    sections = [f"## {title}"]
    for name, part in parts.items():
        required = part.get("required", ())
        rows = [
            (
                _code(field),
                _code(_type(told)),
                "yes" if field in required else "no",
                _plain(told.get("description", "–")),
            )
            for field, told in part.get("properties", {}).items()
        ]
        if rows:
            sections += [
                f"### {title}: {name}",
                _plain(part.get("description", "")),
                _table(("field", "type", "required", "meaning"), rows),
            ]
    return _blocks(*sections)


def _type(told: Mapping[str, Any]) -> str:
    """A field's type in a word or two."""
    if "$ref" in told:
        return str(told["$ref"]).rpartition("/")[2]
    if "const" in told:
        return json.dumps(told["const"])
    if "enum" in told:
        return " | ".join(json.dumps(value) for value in told["enum"])
    if "anyOf" in told:
        return " | ".join(_type(one) for one in told["anyOf"])
    if told.get("type") == "array":
        return f"[{_type(told.get('items', {}))}]"
    inner = told.get("additionalProperties")
    if told.get("type") == "object" and isinstance(inner, dict):
        return "{name: " + _type(inner) + "}"
    return str(told.get("type", "any"))


def _leaves(value: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and their values, those that are not set left out."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{prefix}{key}.")
        elif inner is not None and inner not in ((), []):
            yield f"{prefix}{key}", _flat(inner)


def _flat(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _plain(text: str) -> str:
    """Text that means itself in Markdown, on one line."""
    return re.sub(r"([\\`*_\[\]<>|$~{}])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Text as code; a bar stays inside its cell."""
    return "`" + " ".join(text.split()).replace("|", r"\|") + "`"


def _sentence(text: str) -> str:
    return _plain(text[:1].upper() + text[1:].rstrip(".")) + "."


def _listed(title: str, lines: Iterable[str]) -> str:
    items = [f"- {_plain(line)}" for line in dict.fromkeys(lines)]
    return _blocks(f"**{title}**", "\n".join(items)) if items else ""


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _blocks(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block)


PARTS: dict[str, Callable[[], str]] = {
    "cli": cli,
    "protocols": protocols,
    "tasks": tasks,
    "recipes": recipes,
    "schemas": schemas,
}
"""Name in a marker → what makes the part."""
