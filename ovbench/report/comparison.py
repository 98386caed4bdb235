"""A comparison of methods as a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ovbench.report.parameters import size
from ovbench.report.sections import DASH, Section, percent

if TYPE_CHECKING:
    from ovbench.runs.comparison import Comparison, Row


def comparison_sections(comparison: Comparison) -> Iterator[Section]:
    """One table per metric, then what the methods cost."""
    for metric in comparison.metrics:
        yield _scores(comparison, metric.title)
    if any(row.cost.trainable_parameters for row in comparison.rows):
        yield _costs(comparison)
    yield _about(comparison)


def _scores(comparison: Comparison, title: str) -> Section:
    first = comparison.rows[0].name
    columns = (
        *("method", "context", "seeds", title, "95 % over items", "sd over seeds"),
        *(f"minus {first}", "95 % over items", "p", "above noise"),
    )
    notes = []
    floor = comparison.noise.get(title)
    if floor is not None:
        notes.append(
            f"noise floor: {percent(floor.floor)}; {comparison.noise_of}, trained again in another "
            f"batch order under {len(floor.by_seed)} seeds, moved by {percent(floor.rms)} a pair "
            "(root mean square)"
        )
    rows = tuple(_score_row(row, title) for row in comparison.rows)
    (metric,) = (m for m in comparison.metrics if m.title == title)
    heading = f"{title} on {comparison.task}/{comparison.split} ({metric.protocol})"
    return Section(heading, columns, rows, tuple(notes))


def _score_row(row: Row, title: str) -> tuple[str, ...]:
    score = row.scores[title]
    cells = [
        row.name + (" (oracle)" if row.oracle else ""),
        row.context_source or DASH,
        str(len(row.seeds)),
        percent(score.mean),
        f"[{percent(score.low)}, {percent(score.high)}]",
        percent(score.sd),
    ]
    found = row.differences.get(title)
    if found is None:
        return (*cells, *[DASH] * 4)
    above = row.above_noise[title]
    return (
        *cells,
        f"{100 * found.difference:+.2f}",
        f"[{100 * found.low:+.2f}, {100 * found.high:+.2f}]",
        DASH if found.p_holm is None else f"{found.p_holm:.3f}",
        DASH if above is None else "yes" if above else "no",
    )


def _costs(comparison: Comparison) -> Section:
    columns = (
        *("method", "trainable", "total", "adapter file", "saved activations", "peak memory"),
        *("train tokens/s", "decode tokens/s"),
    )
    rows = []
    for row in comparison.rows:
        cost = row.cost
        rows.append(
            (
                row.name,
                _known(cost.trainable_parameters, "{:,}".format),
                _known(cost.total_parameters, "{:,}".format),
                _known(cost.adapter_bytes, size),
                _known(cost.saved_activation_bytes, size),
                _known(cost.peak_memory_bytes, size),
                _known(cost.train_tokens_per_second, "{:,.0f}".format),
                _known(cost.decode_tokens_per_second, "{:,.0f}".format),
            )
        )
    notes = ("saved activations: kept for the backward pass of one fixed batch; counted",)
    return Section("Cost", columns, tuple(rows), notes)


def _about(comparison: Comparison) -> Section:
    """How to read the tables."""
    first = comparison.rows[0].name
    notes = (
        f"{comparison.items} items (digest {comparison.task_digest[:12]}), ovbench "
        f"{comparison.ovbench_version}; scores are means over seeds, in points",
        f"intervals: percentile bootstrap over items, {comparison.draws:,} draws; differences to "
        f"{first} are paired by seed and item",
        "p: the larger of a paired permutation test over items and a paired t test over seeds, "
        "corrected for the number of rows (Holm)",
        "above noise: p below .05, and a difference larger than the noise floor where there is one",
        *comparison.warnings,
    )
    rows = tuple((row.name, ", ".join(map(str, row.seeds))) for row in comparison.rows)
    return Section("Seeds", ("method", "seeds"), rows, notes)


def _known(value: float | None, form: Callable[[float], str]) -> str:
    return DASH if value is None else form(value)
