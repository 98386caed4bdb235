"""What levels refer to: an explicit object of quantiles, fitted on training clips or built in.

For each measure the finest population with enough clips is taken: the speaker's own, the sex's,
the corpus's, and at last the constants that ship with ovbench. Which one it was stands in every
record. Statistics are fitted on training data; on the clips that are scored they would leak, and a
speaker's own statistics over test clips would make the evaluation transductive.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field
from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError, ValidationError
from ovbench.frozen import Frozen
from ovbench.io.atomic import write_text
from ovbench.io.home import expanded
from ovbench.speech.levels import QUANTILES, Edges
from ovbench.speech.measures import UNITS

Kind = Literal["speaker", "sex", "corpus", "builtin"]
KINDS: tuple[Kind, ...] = ("speaker", "sex", "corpus", "builtin")
"""The finest first."""

FEWEST = 20
"""Clips in which a measure must be known for quantiles of its population: below that, the outer
ones would be single clips."""


def _rising(edges: Edges) -> Edges:
    if not all(map(math.isfinite, edges)) or list(edges) != sorted(edges):
        raise ValueError("four numbers in rising order are needed")
    return edges


def _known(table: dict[str, Edges]) -> dict[str, Edges]:
    unknown = set(table) - set(UNITS)
    if unknown:
        raise ValueError(f"unknown measure {min(unknown)!r}")
    return table


Table = Annotated[
    dict[str, Annotated[Edges, AfterValidator(_rising)]],
    AfterValidator(_known),
]
"""Measure → its edges."""


class Reference(NamedTuple):
    """Edges of a measure, and the population that they are of: its kind and its name."""

    edges: Edges
    kind: Kind
    name: str


class Statistics(Frozen):
    """Quantiles of every measure in each population.

    ``ovbench describe --fit`` writes it as JSON; :func:`read_statistics` reads it.
    """

    version: Literal[1] = 1
    """Of this layout."""
    source: str
    """What it was fitted on: ``task meld, train``, or the files as they were named."""
    clips: int = Field(ge=0)
    """How many clips were measured for it."""
    quantiles: tuple[float, float, float, float] = QUANTILES
    """Which quantiles the edges are."""
    corpus: Table = Field(default_factory=dict)
    """Edges of all clips together."""
    sexes: dict[str, Table] = Field(default_factory=dict)
    """Edges of the clips of each sex, where it is known."""
    speakers: dict[str, Table] = Field(default_factory=dict)
    """Edges of each speaker's clips."""

    @property
    def sha256(self) -> str:
        """Hash of the object: of its canonical JSON, hexadecimal."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def reference(self, measure: str, speaker: str | None, sex: str | None) -> Reference | None:
        """What a clip's measure is held against; None where not even a constant exists."""
        populations: tuple[tuple[Kind, str, Mapping[str, Edges]], ...] = (
            ("speaker", speaker or "", self.speakers.get(speaker or "", {})),
            ("sex", sex or "", self.sexes.get(sex or "", {})),
            ("corpus", self.source, self.corpus),
            ("builtin", sex or "anyone", BUILTIN_SEXES.get(sex or "", {})),
            ("builtin", "anyone", BUILTIN),
        )
        for kind, name, table in populations:
            if measure in table:
                return Reference(table[measure], kind, name)
        return None


BUILTIN_SEXES: dict[str, dict[str, Edges]] = {
    "female": {"pitch": (141.4, 162.9, 227.1, 248.6)},
    "male": {"pitch": (81.7, 98.7, 149.7, 166.7)},
}
"""From dataspeech's seven equal bins of speakers' pitch (120-270 Hz and 64.7-183.7 Hz): the outer
bins are very low and very high, the next ones low and high, the middle three normal."""

BUILTIN: dict[str, Edges] = {
    "pitch": (81.7, 98.7, 227.1, 248.6),
    "pitch_range": (4.0, 6.5, 13.0, 18.0),
    "pitch_slope": (-8.0, -4.0, 2.0, 5.0),
    "loudness": (-44.0, -38.0, -24.0, -18.0),
    "loudness_variation": (3.0, 4.5, 8.0, 10.0),
    "speaking_rate": (2.4, 3.2, 4.8, 5.5),
    "pause_share": (0.02, 0.06, 0.20, 0.32),
    "pause_length": (0.20, 0.28, 0.60, 0.90),
    "voiced_share": (0.40, 0.52, 0.78, 0.88),
    "harmonicity": (4.5, 6.6, 11.4, 13.5),
    "spectral_tilt": (-24.0, -19.0, -9.0, -5.0),
}
"""For whoever has nothing better: figures of the literature about adult speech.

``pitch``: low as for a man, high as for a woman (``BUILTIN_SEXES``). ``speaking_rate`` and
``harmonicity`` lie about the means that SpeechCueLLM (arXiv 2407.21315) reports for IEMOCAP, 3.96
syllables/s and 9.0 dB, as normal distributions with deviations of 1.2 and 3.5. ``loudness`` spans
IEMOCAP's mean of 58.8 dB in Praat, which is -35.2 dB re full scale, and the -26 dB at which speech
databases are recorded (ITU-T P.56): between recordings it means little. ``pitch_range``: adults'
deviation within an utterance is about 2.8 semitones (Traunmüller & Eriksson 1995), 9.2 from the
5th to the 95th percentile. The others are round figures of ours for read and acted sentences.
``pauses`` has no constant: a count depends on how long the clip is.
"""


def builtin() -> Statistics:
    """The statistics of nobody in particular: every measure falls back to the constants."""
    return Statistics(source="constants of ovbench", clips=0)


class Sample(NamedTuple):
    """A clip to fit on: its measures, and who speaks, where that is known."""

    values: Mapping[str, float | None]
    speaker: str | None = None
    sex: str | None = None


def fit_statistics(samples: Iterable[Sample], source: str) -> Statistics:
    """Quantiles of each measure over all clips, each sex's and each speaker's.

    A population has edges of a measure where at least ``FEWEST`` of its clips tell it.

    Parameters
    ----------
    samples:
        Training clips. Of what may be trained on, the caller takes care.
    source:
        Where they are from, for the record.

    Raises
    ------
    InputError
        If no measure is known in ``FEWEST`` clips.
    """
    known = list(samples)
    by_sex: dict[str, list[Sample]] = {}
    by_speaker: dict[str, list[Sample]] = {}
    for sample in known:
        if sample.sex:
            by_sex.setdefault(sample.sex, []).append(sample)
        if sample.speaker:
            by_speaker.setdefault(sample.speaker, []).append(sample)
    corpus = _table(known)
    if not corpus:
        raise InputError(
            f"{len(known)} clips could be measured",
            where=source,
            expected=f"at least {FEWEST} training clips with a voice, for quantiles",
            mend="name more clips to --fit",
        )
    return Statistics(
        source=source,
        clips=len(known),
        corpus=corpus,
        sexes=_tables(by_sex),
        speakers=_tables(by_speaker),
    )


def _tables(groups: Mapping[str, list[Sample]]) -> dict[str, dict[str, Edges]]:
    tables = {name: _table(groups[name]) for name in sorted(groups)}
    return {name: table for name, table in tables.items() if table}


def _table(samples: list[Sample]) -> dict[str, Edges]:
    table: dict[str, Edges] = {}
    for measure in UNITS:
        values = [v for sample in samples if (v := sample.values.get(measure)) is not None]
        if len(values) >= FEWEST:
            # Rounded so that files are the same on every machine; far below what can be measured.
            a, b, c, d = (round(float(q), 6) for q in np.quantile(values, QUANTILES))
            table[measure] = (a, b, c, d)
    return table


def write_statistics(path: str | Path, statistics: Statistics) -> None:
    """Write the file, whole or not at all. Raises as :func:`ovbench.io.atomic.write_text`."""
    write_text(path, statistics.to_json())


def read_statistics(path: str | Path) -> Statistics:
    """Read a file that ``ovbench describe --fit`` wrote.

    Raises
    ------
    InputError
        If it cannot be read.
    ValidationError
        If it is no such file.
    """
    try:
        data = expanded(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot be read ({reason})",
            where=str(path),
            expected="statistics, as ovbench describe --fit writes them",
        ) from None
    try:
        return Statistics.model_validate_json(data)
    except PydanticError as error:
        raise ValidationError(
            f"{path}: no statistics of voices ({_fault(error)}). Expected a file that ovbench "
            "describe --fit wrote."
        ) from None


def _fault(error: PydanticError) -> str:
    """What is wrong first, in words."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    match first["type"]:
        case "json_invalid":
            return "it is not JSON"
        case "missing":
            return f"{where!r} is missing"
        case "extra_forbidden":
            return f"{where!r} is unknown"
    told = first["msg"].removeprefix("Value error, ")
    return f"{where}: {told[:1].lower()}{told[1:]}" if where else told
