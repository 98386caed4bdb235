"""The page on scale shows what its script works out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ovbench.tasks import load_task

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts"))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> object:
    import plan_scale

    monkeypatch.setattr(sys, "argv", ["plan_scale.py"])
    return plan_scale.parsed()


def test_the_tables_are_those_of_the_script(told: object) -> None:
    import plan_scale

    assert plan_scale.tables(told) in (REPOSITORY / "docs" / "scale.md").read_text("utf-8")


def test_items_are_those_of_the_tasks() -> None:
    import plan_scale

    assert len(set(plan_scale.TASKS)) == 20
    assert plan_scale.items_of("tinyov") == len(load_task("tinyov").items)
    assert plan_scale.items_of("emobox-cafe") == 3 * 312
    with pytest.raises(SystemExit, match="nobody has counted"):
        plan_scale.items_of("mer2026")


def test_the_sums_by_hand(told: object) -> None:
    """Two systems of 100 items on one GPU, and on as many as there are."""
    import plan_scale

    told.systems, told.parameters, told.flops, told.flops_share = 2, 1e9, 1e12, 0.5  # type: ignore[attr-defined]
    told.bandwidth, told.bandwidth_share = 1e12, 0.5  # type: ignore[attr-defined]
    backend = plan_scale.Backend("transformers", batch=10, tokens=20, reads=100, start=30)
    reading, writing = plan_scale.seconds(told, backend)
    assert reading == pytest.approx(2e9 * 100 / 5e11)
    # A step of ten: 2e10 operations take longer than 2e9 bytes.
    assert writing == pytest.approx(20 * (2e10 / 5e11) / 10)
    told.score_seconds = 3  # type: ignore[attr-defined]
    one = plan_scale.wall(told, backend, 1, 100, 5)
    assert one == pytest.approx(
        {"start": 60, "read": 200 * reading, "write": 200 * writing, "score": 30}
    )
    four = plan_scale.wall(told, backend, 4, 100, 5)
    assert four == pytest.approx(
        {"start": 30, "read": 50 * reading, "write": 50 * writing, "score": 15}
    )
    told.items_per_second = 7  # type: ignore[attr-defined]
    assert sum(plan_scale.seconds(told, backend)) == pytest.approx(1 / 7)
