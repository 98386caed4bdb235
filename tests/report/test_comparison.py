"""A comparison as tables and as a plot."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest

from ovbench.errors import InputError, MissingExtraError
from ovbench.report.comparison import comparison_sections
from ovbench.report.plot import chart, check_plot, write_plot
from ovbench.report.render import markdown
from ovbench.runs.comparison import Comparison, Metric, Row, RowCost
from ovbench.runs.seeds import NoiseFloor, SeedDifference, SeedScore


def row(name: str, by_seed: tuple[float, ...], **more: object) -> Row:
    mean = sum(by_seed) / len(by_seed)
    score = SeedScore(mean=mean, low=mean - 0.03, high=mean + 0.03, by_seed=by_seed, sd=0.01)
    return Row.model_validate(
        {"name": name, "kind": "causal_lm", "seeds": (0, 1), "runs": ("a", "b"),
         "scores": {"WF": score}} | more
    )  # fmt: skip


@pytest.fixture
def comparison() -> Comparison:
    gap = SeedDifference(
        difference=0.04, low=0.01, high=0.07, by_seed=(0.03, 0.05), sd=0.014, p_items=0.01,
        p_seeds=0.02, p=0.02, p_holm=0.04,
    )  # fmt: skip
    return Comparison(
        task="tinyov",
        split="test",
        task_digest="0" * 64,
        items=332,
        comparable=True,
        metrics=(Metric(title="WF", protocol="ew-open-1", score="f1"),),
        rows=(
            row("plain", (0.60, 0.62), cost=RowCost(trainable_parameters=141_312)),
            row("bent|a*b", (0.64, 0.66), differences={"WF": gap}, above_noise={"WF": True}),
        ),
        noise_of="plain",
        noise={"WF": NoiseFloor(rms=0.008, floor=0.015, by_seed=(0.01, -0.005))},
        draws=1000,
    )


def test_scores_differences_and_the_noise_floor_are_in_points(comparison: Comparison) -> None:
    scores, cost, about = comparison_sections(comparison)
    assert scores.rows[0][:6] == ("plain", "–", "2", "61.00", "[58.00, 64.00]", "1.00")
    assert scores.rows[0][6:] == ("–", "–", "–", "–")
    assert scores.rows[1][6:] == ("+4.00", "[+1.00, +7.00]", "0.040", "yes")
    assert "noise floor: 1.50" in scores.notes[0]
    assert cost.rows[0][:3] == ("plain", "141,312", "–")
    assert any("1,000 draws" in note for note in about.notes)
    assert "bent\\|a\\*b" in markdown([scores])


def test_the_plot_shows_every_method_seed_and_the_noise_floor(comparison: Comparison) -> None:
    data = json.loads(chart(comparison).to_json())
    layers = data["hconcat"][0]["layer"]
    by_mark = {layer["mark"]["type"]: layer["data"]["values"] for layer in layers}
    assert by_mark["rect"] == [{"low": pytest.approx(59.5), "high": pytest.approx(62.5)}]
    assert [value["score"] for value in layers[2]["data"]["values"]] == pytest.approx(
        [60, 62, 64, 66]
    )


def test_a_plot_is_written_as_svg_and_png(comparison: Comparison, tmp_path: Path) -> None:
    write_plot(comparison, str(tmp_path / "a.svg"))
    svg = (tmp_path / "a.svg").read_text("utf-8")
    assert svg.startswith("<svg")
    assert "bent|a*b" in svg
    write_plot(comparison, str(tmp_path / "a.png"))
    head = (tmp_path / "a.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(struct.unpack(">II", head[16:])) > 100


def test_a_plot_that_cannot_be_drawn_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        check_plot("plot.jpeg")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtraError, match=r"ovbench\[report\]"):
        check_plot("plot.svg")
