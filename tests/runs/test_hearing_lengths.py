"""Clips that are longer than a system hears are counted in its run's warnings."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from torch import nn

from ovbench.runs.hearing import _with_lengths
from ovbench.systems.hearing.base import SpeechModel
from ovbench.systems.hearing.clips import Clips
from ovbench.systems.hearing.recipes import AudioPolicy
from ovbench.tasks import Gold, Item, Task


class Deaf(SpeechModel):
    """A model that has clips, or none."""

    batch = forward = answers = provenance = fault = nn.Module.forward  # type: ignore[assignment]

    def __init__(self, clips: Clips | None) -> None:
        super().__init__(["happy", "sad"])
        if clips is not None:
            self.clips = clips


@pytest.fixture
def task(tmp_path: Path) -> Task:
    items = []
    for name, seconds in (("a", 1), ("b", 3), ("c", 3)):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(bytes(2 * 8_000 * seconds))
        items.append(Item(name, "", "", str(tmp_path / f"{name}.wav")))
    return Task(
        id="mine",
        title="mine",
        split="test",
        role="test",
        items=tuple(items),
        gold={item.id: Gold(("happy",), "happy") for item in items},
        answers="class",
        protocols=("closed-set",),
        notes=("mine",),
    )


def test_longer_clips_are_counted_among_those_that_are_asked(task: Task) -> None:
    model = Deaf(Clips(AudioPolicy(max_seconds=2.0, longer="window")))
    found = _with_lengths(task, model, None)
    assert found.notes == ("mine", "2 of 3 clips are longer than 2 s: heard in windows")
    assert found.digest() == task.digest()
    told = _with_lengths(task, model, 2).notes[1]
    assert told == "1 of 2 clips are longer than 2 s: heard in windows"
    assert _with_lengths(task, model, 1) is task


def test_systems_that_hear_all_say_nothing(task: Task) -> None:
    assert _with_lengths(task, Deaf(None), None) is task
    assert _with_lengths(task, Deaf(Clips(AudioPolicy(max_seconds=9.0))), None) is task
