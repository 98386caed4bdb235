"""Describers: whatever puts the sound of clips into words, behind one interface.

``prosody`` measures (:mod:`ovbench.speech.describe`) and needs no weights; it is opened here. Audio
language models are :class:`ovbench.speech.audio_llm_describer.AudioLlmDescriber`; their weights are
found and opened where all models are, in :mod:`ovbench.systems.hearing.describers`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ovbench.io.hashes import file_sha256
from ovbench.progress import track
from ovbench.speech.audio import AudioError
from ovbench.speech.describe import MEASURING, Description, describe
from ovbench.speech.measures import measure
from ovbench.speech.statistics import Sample, Statistics
from ovbench.speech.wording import Language

"""Describers without weights."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What is described.

    Attributes
    ----------
    id:
        Unique among the clips.
    path:
        The sound file.
    transcript:
        What is said, for describers that read it; empty where nobody knows.
    speaker, sex:
        Who speaks (any name), and ``female`` or ``male``, where they are known: they choose the
        statistics that levels refer to.
    """

    id: str
    path: str
    transcript: str = ""
    speaker: str | None = None
    sex: str | None = None

    def content(self) -> str | None:
        """SHA-256 of the file, hexadecimal; None where it cannot be read, or is no file."""
        try:
            # A pipe or a device would never come to an end.
            return file_sha256(self.path) if Path(self.path).is_file() else None
        except (OSError, ValueError):  # ValueError: a null character in the name
            return None

    def beside(self) -> tuple[str, str | None, str | None]:
        """What a describer is shown beside the sound: transcript, speaker and sex."""
        return self.transcript, self.speaker, self.sex

    def beside_sha256(self) -> str | None:
        """SHA-256 of :meth:`beside`, hexadecimal; None where nothing is shown."""
        if not any(self.beside()):
            return None
        return hashlib.sha256(json.dumps(self.beside()).encode()).hexdigest()


class Describer(Protocol):
    """What describes clips."""

    @property
    def id(self) -> str:
        """Name, and a hash of everything that decides what it says (settings, statistics)."""

    def describe(self, items: Sequence[Clip]) -> Iterator[Description]:
        """A description of each clip, in their order, as soon as it is there.

        A clip that cannot be described has a status that says so; nothing is raised for it.
        """


class Prosody:
    """The describer without weights: measures against statistics.

    Parameters
    ----------
    statistics:
        What levels refer to.
    language:
        Of the sentences: ``en`` or ``es``.
    """

    def __init__(self, statistics: Statistics, language: Language = "en") -> None:
        self.statistics, self.language = statistics, language
        settings = json.dumps([MEASURING, statistics.sha256, language])
        self.id = f"prosody@{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def describe(self, items: Sequence[Clip]) -> Iterator[Description]:
        """Measure and describe clip by clip."""
        for clip in items:
            yield describe(
                clip.path,
                id=clip.id,
                statistics=self.statistics,
                language=self.language,
                speaker=clip.speaker,
                sex=clip.sex,
            )


def measured_samples(clips: Sequence[Clip]) -> list[Sample]:
    """What statistics are fitted to: the measures of each clip that can be read, with progress."""
    found = []
    for clip in track(clips, "clips", len(clips)):
        with suppress(AudioError):
            found.append(Sample(measure(clip.path).values, clip.speaker, clip.sex))
    return found
