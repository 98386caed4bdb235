"""Draw docs/figures/architecture.svg: the package's rooms, and which imports which.

    python scripts/architecture.py            # writes the picture
    python scripts/architecture.py --check    # exit status 1 where the code has moved on

Everything is read from the import statements of the code. A room is a folder of the package (or a
module beside them); it stands one floor below the lowest room that imports it. An arrow is drawn
where no longer way says the same: cli imports errors, but that already follows from its way down.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, PICTURE = ROOT / "ovbench", ROOT / "docs/figures/architecture.svg"
WIDTH, BOX, HEIGHT, FLOOR = 920, 124, 34, 74

Graph = Mapping[str, frozenset[str]]
"""Room to the rooms that it imports."""


def imported(path: Path) -> set[str]:
    """Names of modules that a file imports, anywhere in it; not what is for type checkers only."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms(package: Path = PACKAGE) -> Graph:
    """The package's rooms and what each imports of the others."""
    names = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    names |= {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    found: dict[str, set[str]] = {name: set() for name in names}
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room not in names:  # the package's own __init__ and __main__
            continue
        for module in imported(path):
            parts = module.split(".")
            if parts[0] == package.name and len(parts) > 1 and parts[1] in names - {room}:
                found[room].add(parts[1])
    return {room: frozenset(below) for room, below in sorted(found.items())}


def floors(graph: Graph) -> dict[str, int]:
    """The floor of each room, 0 the top: one below the lowest room that imports it.

    Raises graphlib.CycleError where imports go in a circle.
    """
    above: dict[str, list[str]] = {room: [] for room in graph}
    for room, every in graph.items():
        for below in every:
            above[below].append(room)
    found: dict[str, int] = {}
    for room in TopologicalSorter(above).static_order():
        found[room] = max((found[one] + 1 for one in above[room]), default=0)
    return found


def arrows(graph: Graph) -> list[tuple[str, str]]:
    """Imports that no longer way implies."""

    @cache
    def reach(room: str) -> frozenset[str]:
        return frozenset().union(*({below} | reach(below) for below in graph[room]))

    return [
        (room, below)
        for room, every in graph.items()
        for below in sorted(every)
        if not any(below in reach(other) for other in every - {below})
    ]


def drawing(graph: Graph) -> str:
    """The picture as SVG."""
    floor_of, pairs = floors(graph), arrows(graph)
    ground = max(floor_of.values())
    place: dict[str, tuple[float, float]] = {}
    for floor in range(ground + 1):
        row = [room for room in graph if floor_of[room] == floor]
        row.sort(key=lambda room: (_lean(room, pairs, place), room))
        for number, room in enumerate(row):
            x = WIDTH * (number + 1) / (len(row) + 1)
            place[room] = (x, floor * FLOOR + HEIGHT)
    parts = [_arrow(place[room], place[below]) for room, below in pairs]
    parts += [_box(room, *place[room]) for room in graph]
    size = f'viewBox="0 0 {WIDTH} {ground * FLOOR + 2 * HEIGHT}"'
    style = (
        "text{font:600 14px system-ui,sans-serif;fill:#16202c;text-anchor:middle}"
        "rect{fill:#fff;stroke:#35618f;stroke-width:1.5}"
        "path{fill:none;stroke:#7c8fa3;stroke-width:1.4;marker-end:url(#tip)}"
    )
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#7c8fa3;stroke:none"/>'
        "</marker></defs>"
    )
    title = "<title>The rooms of the package; arrows point to what is imported</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{title}'
    return "\n".join([head, f"<style>{style}</style>", tip, *parts, "</svg>", ""])


def _lean(
    room: str, pairs: list[tuple[str, str]], place: Mapping[str, tuple[float, float]]
) -> float:
    """Where a room's arrows pull it: the mean of the places above that import it."""
    above = [place[one][0] for one, other in pairs if other == room]
    return sum(above) / len(above) if above else WIDTH / 2


def _box(room: str, x: float, y: float) -> str:
    left, upper = x - BOX / 2, y - HEIGHT / 2
    return (
        f'<rect x="{left:.0f}" y="{upper:.0f}" width="{BOX}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x:.0f}" y="{y + 5:.0f}">{room}</text>'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = start, end
    y, to_y = y + HEIGHT / 2, to_y - HEIGHT / 2
    bend = min(FLOOR / 2, (to_y - y) / 2)
    curve = f"{x:.0f} {y + bend:.0f} {to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y:.0f}"
    return f'<path d="M{x:.0f} {y:.0f}C{curve}"/>'


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    given = parser.parse_args()
    picture = drawing(rooms())
    if not given.check:
        PICTURE.write_text(picture, "utf-8")
        return 0
    if PICTURE.exists() and PICTURE.read_text("utf-8") == picture:
        return 0
    print(f"{PICTURE.relative_to(ROOT)} is not what the code says: python scripts/architecture.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
