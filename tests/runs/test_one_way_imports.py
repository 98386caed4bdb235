"""Within the rooms of models and runs imports run one way too, those inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ovbench

ROOT = Path(ovbench.__file__).parent


def imported(node: ast.AST) -> Iterator[str]:
    """Modules of ovbench that code imports; what only type checkers read is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("ovbench."):
            assert child.module is not None
            names = (f"{child.module}.{alias.name}" for alias in child.names)
            yield from (name if is_module(name) else child.module for name in names)
        yield from imported(child)


def is_module(name: str) -> bool:
    path = ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


@pytest.mark.parametrize("room", ["runs", "systems", "training"])
def test_no_module_imports_itself_by_a_detour(room: str) -> None:
    graph = {}
    for path in (ROOT / room).rglob("*.py"):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        graph[name.removesuffix(".__init__")] = set(imported(ast.parse(path.read_text("utf-8"))))
    assert any(graph.values())
    TopologicalSorter(graph).prepare()  # raises where there is a cycle, and names it
