"""Descriptions of clips, as a person reads them: each phrase beside the number that it says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ovbench.report.sections import DASH, Section
from ovbench.speech.describe import Description
from ovbench.speech.files import BEFORE
from ovbench.speech.measures import UNITS
from ovbench.speech.statistics import Statistics


def description_section(said: Description) -> Section:
    """One clip: its sentence, and a row per measure with the phrase that says it."""
    phrases = {phrase.measure: phrase for phrase in said.phrases}
    rows = []
    for measure, value in said.measures.items():
        phrase = phrases.get(measure)
        rows.append(
            (
                phrase.text if phrase else "",
                measure.replace("_", " "),
                DASH if value is None else f"{value:.4g}",
                UNITS.get(measure, ""),
                (phrase.level or "") if phrase else "",
                (phrase.reference or "") if phrase else "",
            )
        )
    notes = []
    if said.description:
        notes.append(said.description)
    notes += [note for note in said.notes if note]
    if said.statistics is not None:
        against = said.statistics
        notes.append(f"levels against {against.kind} {against.id} ({against.sha256[:12]})")
    seconds = "" if said.seconds is None else f", {said.seconds:.2f} s"
    columns = ("phrase", "measure", "value", "unit", "level", "against")
    return Section(f"{said.id} ({said.status}{seconds})", columns, tuple(rows), tuple(notes))


def counts_section(
    counts: Mapping[str, int],
    describer: str,
    where: str | None,
    anew: Mapping[str, int] | None = None,
) -> Section:
    """How many clips have which status, and how many lines of a file did not count, by reason."""
    rows = tuple((status, str(counts[status])) for status in sorted(counts, key=_ok_first))
    notes = [f"described by {describer}"]
    if where is not None:
        wrong = ", with notes on what is wrong with clips" if set(counts) - {"ok"} else ""
        notes.append(f"written to {where}{wrong}")
    notes += [f"lines that did not count: {count} of {why}" for why, count in _sorted(anew)]
    if anew:
        notes.append(f"the file as it was: {where}{BEFORE}")
    return Section("Clips", ("status", "clips"), rows, tuple(notes))


def statistics_section(statistics: Statistics, path: str, unreadable: int) -> Section:
    """What was fitted: a row per measure, quantiles of all clips together."""
    rows = tuple(
        (measure.replace("_", " "), UNITS[measure], *(f"{edge:.4g}" for edge in edges))
        for measure, edges in statistics.corpus.items()
    )
    notes = (
        f"{statistics.clips} clips of {statistics.source}, {unreadable} more could not be read",
        f"{len(statistics.speakers)} speakers and {len(statistics.sexes)} sexes have their own",
        f"sha256 {statistics.sha256}",
        f"written to {path}; use it with --statistics",
    )
    quantiles = tuple(f"{100 * q:g} %" for q in statistics.quantiles)
    return Section("Statistics of voices", ("measure", "unit", *quantiles), rows, notes)


def descriptions_json(
    describer: str,
    counts: Mapping[str, int],
    said: Sequence[Description] | None,
    where: str | None,
    anew: Mapping[str, int] | None = None,
) -> str:
    """``{"describer", "counts", "file", "anew"}``, or the clips in place of the last two."""
    told: dict[str, object] = {"describer": describer, "counts": dict(counts)}
    if said is None:
        told |= {"file": where, "anew": dict(_sorted(anew))}
    else:
        told["clips"] = [one.model_dump(mode="json") for one in said]
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _sorted(anew: Mapping[str, int] | None) -> list[tuple[str, int]]:
    return sorted((anew or {}).items())


def _ok_first(status: str) -> tuple[bool, str]:
    return status != "ok", status
