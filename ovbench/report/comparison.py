"""A comparison of methods as a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ovbench.report.sections import DASH, Section, percent, size_text

if TYPE_CHECKING:
    from ovbench.runs.comparison import Comparison, Row, RowCost


def comparison_sections(comparison: Comparison) -> Iterator[Section]:
    """One wide table, a method per row and a figure per cell: for files."""
    first = comparison.rows[0].name
    columns = ["method", "context", "seeds"]
    for title in _titles(comparison):
        columns += [title, f"{title}: 95 % over items", f"{title}: sd over seeds"]
        columns += [f"{title} minus {first} [95 %]", f"{title}: p", f"{title}: above noise"]
    columns += [name for name, _ in _COSTS]
    rows = tuple(_wide(comparison, row) for row in comparison.rows)
    yield Section(_heading(comparison), tuple(columns), rows, tuple(_notes(comparison)))


def comparison_lines(comparison: Comparison) -> Iterator[Section]:
    """The same table with several lines per cell, which fits a terminal of 100 columns."""
    columns = ("method", *_titles(comparison), "cost")
    rows = tuple(_narrow(comparison, row) for row in comparison.rows)
    first = comparison.rows[0].name
    notes = (
        f"second line of a score: difference to {first}; third: its corrected p, and whether it is "
        "above noise or within it",
        "cost: trained of all parameters, adapter file; saved activations, peak memory of "
        "training; speed of training / of answering",
    )
    yield Section(_heading(comparison), columns, rows, (*notes, *_notes(comparison)))


def _heading(comparison: Comparison) -> str:
    tasks = ", ".join((comparison.task, *comparison.more_tasks))
    return f"Methods on {tasks}/{comparison.split}"


def _titles(comparison: Comparison) -> list[str]:
    return [metric.title for metric in comparison.metrics]


def _wide(comparison: Comparison, row: Row) -> tuple[str, ...]:
    cells = [_name(row), row.context_source or DASH, str(len(row.seeds))]
    for title in _titles(comparison):
        score = row.scores[title]
        p, above = _tested(row, title)
        cells += [percent(score.mean), _interval(score.low, score.high), percent(score.sd)]
        cells += [_difference(row, title), p, above]
    return (*cells, *(show(row.cost) for _, show in _COSTS))


def _narrow(comparison: Comparison, row: Row) -> tuple[str, ...]:
    seeds = f"{len(row.seeds)} seed" + "s" * (len(row.seeds) != 1)
    about = f"{_name(row)}\n{_context(row)}\n{seeds}\n"
    scores = []
    for title in _titles(comparison):
        score = row.scores[title]
        lines = [f"{percent(score.mean)} {_interval(score.low, score.high)}"]
        if title in row.differences:
            p, above = _tested(row, title)
            lines += [_difference(row, title), f"p {p}, {_VERDICTS[above]}"]
        scores.append("\n".join(lines))
    return (about, *scores, _cost_lines(row.cost))


_VERDICTS = {"yes": "above", "no": "within", DASH: "one seed"}


def _name(row: Row) -> str:
    return row.name + (" (oracle)" if row.oracle else "")


def _context(row: Row) -> str:
    """The label context of a method that could have one; of others, what they are."""
    if row.kind == "causal_lm":
        return row.context_source or "no context"
    return row.kind.replace("_", " ")


def _interval(low: float, high: float) -> str:
    return f"[{percent(low)}, {percent(high)}]"


def _difference(row: Row, title: str) -> str:
    found = row.differences.get(title)
    if found is None:
        return DASH
    low, high = (f"{100 * end:+.2f}" for end in (found.low, found.high))
    return f"{100 * found.difference:+.2f} [{low}, {high}]"


def _tested(row: Row, title: str) -> tuple[str, str]:
    """Corrected p, and whether the difference is above noise."""
    found = row.differences.get(title)
    if found is None:
        return DASH, DASH
    above = row.above_noise[title]
    return _p(found.p_holm), DASH if above is None else "yes" if above else "no"


def _p(value: float | None) -> str:
    """Three digits; no p is 0."""
    return DASH if value is None else "<0.001" if value < 0.0005 else f"{value:.3f}"


def _known(value: float | None, form: Callable[[float], str]) -> str:
    return DASH if value is None else form(value)


_COSTS: tuple[tuple[str, Callable[[RowCost], str]], ...] = (
    ("trainable", lambda cost: _known(cost.trainable_parameters, "{:,}".format)),
    ("total", lambda cost: _known(cost.total_parameters, "{:,}".format)),
    ("adapter file", lambda cost: _known(cost.adapter_bytes, size_text)),
    ("saved activations", lambda cost: _known(cost.saved_activation_bytes, size_text)),
    ("peak memory", lambda cost: _known(cost.peak_memory_bytes, size_text)),
    ("train tokens/s", lambda cost: _known(cost.train_tokens_per_second, "{:,.0f}".format)),
    ("decode tokens/s", lambda cost: _known(cost.decode_tokens_per_second, "{:,.0f}".format)),
)
"""Columns of the wide table."""


def _cost_lines(cost: RowCost) -> str:
    """Two or three short lines; nothing for a system that nobody trained."""
    shown = {name: show(cost) for name, show in _COSTS}
    if all(value == DASH for value in shown.values()):
        return ""
    trained, total = (
        _known(count, _short) for count in (cost.trainable_parameters, cost.total_parameters)
    )
    lines = [f"{trained} of {total}, {shown['adapter file']}"]
    saved, peak = shown["saved activations"], f"peak {shown['peak memory']}"
    lines.append(peak if saved == DASH else f"{saved}, {peak}")
    speeds = (shown["train tokens/s"], shown["decode tokens/s"])
    if set(speeds) != {DASH}:  # systems that hear read no tokens and write none
        lines.append(" / ".join(speeds) + " tokens/s")
    return "\n".join(lines)


def _short(count: float) -> str:
    """A number of parameters in three digits: 141k, 20.2M, 7.64B."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g}{unit}"
    return f"{count:g}"


def _notes(comparison: Comparison) -> Iterator[str]:
    """The noise floors, the seeds, and how to read the table."""
    first = comparison.rows[0]
    for title, floor in comparison.noise.items():
        yield (
            f"noise floor of {title}: {percent(floor.floor)}; {comparison.noise_of}, trained again "
            f"in another batch order under {len(floor.by_seed)} seeds, moved by "
            f"{percent(floor.rms)} a pair (root mean square)"
        )
    seeds: dict[tuple[int, ...], list[str]] = {}
    for row in comparison.rows:
        seeds.setdefault(row.seeds, []).append(row.name)
    for numbers, names in seeds.items():
        whose = "" if len(seeds) == 1 else f" of {', '.join(names)}"
        yield f"seeds{whose}: {', '.join(map(str, numbers))}"
    protocols = ", ".join(f"{metric.title} by {metric.protocol}" for metric in comparison.metrics)
    yield (
        f"{protocols}; {comparison.items} items (digest {comparison.task_digest[:12]}), ovbench "
        f"{comparison.ovbench_version}; scores are means over seeds, in points"
    )
    yield (
        f"intervals: percentile bootstrap over items, {comparison.draws:,} draws; differences to "
        f"{first.name} are paired by seed and item"
    )
    yield (
        "p: the larger of a paired permutation test over items and a paired t test over seeds, "
        "corrected for the number of rows (Holm)"
    )
    yield "above noise: p below .05, and a difference above the noise floor where there is one"
    if any(row.cost.saved_activation_bytes for row in comparison.rows):
        yield "saved activations: kept for the backward pass of one fixed batch; counted, not timed"
    yield from comparison.warnings
