"""Imports run one way: every module may import only from the floors below its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ovbench

ROOT = Path(ovbench.__file__).parent
FLOORS = [
    {"cli"},
    {"board"},
    {"report"},
    {"runs"},
    {"training"},
    {"scoring", "systems"},
    {"results", "context"},
    {"tasks"},
    {"testbed", "protocols", "normalize", "speech"},
    {"metrics", "io", "lora_las"},
    {"errors", "frozen", "lazy", "progress", ""},
]
FLOOR_OF = {room: height for height, rooms in enumerate(reversed(FLOORS)) for room in rooms}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.split(".")[0] == "ovbench"}


MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downward(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for target in map(room_of, imports(path)):
        if target == room:
            continue
        assert FLOOR_OF[target] < FLOOR_OF[room], f"{room} imports {target}"


def test_modules_stay_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in ROOT.rglob("*.py")
        if (lines := len(path.read_text("utf-8").splitlines())) > 420
    }
    assert not long
