"""A comparison as a plot: one panel per metric, methods down, scores across."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.atomic import write_bytes

if TYPE_CHECKING:
    from ovbench.runs.comparison import Comparison

FORMS = (".svg", ".png")
_INK, _SEEDS, _NOISE = "#1f3b57", "#d98b2b", "#e8e8e8"


def check_plot(path: str) -> None:
    """Say before any work is done that a plot cannot be written.

    Raises
    ------
    InputError
        If the file name has another ending.
    MissingExtraError
        If the plotting library is not installed.
    """
    if Path(path).suffix.lower() not in FORMS:
        raise InputError(f"--plot {path}", expected="a file name that ends in .svg or .png")
    _altair()


def write_plot(comparison: Comparison, path: str) -> None:
    """Draw a comparison. Raises as :func:`check_plot` and :func:`ovbench.io.atomic.write_bytes`."""
    check_plot(path)
    write_chart(chart(comparison), path)


def write_chart(drawn: Any, path: str) -> None:
    """Write an Altair chart in the form that the file's name ends in."""
    form = Path(path).suffix.lower().removeprefix(".")
    file = io.BytesIO() if form == "png" else io.StringIO()
    drawn.save(file, format=form, scale_factor=2 if form == "png" else 1)
    value = file.getvalue()
    write_bytes(path, value if isinstance(value, bytes) else value.encode())


def chart(comparison: Comparison) -> Any:
    """An Altair chart: mean and 95 % interval over items, a dot per seed, the noise floor shaded.

    The band is as wide as the noise floor, around the mean of the method that it was measured on: a
    method whose mean lies inside it cannot be told from another batch order of that one.
    """
    alt = _altair()
    panels = [_panel(alt, comparison, metric.title) for metric in comparison.metrics]
    return alt.hconcat(*panels).configure_view(strokeWidth=0)


def _panel(alt: Any, comparison: Comparison, title: str) -> Any:
    names = [row.name for row in comparison.rows]
    means = [
        {
            "method": row.name,
            "score": 100 * row.scores[title].mean,
            "low": 100 * row.scores[title].low,
            "high": 100 * row.scores[title].high,
        }
        for row in comparison.rows
    ]
    seeds = [
        {"method": row.name, "score": 100 * value}
        for row in comparison.rows
        for value in row.scores[title].by_seed
    ]
    down = alt.Y("method:N", sort=names, title=None)
    scale = alt.Scale(zero=False)
    bars = (
        alt.Chart(alt.Data(values=means))
        .mark_rule(color=_INK, strokeWidth=2)
        .encode(y=down, x=alt.X("low:Q", title=f"{title} (points)", scale=scale), x2="high:Q")
    )
    dots = (
        alt.Chart(alt.Data(values=seeds))
        .mark_point(color=_SEEDS, filled=True, opacity=0.7, size=18)
        .encode(y=down, x="score:Q")
    )
    centres = (
        alt.Chart(alt.Data(values=means))
        .mark_point(color=_INK, filled=True, shape="diamond", size=70)
        .encode(y=down, x="score:Q")
    )
    layers = [bars, dots, centres]
    floor = comparison.noise.get(title)
    if floor is not None:
        (of,) = (row for row in comparison.rows if row.name == comparison.noise_of)
        middle = 100 * of.scores[title].mean
        band = [{"low": middle - 100 * floor.floor, "high": middle + 100 * floor.floor}]
        shade = alt.Chart(alt.Data(values=band)).mark_rect(color=_NOISE)
        layers.insert(0, shade.encode(x="low:Q", x2="high:Q"))
    caption = "bar: 95 % over items; dots: seeds" + ("; band: noise floor" if floor else "")
    of_task = title if comparison.more_tasks else f"{title}, {comparison.task}"
    heading = alt.Title(of_task, subtitle=caption)
    return alt.layer(*layers).properties(title=heading, width=320, height=22 * len(names))


def _altair() -> Any:
    try:
        import altair
        import vl_convert  # noqa: F401 - draws the chart
    except ModuleNotFoundError:
        raise MissingExtraError("drawing a plot", "report") from None
    return altair
