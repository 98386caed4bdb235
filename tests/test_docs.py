"""The documents: no link leads nowhere, no place was left to fill in, figures are their data's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
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
