"""How labels are understood, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from ovbench.errors import InputError
from ovbench.normalize.normalizer import Trace
from ovbench.report.sections import DASH, Section

_SHOWN = 6
"""How many lemmas or candidates are listed before an ellipsis."""


def trace_sections(traces: Iterable[Trace], level: str) -> Iterable[Section]:
    """One section per label: its lemmas, its synonyms, and a row per ring."""
    for trace in traces:
        rows = []
        for index, (ring, place) in enumerate(zip(trace.rings, trace.placements, strict=True)):
            if level in ("all", ring.level):
                cluster = trace.cluster(index)
                rows.append((ring.wheel, ring.level, cluster or DASH, place.word, place.how))
        if not rows:
            known = sorted({ring.level for ring in trace.rings})
            raise InputError(f"no ring has level {level!r}", expected=", ".join(known) + " or all")
        notes = (
            "lemmas: " + _list(_lemma(lemma.word, lemma.how) for lemma in trace.lemmas),
            "synonyms on the wheels: " + _list(c.word for c in trace.candidates),
        )
        columns = ("wheel", "level", "cluster", "decided by", "how")
        yield Section(trace.label, columns, tuple(rows), notes)


def _lemma(word: str, how: str) -> str:
    return f"{word} ({how})" if how else word


def _list(words: Iterable[str]) -> str:
    every = list(words)
    if not every:
        return "none: the label is unknown"
    return ", ".join(every[:_SHOWN]) + (f", … ({len(every)} in all)" if len(every) > _SHOWN else "")


def trace_json(traces: Sequence[Trace], stages: Mapping[str, str]) -> str:
    """The traces with everything in them, as JSON text."""
    labels = [
        {
            "label": trace.label,
            "lemmas": [lemma._asdict() for lemma in trace.lemmas],
            "candidates": [candidate._asdict() for candidate in trace.candidates],
            "rings": {
                ring.key: {
                    "cluster": trace.cluster(index),
                    "word": place.word,
                    "score": place.score,
                    "how": place.how,
                }
                for index, (ring, place) in enumerate(
                    zip(trace.rings, trace.placements, strict=True)
                )
            },
        }
        for trace in traces
    ]
    record = {"normalizer": dict(stages), "labels": labels}
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"
