"""A comparison as tables and as a plot."""

from __future__ import annotations

import io
import json
import struct
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from ovbench.errors import InputError, MissingExtraError
from ovbench.report.comparison import comparison_lines, comparison_sections
from ovbench.report.plot import chart, check_plot, write_plot
from ovbench.report.render import markdown, rich_tables
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
    (table,) = comparison_sections(comparison)
    assert table.columns[:4] == ("method", "context", "seeds", "WF")
    assert table.rows[0][:6] == ("plain", "–", "2", "61.00", "[58.00, 64.00]", "1.00")
    assert table.rows[0][6:9] == ("–", "–", "–")
    assert table.rows[1][6:9] == ("+4.00 [+1.00, +7.00]", "0.040", "yes")
    assert table.rows[0][9:] == ("141,312", *["–"] * 6)
    assert len(table.columns) == len(table.rows[0]) == len(table.rows[1])
    assert table.notes[0].startswith("noise floor of WF: 1.50; plain")
    assert "seeds: 0, 1" in table.notes
    assert any("1,000 draws" in note for note in table.notes)
    assert "bent\\|a\\*b" in markdown([table])


def test_a_terminal_of_100_columns_shows_all_of_it(comparison: Comparison) -> None:
    """Several lines to a method, none of them folded, with two metrics and every cost."""
    cost = RowCost(
        trainable_parameters=20_185_088,
        total_parameters=7_635_801_600,
        adapter_bytes=80_792_000,
        saved_activation_bytes=123_400_000,
        peak_memory_bytes=123_400_000_000,
        train_tokens_per_second=12_345.6,
        decode_tokens_per_second=1234.5,
    )
    low = SeedDifference(
        difference=-0.2455, low=-0.3212, high=-0.1011, by_seed=(-0.2, -0.3), sd=0.01, p_items=0.01,
        p_seeds=0.02, p=0.02, p_holm=0.04,
    )  # fmt: skip
    wf = comparison.metrics[0]
    rows = [
        one.model_copy(
            update={
                "name": "affectgpt-lora-r16",
                "context_source": "description",
                "scores": {"WF": one.scores["WF"], "HiT": one.scores["WF"]},
                "differences": {"WF": low, "HiT": low},
                "above_noise": {"WF": True, "HiT": False},
                "cost": cost,
            }
        )
        for one in comparison.rows
    ]
    wide = comparison.model_copy(
        update={"metrics": (wf, wf.model_copy(update={"title": "HiT"})), "rows": tuple(rows)}
    )
    console = Console(width=100, record=True, file=io.StringIO())
    for part in rich_tables(comparison_lines(wide)):
        console.print(part, soft_wrap=isinstance(part, Text))
    printed = console.export_text()
    table = printed[: printed.index("second line of a score")]
    assert max(map(len, table.splitlines())) <= 100
    for part in (
        "affectgpt-lora-r16",
        "description",
        "2 seeds",
        "-24.55 [-32.12, -10.11]",
        "p 0.040, above ",
        "p 0.040, within ",
        "20.2M of 7.64B, 80.8 MB",
        "123 MB, peak 123.4 GB",
        "12,346 / 1,234 tokens/s",
    ):
        assert table.count(part) >= 2, part


def test_no_p_is_nothing(comparison: Comparison) -> None:
    first, second = comparison.rows
    tiny = second.differences["WF"].model_copy(update={"p_holm": 1e-4})
    rows = (first, second.model_copy(update={"differences": {"WF": tiny}}))
    (section,) = comparison_lines(comparison.model_copy(update={"rows": rows}))
    assert "p <0.001, above" in section.rows[1][1]


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
