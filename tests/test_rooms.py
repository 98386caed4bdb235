"""Imports run one way: from room to room by the floors, and from module to module in each room."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
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
    {"errors", "frozen", "lazy", "progress", "ray_cluster", "threads", ""},
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


def module_at(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if path.name == "__init__.py" else parts)


NAMES = {module_at(path): path for path in MODULES}


def modules_imported(module: str) -> set[str]:
    """Modules of the package that a module names in imports: at its top, in functions, for types.

    An import that is only for type checkers counts: types run one way too.
    """
    path, found = NAMES[module], set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            inner = {f"{source}.{alias.name}" for alias in node.names}
            found |= {name if name in NAMES else source for name in inner}
    return found & NAMES.keys()


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT).parts[0] for path in MODULES}))
def test_imports_within_a_room_run_one_way(room: str) -> None:
    inside = {name for name in NAMES if room_of(name) == room}
    below = {name: modules_imported(name) & inside - {name} for name in inside}
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_modules_stay_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in ROOT.rglob("*.py")
        if (lines := len(path.read_text("utf-8").splitlines())) > 420
    }
    assert not long
