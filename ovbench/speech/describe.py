"""A clip in words: every phrase with the number that it says, and what that is held against."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ovbench.frozen import Frozen
from ovbench.speech.audio import AudioError
from ovbench.speech.levels import LEVELS, Level, level_of
from ovbench.speech.measures import UNITS, Measured, Status, measure
from ovbench.speech.statistics import KINDS, Kind, Reference, Statistics
from ovbench.speech.wording import CONTINUES, LANGUAGES, ONLY_IF_UNUSUAL, SAID, Language, Words

MEASURING = 2
"""Version of the measures and the wording: a change of either makes another describer."""


class Phrase(Frozen):
    """A part of the sentence, and the number that it says."""

    text: str
    """As it stands in the sentence."""
    measure: str
    """One of :data:`ovbench.speech.measures.UNITS`."""
    value: float
    unit: str
    level: Level | None = None
    """None where the number speaks for itself: no pauses."""
    reference: Kind | None = None
    """The population whose quantiles gave the level."""


class Against(Frozen):
    """The statistics that levels were taken from."""

    kind: Kind
    """The finest population that any measure was held against; each phrase names its own."""
    id: str
    """Its name: the speaker's, the sex, what the corpus is, or for whom the constants are."""
    sha256: str
    """Of the whole object (:attr:`ovbench.speech.statistics.Statistics.sha256`)."""


class Description(Frozen):
    """What was heard in one clip: one line of a file of descriptions."""

    id: str
    description: str
    """The sentence; empty where the file could not be read."""
    status: Status | Literal["empty", "truncated", "too_long"]
    """The last three are of audio language models only."""
    language: Language
    phrases: tuple[Phrase, ...] = ()
    """The sentence's parts, in its order; each is found in it as it stands."""
    measures: dict[str, float | None] = Field(default_factory=dict)
    """Every measure; null where it cannot be told, which is never a zero."""
    statistics: Against | None = None
    """None where nothing was measured."""
    seconds: float | None = None
    """Length of the clip; null where the file could not be read."""
    notes: tuple[str, ...] = ()
    """Why measures are missing, or what is wrong with the file."""
    describer: str = ""
    """Who described it: a describer's id, which holds a hash of its settings."""
    sha256: str | None = None
    """Of the sound file; null where it could not be read, and in files of before ovbench wrote it.
    A file of descriptions goes on with a line only where this is still the clip's."""
    beside: str | None = None
    """SHA-256 of what the describer was shown beside the sound
    (:meth:`ovbench.speech.describer.Clip.beside`); null where that was nothing."""

    def line(self) -> bytes:
        """As a line of JSON Lines."""
        return self.model_dump_json().encode() + b"\n"


def describe(
    path: str | Path,
    *,
    id: str,  # noqa: A002 - the record's name for it
    statistics: Statistics,
    language: Language = "en",
    speaker: str | None = None,
    sex: str | None = None,
) -> Description:
    """Measure a file and put it into words; a file that cannot be read gets a status.

    Parameters
    ----------
    id:
        Name of the clip in the record.
    statistics:
        What levels refer to.
    speaker, sex:
        Whose voice it is, where that is known; ``sex`` is ``female`` or ``male``.

    Raises
    ------
    MissingExtraError
        If soundfile or soxr is not installed.
    """
    try:
        measured = measure(path)
    except AudioError as error:
        # A file's name may be no text.
        why = str(error).encode("utf-8", "replace").decode()
        return Description(
            id=id, description="", status="unreadable", language=language, notes=(why,)
        )
    return put_into_words(
        measured, id=id, statistics=statistics, language=language, speaker=speaker, sex=sex
    )


def put_into_words(
    measured: Measured,
    *,
    id: str,  # noqa: A002
    statistics: Statistics,
    language: Language = "en",
    speaker: str | None = None,
    sex: str | None = None,
) -> Description:
    """The description of a clip that was measured already."""
    words = LANGUAGES[language]
    values = {
        name: None if value is None else float(f"{value:.6g}")
        for name, value in measured.values.items()
    }
    references = {name: statistics.reference(name, speaker, sex) for name in SAID}
    phrases = tuple(_phrases(values, references, words))
    used = [references[phrase.measure] for phrase in phrases if phrase.measure in references]
    finest = min(
        (reference for reference in used if reference is not None),
        key=lambda reference: KINDS.index(reference.kind),
        default=None,
    )
    against = None
    if finest is not None:
        against = Against(kind=finest.kind, id=finest.name, sha256=statistics.sha256)
    return Description(
        id=id,
        description=_sentence(measured.status, phrases, words),
        status=measured.status,
        language=language,
        phrases=phrases,
        measures=values,
        statistics=against,
        seconds=round(measured.seconds, 4),
        notes=measured.notes,
    )


def _phrases(
    values: dict[str, float | None], references: dict[str, Reference | None], words: Words
) -> list[Phrase]:
    found = []
    for name in SAID:
        value, reference = values[name], references[name]
        if name == "pause_share" and values["pauses"] == 0:
            unit = UNITS["pauses"]
            found.append(Phrase(text=words.no_pause, measure="pauses", value=0, unit=unit))
            continue
        if value is None or reference is None:
            continue
        level = level_of(value, reference.edges)
        if level == "normal" and name in ONLY_IF_UNUSUAL:
            continue
        found.append(
            Phrase(
                text=_text(name, value, level, words),
                measure=name,
                value=value,
                unit=UNITS[name],
                level=level,
                reference=reference.kind,
            )
        )
    return found


def _text(name: str, value: float, level: Level, words: Words) -> str:
    """The phrase; a melody is never called rising where it falls only less than others."""
    place = LEVELS.index(level)
    if name == "pitch_slope" and value * (place - LEVELS.index("normal")) < 0:
        return words.hardly[0] if value < 0 else words.hardly[1]
    return words.levels[name][place]


def _sentence(status: str, phrases: tuple[Phrase, ...], words: Words) -> str:
    """What is wrong, if anything is, and then the phrases in one sentence."""
    said = [words.statuses[status]] if status in words.statuses else []
    parts: list[str] = []
    for phrase in phrases:
        if parts and phrase.measure in CONTINUES:
            parts[-1] += f" {phrase.text}"
        else:
            parts.append(phrase.text)
    if parts:
        listed = ", ".join(parts[:-1])
        listed = f"{listed} {words.joint} {parts[-1]}" if listed else parts[0]
        said.append(f"{words.opening} {listed}.")
    return " ".join(said)
