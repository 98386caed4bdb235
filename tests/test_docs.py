"""The documents: no link leads nowhere, no place was left to fill in, figures are their data's."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from ovbench.tasks.card import Card
from ovbench.tasks.item import Gold
from ovbench.tasks.places import DataFolder

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
sys.path.insert(0, str(REPOSITORY / "scripts"))
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_links_lead_somewhere_and_nothing_is_left_open(page: Path) -> None:
    text = page.read_text("utf-8")
    dead = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert not dead
    assert not re.findall(r"@[A-Z_]+@|TODO|FIXME", text)


def test_every_page_is_reached_from_the_index() -> None:
    docs = REPOSITORY / "docs"
    linked = {(docs / link).resolve() for link in LINK.findall((docs / "index.md").read_text())}
    assert {page for page in docs.rglob("*.md") if page.name != "index.md"} <= linked


def test_the_results_page_shows_what_its_data_hold() -> None:
    """Every method's score on the page is the one in the JSON beside it."""
    results = REPOSITORY / "docs" / "results"
    page = (results / "tinyov.md").read_text("utf-8")
    data = json.loads((results / "tinyov.json").read_text("utf-8"))
    assert len(data["rows"]) >= 13
    for row in data["rows"]:
        score = row["scores"]["WF"]
        assert len(score["by_seed"]) >= 5
        assert score["mean"] == pytest.approx(sum(score["by_seed"]) / len(score["by_seed"]))
        cells = f"| {row['name']} | {row['context_source'] or '–'} | {len(row['seeds'])} | "
        assert f"{cells}{100 * score['mean']:.2f} |" in page


def test_the_reference_has_every_command_protocol_task_and_recipe() -> None:
    from docs_reference import PARTS, command_paths, filled

    from ovbench.protocols import protocol_ids
    from ovbench.systems import recipe_names
    from ovbench.tasks import task_ids

    asked = set()
    parts = {}
    for page in sorted((REPOSITORY / "docs" / "reference").glob("*.md")):
        text = page.read_text("utf-8")
        asked |= set(re.findall(r"<!-- generated: (\w+) -->", text))
        parts[page.stem] = filled(text)
        assert "<!-- generated" not in parts[page.stem]
    assert asked == set(PARTS)
    headings = {stem: re.findall(r"^##+ (.*)$", text, re.M) for stem, text in parts.items()}
    commands = [" ".join(("ovbench", *path)) for path in command_paths()]
    assert len(commands) > 20
    assert headings["cli"] == ["ovbench", *commands]
    assert parts["cli"].count("Usage: ovbench") == len(commands) + 1
    assert set(protocol_ids()) <= set(headings["protocols"])
    assert set(recipe_names()) <= set(headings["recipes"])
    assert all(f"`{task}`" in parts["tasks"] for task in task_ids())
    for model in ("Result", "Record"):
        assert any(heading.endswith(f": {model}") for heading in headings["schemas"])


def test_the_api_page_has_every_public_name() -> None:
    import ovbench

    page = (REPOSITORY / "docs" / "reference" / "api.md").read_text("utf-8")
    names = set(re.findall(r"^\.\. auto\w+:: (?:ovbench\.)?(\w+)$", page, re.M))
    assert names >= set(ovbench.__all__) - {"__version__"}


def test_generated_text_means_itself() -> None:
    from docs_reference import _code, _plain, _table

    assert _plain("a_b *c* <d> |e|\n f") == r"a\_b \*c\* \<d\> \|e\| f"
    assert _table(("x", "y"), [(_code("a|b"), "c")]).splitlines()[2] == r"| `a\|b` | c |"


def test_what_the_metrics_page_says_of_constant_answers() -> None:
    from docs_figures import constant_answers

    page = (REPOSITORY / "docs" / "metrics.md").read_text("utf-8")
    rows = constant_answers((1, 3, 15, 224))
    for words in (1, 3, 15, 224):
        told = {row["score"]: f"{row['points']:.2f}" for row in rows if row["words"] == words}
        name = "224 (all)" if words == 224 else str(words)
        scores = ("hit rate", "WF", "WF, middle ring", "precision")
        assert f"| {name} | {' | '.join(told[score] for score in scores)} |" in page


def test_the_example_of_a_data_set_can_be_read(tmp_path: Path) -> None:
    """The card and the reader of the page on new data sets are put to use."""
    page = (REPOSITORY / "docs" / "how-to" / "add-my-dataset.md").read_text("utf-8")
    blocks = dict(re.findall(r"^```(toml|python)\n(.*?)^```$", page, re.M | re.S))
    card = Card.model_validate(tomllib.loads(blocks["toml"]))
    (tmp_path / "test.csv").write_text("id,transcript,class\n1,where is it,ANG\n2,thank you,NEU\n")
    module: dict[str, object] = {}
    exec(blocks["python"], module)  # the page's own text
    read = module["read"]
    assert callable(read)
    found = list(read(DataFolder(card, (tmp_path,), (tmp_path,)), "", "test"))
    assert [item.id for item, _ in found] == ["test_1", "test_2"]
    assert [gold for _, gold in found] == [Gold(category="angry"), Gold(category="neutral")]
    assert card.splits["test"].items == len(found)


def test_pages_that_load_from_elsewhere_are_found() -> None:
    from docs_check import loaded

    bad = (
        '<script async src="https://a.example/x.js"></script>',
        '<link rel="stylesheet" href="//b.example/x.css">',
        '<link href="https://b.example/x" rel="preconnect">',
        "<img alt='' src='http://c.example/x.png'>",
        "@font-face { src: url(https://d.example/x.woff2) }",
        '@import "https://e.example/x.css";',
    )
    assert [len(list(loaded(text))) for text in bad] == [1] * len(bad)
    good = '<a href="https://a.example">x</a><script src="_static/x.js"></script><img src="x.svg">'
    assert not list(loaded(good))


def test_the_architecture_picture_is_what_the_code_says() -> None:
    """Mend with: python scripts/architecture.py"""
    import architecture

    assert architecture.PICTURE.read_text("utf-8") == architecture.drawing(architecture.rooms())


def test_the_architecture_picture_is_drawn_from_imports(tmp_path: Path) -> None:
    """Rooms, floors and arrows of a package of four rooms, by hand."""
    import architecture

    code = {
        "top/a.py": "from house.middle import b\nfrom house import ground\n",
        "top/__init__.py": "",
        "middle/__init__.py": "import house.ground\n",
        "middle/b.py": "if TYPE_CHECKING:\n    from house.top import a\n",
        "side/__init__.py": "from house.ground import x\n",
        "ground.py": "import json\n",
        "__init__.py": "from house.top import a\n",
    }
    package = tmp_path / "house"
    for name, text in code.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    graph = architecture.rooms(package)
    assert {room: set(below) for room, below in graph.items()} == {
        "top": {"middle", "ground"},
        "middle": {"ground"},
        "side": {"ground"},
        "ground": set(),
    }
    assert architecture.floors(graph) == {"top": 0, "side": 0, "middle": 1, "ground": 2}
    assert architecture.arrows(graph) == [
        ("middle", "ground"),
        ("side", "ground"),
        ("top", "middle"),
    ]
