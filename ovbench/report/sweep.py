"""A sweep as a table, and as the figure that papers draw of it: a heat map, or a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ovbench.errors import InputError
from ovbench.report.plot import check_plot, write_chart
from ovbench.report.sections import DASH, Section, percent, span
from ovbench.runs.grid import Value, shown
from ovbench.runs.sweep import Sweep, SweepCell

OPTIMISTIC = (
    "the best cell was chosen for being the highest of {cells}: its score is too high an estimate "
    "of what it scores on new data; score it once on the test split, which is still untouched"
)
_INK, _LIGHT = "#1f3b57", "#ffffff"


def sweep_sections(sweep: Sweep) -> Iterator[Section]:
    """The cells, the best one marked, and what must be known of them."""
    made_of = sweep.settings
    keys = list(sweep.grid)
    rows = [
        (
            *(shown(cell.settings[key]) for key in keys),
            *_scores(cell, sweep.score),
            *_against(sweep, at),
            "best" if at == sweep.best else "",
        )
        for at, cell in enumerate(sweep.cells)
    ]
    columns = (
        *keys, "mean of folds", "sd", "pooled", "interval", "best minus this", "p (Holm)", "",
    )  # fmt: skip
    title = (
        f"{made_of.model} on {made_of.task}/{made_of.split}, {made_of.folds} folds: {sweep.score}, "
        f"{sweep.protocol}"
    )
    yield Section(title, columns, tuple(rows), tuple(_notes(sweep)))


def _scores(cell: SweepCell, name: str) -> tuple[str, ...]:
    result, folds = cell.result, cell.result.folds
    return (
        DASH if folds is None else percent(folds.mean[name]),
        DASH if folds is None else percent(folds.sd[name]),
        percent(result.scores[name]),
        span(result.intervals.get(name)),
    )


def _against(sweep: Sweep, at: int) -> tuple[str, str]:
    found = sweep.against[at]
    if found is None:
        return DASH, DASH
    return percent(found.difference), DASH if found.p_holm is None else f"{found.p_holm:.4f}"


def _notes(sweep: Sweep) -> Iterator[str]:
    made_of, best = sweep.settings, sweep.cells[sweep.best].result
    yield OPTIMISTIC.format(cells=len(sweep.cells))
    alike = [one for one in sweep.against if one and one.p_holm is not None and one.p_holm >= 0.05]
    if alike:
        yield (
            f"{len(alike)} of the {len(sweep.cells) - 1} other cells cannot be told from the best "
            "(paired permutation test of pooled scores, p ≥ .05 after Holm)"
        )
    yield (
        f"{sweep.items} items of {made_of.split}, dealt to {made_of.folds} folds by "
        f"{sweep.dealt_by}, seed {made_of.seed}; every item answered by a model trained without it"
    )
    if best.interval_method is not None:
        yield (
            f"pooled, interval: all held-out answers together, percentile bootstrap over items, "
            f"{best.interval_method.draws} draws; of these trained models, without the chance of "
            "training"
        )
    if best.by_class:
        support = ", ".join(f"{name} {one.support}" for name, one in best.by_class.items())
        yield f"gold items by class: {support}"
    yield from sweep.notes
    yield from best.warnings
    yield f"signature of a cell: {best.signature}"


def check_figure(path: str, grid: Mapping[str, Sequence[Value]]) -> None:
    """Say before any work is done that a figure cannot be drawn.

    Raises
    ------
    InputError
        If the file name has another ending, or the grid does not have one or two keys with several
        values.
    MissingExtraError
        If the plotting library is not installed.
    """
    check_plot(path)
    varied = _varied(grid)
    if len(varied) not in (1, 2):
        raise InputError(
            f"--plot {path}: {len(varied)} keys of the grid have several values",
            expected="one (a line) or two (a heat map)",
        )


def write_figure(sweep: Sweep, path: str) -> None:
    """Draw a sweep. Raises as :func:`check_figure` and :func:`ovbench.io.atomic.write_bytes`."""
    check_figure(path, sweep.grid)
    write_chart(figure(sweep), path)


def figure(sweep: Sweep) -> Any:
    """An Altair chart: the mean over folds by two keys as a heat map, by one as a line."""
    import altair as alt

    varied = _varied(sweep.grid)
    data = alt.Data(values=[_point(sweep, at) for at in range(len(sweep.cells))])
    made_of = sweep.settings
    heading = alt.Title(
        f"{made_of.model}, {made_of.task}/{made_of.split}",
        subtitle=[
            f"{sweep.score}: mean ± sd over {made_of.folds} folds; best cell framed",
            "the best is chosen by this very score: optimistic",
        ],
    )
    drawn = _heat_map(alt, sweep, data, varied) if len(varied) == 2 else _line(alt, data, varied[0])
    return drawn.properties(title=heading).configure_view(strokeWidth=0)


def _heat_map(alt: Any, sweep: Sweep, data: Any, keys: Sequence[str]) -> Any:
    down, across = keys
    base = alt.Chart(data).encode(
        x=alt.X(
            f"{_field(across)}:O",
            title=across,
            sort=_texts(sweep, across),
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y(f"{_field(down)}:O", title=down, sort=_texts(sweep, down)),
    )
    scores = [100 * _rank(cell, sweep.score) for cell in sweep.cells]
    middle = (min(scores) + max(scores)) / 2
    tiles = base.mark_rect().encode(
        color=alt.Color(
            "score:Q",
            title=f"{sweep.score} (points)",
            scale=alt.Scale(scheme="blues", domain=[min(scores), max(scores)], nice=False),
        )
    )
    frame = base.transform_filter("datum.best").mark_rect(
        filled=False, stroke="#d98b2b", strokeWidth=3
    )
    ink = alt.condition(f"datum.score > {middle}", alt.value(_LIGHT), alt.value(_INK))
    text = base.mark_text(fontSize=12).encode(text="text:N", color=ink)
    width, height = 90 * len(sweep.grid[across]), 44 * len(sweep.grid[down])
    return alt.layer(tiles, frame, text).properties(width=width, height=height)


def _line(alt: Any, data: Any, key: str) -> Any:
    x = alt.X(f"{_field(key)}:O", title=key, sort=None, axis=alt.Axis(labelAngle=0))
    scale = alt.Scale(zero=False)
    base = alt.Chart(data).encode(x=x)
    spread = base.mark_rule(color=_INK).encode(
        y=alt.Y("low:Q", title="points", scale=scale), y2="high:Q"
    )
    line = base.mark_line(color=_INK).encode(y=alt.Y("score:Q", scale=scale))
    points = base.mark_point(color=_INK, filled=True, size=60).encode(
        y=alt.Y("score:Q", scale=scale)
    )
    best = base.transform_filter("datum.best").mark_point(color="#d98b2b", size=220, strokeWidth=3)
    return alt.layer(spread, line, points, best.encode(y="score:Q")).properties(
        width=360, height=220
    )


def _point(sweep: Sweep, at: int) -> dict[str, object]:
    cell = sweep.cells[at]
    score, folds = 100 * _rank(cell, sweep.score), cell.result.folds
    sd = None if folds is None else folds.sd[sweep.score]
    spread = 100 * sd if sd is not None else 0.0
    return {
        **{_field(key): shown(value) for key, value in cell.settings.items()},
        "score": score,
        "low": score - spread,
        "high": score + spread,
        "text": f"{score:.2f} ± {spread:.2f}",
        "best": at == sweep.best,
    }


def _rank(cell: SweepCell, name: str) -> float:
    """The mean over folds; where it is undefined, the pooled score; where that is too, 0."""
    folds = cell.result.folds
    mean = None if folds is None else folds.mean[name]
    return (mean if mean is not None else cell.result.scores[name]) or 0.0


def _field(key: str) -> str:
    """A key's column in the chart's data: never one of the chart's own."""
    return f"key_{key}"


def _varied(grid: Mapping[str, Sequence[Value]]) -> list[str]:
    return [key for key, values in grid.items() if len(values) > 1]


def _texts(sweep: Sweep, key: str) -> list[str]:
    return [shown(value) for value in sweep.grid[key]]
