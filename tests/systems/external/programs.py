"""Programs that tests run as external systems: how each of them behaves is its function's name."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter

from ovbench.systems.external.recipe import ExternalRecipe

HEAD = """
import json, os, signal, subprocess, sys, time
here = os.path.dirname(os.path.abspath(__file__))
def note(text):
    with open(os.path.join(here, "notes"), "a") as file:
        file.write(str(text) + "\\n")
def reply(**fields):
    sys.stdout.write(json.dumps(fields) + "\\n")
    sys.stdout.flush()
note("start")
"""
ECHO = """
for line in sys.stdin:
    item = json.loads(line)
    reply(id=item["id"], text=item["transcript"])
note("end")
"""

Make = Callable[..., ExternalRecipe]


def write_program(folder: Path, body: str) -> Path:
    """A program of HEAD and ``body``; it notes its starts in the file ``notes`` beside it."""
    path = folder / "program.py"
    path.write_text(HEAD + textwrap.dedent(body))
    return path


def recipe_of(place: Path, body: str, **fields: object) -> ExternalRecipe:
    """A recipe of that program; it has seconds to answer, unless ``fields`` say so."""
    write_program(place, body)
    given = {
        "name": "mine",
        "kind": "external",
        "title": "a program",
        "timeout_seconds": 5.0,
        "startup_seconds": 15.0,
        "scales": {"tiny": {"command": ["{python}", "{recipe_folder}/program.py"]}},
    }
    return TypeAdapter(ExternalRecipe).validate_python(given | fields, context={"folder": place})


def notes(folder: Path) -> list[str]:
    """What the program has noted."""
    return (folder / "notes").read_text().split("\n")[:-1]
