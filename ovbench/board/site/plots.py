"""Score against trainable parameters, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ovbench.board.site.text import plain, shortened
from ovbench.board.site.views import Line, TableView
from ovbench.errors import MissingExtraError

_KINDS = ("measured", "recomputed", "published")
_COLOURS = ("#1f77b4", "#c2410c", "#6b7280")
_FRONT = "#2e8b57"
_NAMED = 8
"""Points of the front that are named; more names would cover each other."""


class Plot(NamedTuple):
    """One chart, drawn twice, and how to read it."""

    svg: str
    png: bytes
    caption: str


def pareto_front(lines: Sequence[Line], higher_is_better: bool) -> list[Line]:
    """The ranked lines that none with as few parameters outscores, by rising parameters."""
    sign = -1.0 if higher_is_better else 1.0

    def key(line: Line) -> tuple[int, float, str]:
        assert line.parameters is not None
        assert line.headline is not None
        return line.parameters, sign * line.headline.value, line.row.id

    front: list[Line] = []
    for line in sorted((line for line in lines if line.row.rank), key=key):
        if not front or key(line)[1] < key(front[-1])[1]:
            front.append(line)
    return front


def draw(view: TableView) -> Plot:
    """The plot of a table that has two rows to draw (:attr:`TableView.plotted`).

    Raises
    ------
    MissingExtraError
        If the plotting libraries are not installed.
    """
    alt, convert = _libraries()
    lines = view.lines_drawn
    front = pareto_front(lines, view.table.higher_is_better)
    spec = _chart(alt, view, lines, front).to_dict(validate=False)
    svg = convert.vegalite_to_svg(spec)
    png = convert.svg_to_png(svg, scale=2)
    left_out = view.records - len(lines)
    caption = (
        "Bars: intervals; filled: ranked; hollow: unranked; line: Pareto front of the ranked "
        "(no system with as few trainable parameters scores better)."
    )
    if left_out:
        caption += f" {left_out} without known trainable parameters, or with none, are left out."
    return Plot(svg, png, caption)


def _chart(alt: Any, view: TableView, lines: Sequence[Line], front: Sequence[Line]) -> Any:
    title = shortened(str(plain(view.table.headline)))
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(_KINDS), range=list(_COLOURS)),
        legend=alt.Legend(orient="top"),
    )
    data = alt.Chart(alt.Data(values=[_point(line) for line in lines]))
    across = alt.X(
        "parameters:Q",
        title="trainable parameters",
        scale=alt.Scale(type="log", nice=True),
        axis=alt.Axis(format="~s"),
    )
    up = alt.Y("score:Q", title=f"{title} (points)", scale=alt.Scale(zero=False))
    bars = data.mark_rule(strokeWidth=1.5, opacity=0.6).encode(
        x=across, y=alt.Y("low:Q", title=f"{title} (points)"), y2="high:Q", color=colour
    )
    dots = data.mark_point(size=60, strokeWidth=1.5).encode(
        x=across,
        y=up,
        color=colour,
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=list(_KINDS)), legend=None),
        fillOpacity=alt.condition("datum.ranked", alt.value(1), alt.value(0)),
        fill=alt.Fill(
            "kind:N", scale=alt.Scale(domain=list(_KINDS), range=list(_COLOURS)), legend=None
        ),
    )
    if not front:
        return alt.layer(bars, dots).properties(width=620, height=340)
    steps = alt.Chart(alt.Data(values=[_point(line) for line in front])).mark_line(
        interpolate="step-after", color=_FRONT, strokeDash=[5, 3]
    )
    named = alt.Chart(alt.Data(values=[_point(line) for line in front[:_NAMED]])).mark_text(
        align="left", dx=8, dy=-8, fontSize=11
    )
    layers = (steps.encode(x=across, y=up), bars, dots, named.encode(x=across, y=up, text="name:N"))
    return alt.layer(*layers).properties(width=620, height=340)


def _point(line: Line) -> dict[str, object]:
    assert line.headline is not None
    score = line.headline
    return {
        "parameters": line.parameters,
        "score": 100 * score.value,
        "low": 100 * (score.value if score.low is None else score.low),
        "high": 100 * (score.value if score.high is None else score.high),
        "kind": line.row.provenance,
        "ranked": line.row.rank is not None,
        "name": shortened(str(plain(line.row.name)), 40),
    }


def _libraries() -> tuple[Any, Any]:
    try:
        import altair
        import vl_convert
    except ModuleNotFoundError:
        raise MissingExtraError("writing a leaderboard's pages", "report") from None
    return altair, vl_convert
