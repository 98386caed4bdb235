"""A result as sections of plain cells; every output format is made from these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ovbench.results import Counts, Interval, Result, Scores, Unknown, WaldIntervals

DASH = "–"


@dataclass(frozen=True)
class Section:
    """One table: a title, column names, rows of text cells, and lines that belong below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def percent(value: float | None) -> str:
    """A fraction as the field prints it: 0.5537 → 55.37."""
    return DASH if value is None else f"{100 * value:.2f}"


def size_text(size: float) -> str:
    """Bytes as people read them: ``1.5 MB`` (powers of ten)."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:  # from there on, three digits would be those of a thousand
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB" if size >= 100 else f"{size:.3g} GB"


def span(interval: Interval | None) -> str:
    """An interval as ``[low, high]`` in percent."""
    if interval is None or interval.low is None:
        return DASH
    return f"[{percent(interval.low)}, {percent(interval.high)}]"


def sections(result: Result) -> Iterator[Section]:
    """All sections of a result, the score first."""
    yield _scores(result)
    makes = (_folds, _wheels, _classes, _confusion, _floors, _counts, _labels, _against, _groups)
    for make in makes:
        section = make(result)
        if section is not None:
            yield section
    if result.errors:
        yield _errors(result)


def _names(result: Result) -> list[str]:
    """Score names, the headline first, without level averages that repeat an overall one."""
    scores = result.scores
    names = [result.headline, *(name for name in scores if name != result.headline)]
    return [
        name
        for name in names
        if not (name.endswith("_level1") and scores.get(name[: -len("_level1")]) == scores[name])
    ]


def _scores(result: Result) -> Section:
    method, folds, wald = result.interval_method, result.folds, result.wald
    names = _names(result)
    columns = {"metric": names, "pooled" if folds else "score": _percents(result.scores, names)}
    notes = []
    if method:
        title = f"{100 * method.confidence:g} % interval"
        columns[title] = [span(result.intervals.get(name)) for name in names]
    if wald:
        columns["Wald ±"] = [_half_width(wald, name) for name in names]
        columns["bootstrap / Wald"] = [_times(wald, name) for name in names]
    if folds:
        columns["mean of folds"] = _percents(folds.mean, names)
        columns["sd of folds"] = _percents(folds.sd, names)
    if method:
        drawn = "items" if method.unit == "item" else f"values of {method.unit}"
        notes.append(
            f"interval: percentile bootstrap, {method.draws} draws over {method.units} {drawn}, "
            f"seed {method.seed}"
        )
    if result.detectable_difference is not None:
        notes.append(
            "smallest difference to an unrelated system that this test set can detect "
            f"(level .05, power 80 %): {percent(result.detectable_difference)}"
        )
    if wald:
        notes += _wald_notes(wald, names)
    if folds:
        notes.append(
            f"pooled: all items of all {len(folds.by_fold)} folds together; mean of folds: each "
            f"fold's own score, every fold alike (folds by {folds.column})"
        )
    if result.by_class:
        support = ", ".join(f"{name} {c.support}" for name, c in result.by_class.items())
        notes.append(f"gold items by class: {support}")
    notes.append(f"signature: {result.signature}")
    title = f"{result.predictions} on {result.gold}, {result.protocol}"
    return Section(title, tuple(columns), tuple(zip(*columns.values(), strict=True)), tuple(notes))


def _percents(scores: Scores, names: list[str]) -> list[str]:
    return [percent(scores[name]) for name in names]


def _half_width(wald: WaldIntervals, name: str) -> str:
    found = wald.intervals.get(name)
    return DASH if found is None else f"± {percent(found.half_width)}"


def _times(wald: WaldIntervals, name: str) -> str:
    found = wald.intervals.get(name)
    known = found is not None and found.bootstrap_ratio is not None
    return f"{found.bootstrap_ratio:.2f}" if found and known else DASH


def _wald_notes(wald: WaldIntervals, names: list[str]) -> Iterator[str]:
    """What the interval is, and for which scores it is none."""
    yield (
        f"Wald ±: the {100 * wald.confidence:g} % normal approximation √(p(1 - p)/n) for a share p "
        f"of n = {wald.items} items"
    )
    wrong = [
        name for name in names if name in wald.intervals and not wald.intervals[name].proportion
    ]
    if wrong:
        yield (
            f"{', '.join(wrong)}: no share of the items, so the Wald interval does not hold for "
            "them; read the bootstrap's"
        )


def _folds(result: Result) -> Section | None:
    if result.folds is None:
        return None
    names = _names(result)
    rows = [
        (name, *_percents(fold.scores, names), str(fold.items))
        for name, fold in result.folds.by_fold.items()
    ]
    return Section("By fold", ("fold", *names, "n"), tuple(rows))


def _wheels(result: Result) -> Section | None:
    if not result.by_wheel:
        return None
    names = list(next(iter(next(iter(result.by_wheel.values())).values())))
    rows = []
    for wheel, levels in result.by_wheel.items():
        for level, scores in levels.items():
            counts = result.wheels.get(wheel, {}).get(level)
            interval = result.intervals_by_wheel.get(wheel, {}).get(level, {}).get(names[0])
            told = (
                (str(counts.scored), str(counts.gold_unknown), str(counts.prediction_unknown))
                if counts
                else (DASH,) * 3
            )
            values = [percent(scores.get(name)) for name in names]
            if result.interval_method:
                values.append(span(interval))
            rows.append((wheel, level, *values, *told))
    shown = [*names, f"{names[0]} interval"] if result.interval_method else names
    columns = ("wheel", "level", *shown, "n", "gold unknown", "pred unknown")
    note = (
        "n: items whose gold has a cluster there; pred unknown: of those, predictions with labels "
        "but none of them known there"
    )
    return Section("By wheel", columns, tuple(rows), (note,))


def _classes(result: Result) -> Section | None:
    if not result.by_class:
        return None
    rows = tuple(
        (name, percent(c.precision), percent(c.recall), percent(c.f1), str(c.support))
        for name, c in result.by_class.items()
    )
    return Section("By class", ("class", "precision", "recall", "f1", "n"), rows)


def _confusion(result: Result) -> Section | None:
    table = result.confusion
    if table is None:
        return None
    rows = tuple((name, *map(str, row)) for name, row in zip(table.rows, table.counts, strict=True))
    return Section("Confusion (gold in rows)", ("gold", *table.columns), rows)


def _floors(result: Result) -> Section | None:
    if not result.floors:
        return None
    names = _names(result)
    rows = [("this system", *(percent(result.scores[n]) for n in names), "")]
    for floor, scores in result.floors.items():
        note = result.floor_notes[floor]
        words = ", ".join(note.labels)
        rows.append((floor, *(percent(scores.get(n)) for n in names), words))
    notes = tuple(f"{name}: {note.description}" for name, note in result.floor_notes.items())
    return Section(
        "Floors: what no listening at all scores", ("answer", *names, "labels"), tuple(rows), notes
    )


def _counts(result: Result) -> Section:
    counts = result.counts
    kinds = [name for name in Counts.model_fields if not name.endswith("_ids")]
    rows = []
    for kind in kinds:
        ids: tuple[str, ...] = getattr(counts, f"{kind.removesuffix('s')}_ids", ())
        shown = ", ".join(ids[:5])
        rows.append((kind.replace("_", " "), str(getattr(counts, kind)), shown))
    return Section("Items", ("", "n", "first ids"), tuple(rows), result.warnings)


def _labels(result: Result) -> Section | None:
    labels = result.labels
    if labels is None:
        return None

    def row(side: str, mean: float | None, unknown: Unknown) -> tuple[str, ...]:
        top = ", ".join(f"{label} ({n})" for label, n in unknown.top.items())
        length = DASH if mean is None else f"{mean:.2f}"
        return (side, length, str(unknown.occurrences), percent(unknown.share), top)

    rows = (
        row("gold", labels.gold_mean, labels.gold),
        row("predictions", labels.prediction_mean, labels.prediction),
    )
    columns = ("labels of", "per item", "in all", "% not understood", "most frequent of those")
    return Section("Labels", columns, rows)


def _against(result: Result) -> Section | None:
    if not result.comparisons:
        return None
    rows = tuple(
        (
            c.other,
            percent(c.other_score),
            percent(c.difference),
            DASH if c.low is None else f"[{percent(c.low)}, {percent(c.high)}]",
            DASH if c.p is None else f"{c.p:.4f}",
            DASH if c.p_holm is None else f"{c.p_holm:.4f}",
            percent(c.detectable),
            str(c.items),
        )
        for c in result.comparisons
    )
    columns = ("against", "its score", "difference", "interval", "p", "p (Holm)", "detectable", "n")
    notes = ("difference: this system minus the other; p: two-sided paired permutation test",)
    return Section(f"Paired differences in {result.comparisons[0].metric}", columns, rows, notes)


def _groups(result: Result) -> Section | None:
    if not result.groups:
        return None
    names = _names(result)
    rows = tuple(
        (
            name or "(empty)",
            *(percent(group.scores.get(n)) for n in names),
            span(group.intervals.get(result.headline)),
            str(group.items),
            group.warning or "",
        )
        for name, group in result.groups.items()
    )
    return Section("By group", ("group", *names, f"{result.headline} interval", "n", ""), rows)


def _errors(result: Result) -> Section:
    rows = tuple(
        (
            item.id,
            percent(item.score),
            ", ".join(item.gold),
            ", ".join(item.prediction),
            item.status,
            _trace_text(item.traces),
        )
        for item in result.errors
    )
    columns = ("item", "score", "gold", "prediction", "status", "how the labels were understood")
    return Section("Largest disagreements", columns, rows)


def _trace_text(traces: dict[str, dict[str, str | None]]) -> str:
    lines = []
    for label, rings in traces.items():
        clusters = " ".join(cluster or "?" for cluster in rings.values())
        lines.append(f"{label} → {clusters}")
    return "\n".join(lines)
