"""The words for each level of each measure, in every language that descriptions are written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "es"]

SAID = (
    *("pitch", "pitch_range", "pitch_slope", "loudness", "loudness_variation", "speaking_rate"),
    *("pause_share", "pause_length", "harmonicity", "spectral_tilt", "voiced_share"),
)
"""The measures that a sentence may speak of, in its order."""
ONLY_IF_UNUSUAL = {"pitch_slope", "pause_length", "voiced_share"}
"""Those that are not spoken of where they are normal."""
CONTINUES = {"pause_length"}
"""Those whose phrase goes on from the one before it."""


@dataclass(frozen=True)
class Words:
    """One language.

    Attributes
    ----------
    opening, joint:
        What a sentence begins with, and what stands before its last phrase.
    levels:
        Measure → its phrases from very low to very high.
    hardly:
        For a slope that is high among the others but falls, and one that is low but rises.
    no_pause:
        For none at all.
    statuses:
        What is said of clips that could not be measured, or not in full.
    """

    opening: str
    joint: str
    levels: dict[str, tuple[str, str, str, str, str]]
    hardly: tuple[str, str]
    no_pause: str
    statuses: dict[str, str]


ENGLISH = Words(
    opening="The speaker has",
    joint="and",
    levels={
        "pitch": (
            *("a very low pitch", "a low pitch", "a moderate pitch", "a high pitch"),
            "a very high pitch",
        ),
        "pitch_range": (
            *("a very narrow pitch range", "a narrow pitch range", "a normal pitch range"),
            *("a wide pitch range", "a very wide pitch range"),
        ),
        "pitch_slope": (
            *("a steeply falling melody", "a falling melody", "a level melody"),
            *("a rising melody", "a steeply rising melody"),
        ),
        "loudness": (
            *("a very soft volume", "a soft volume", "a normal volume", "a loud volume"),
            "a very loud volume",
        ),
        "loudness_variation": (
            *("a very even loudness", "an even loudness", "a normally varied loudness"),
            *("a changing loudness", "a strongly changing loudness"),
        ),
        "speaking_rate": (
            *("a very slow pace", "a slow pace", "a normal pace", "a fast pace"),
            "a very fast pace",
        ),
        "pause_share": (
            *("very few pauses", "few pauses", "some pauses", "many pauses", "very many pauses"),
        ),
        "pause_length": (
            *("that are very short", "that are short", "of normal length", "that are long"),
            "that are very long",
        ),
        "harmonicity": (
            *("a very rough tone", "a rough tone", "a plain tone", "a clear tone"),
            "a very clear tone",
        ),
        "spectral_tilt": (
            *("a very dull timbre", "a dull timbre", "a neutral timbre", "a bright timbre"),
            "a very bright timbre",
        ),
        "voiced_share": (
            *("very little voicing", "little voicing", "normal voicing", "much voicing"),
            "very much voicing",
        ),
    },
    hardly=("a hardly falling melody", "a hardly rising melody"),
    no_pause="no pauses",
    statuses={
        "silent": "The clip is silent.",
        "too_short": "The clip is too short to be described.",
        "clipped": "The recording is clipped: loudness and tone cannot be told.",
        "unvoiced": "No voice is heard: pitch, pace and tone cannot be told.",
    },
)

SPANISH = Words(
    opening="La persona que habla tiene",
    joint="y",
    levels={
        "pitch": (
            *("un tono muy grave", "un tono grave", "un tono medio", "un tono agudo"),
            "un tono muy agudo",
        ),
        "pitch_range": (
            *("una entonación muy plana", "una entonación plana", "una entonación normal"),
            *("una entonación variada", "una entonación muy variada"),
        ),
        "pitch_slope": (
            *("una melodía que desciende mucho", "una melodía que desciende"),
            *("una melodía estable", "una melodía que asciende"),
            "una melodía que asciende mucho",
        ),
        "loudness": (
            *("un volumen muy bajo", "un volumen bajo", "un volumen normal", "un volumen alto"),
            "un volumen muy alto",
        ),
        "loudness_variation": (
            *("una intensidad muy uniforme", "una intensidad uniforme"),
            *("una intensidad de variación normal", "una intensidad cambiante"),
            "una intensidad muy cambiante",
        ),
        "speaking_rate": (
            *("un ritmo muy lento", "un ritmo lento", "un ritmo normal", "un ritmo rápido"),
            "un ritmo muy rápido",
        ),
        "pause_share": (
            *("muy pocas pausas", "pocas pausas", "algunas pausas", "muchas pausas"),
            "muchísimas pausas",
        ),
        "pause_length": (
            *("que son muy breves", "que son breves", "de duración normal", "que son largas"),
            "que son muy largas",
        ),
        "harmonicity": (
            *("una voz muy áspera", "una voz áspera", "una voz corriente", "una voz clara"),
            "una voz muy clara",
        ),
        "spectral_tilt": (
            *("un timbre muy apagado", "un timbre apagado", "un timbre neutro"),
            *("un timbre brillante", "un timbre muy brillante"),
        ),
        "voiced_share": (
            *("muy poca sonoridad", "poca sonoridad", "una sonoridad normal"),
            *("mucha sonoridad", "muchísima sonoridad"),
        ),
    },
    hardly=("una melodía que apenas desciende", "una melodía que apenas asciende"),
    no_pause="ninguna pausa",
    statuses={
        "silent": "La grabación está en silencio.",
        "too_short": "La grabación es demasiado corta para describirla.",
        "clipped": "La grabación está saturada: no se pueden apreciar la intensidad ni el timbre.",
        "unvoiced": "No se oye voz: no se pueden apreciar el tono, el ritmo ni el timbre.",
    },
)

LANGUAGES: dict[Language, Words] = {"en": ENGLISH, "es": SPANISH}
