"""A pipeline as a system: every stage's text is kept, with its prompt, tokens and time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from ovbench.errors import InputError
from ovbench.progress import reporting
from ovbench.systems.answers import Answer, Stage
from ovbench.systems.pipeline.extractor import extract
from ovbench.tasks.item import Item

if TYPE_CHECKING:
    from ovbench.systems.describing import ItemDescriber
    from ovbench.systems.generation import CausalLmSystem

_GOES_ON = ",;:.!?[({"
"""Marks after which a new line needs no separator."""


@dataclass(eq=False)
class _Way:
    """How far an item has come.

    Attributes
    ----------
    item:
        The item, described.
    text:
        What the last stage said.
    status:
        Of the chain so far; ``error`` ends it.
    stages:
        What each said.
    """

    item: Item
    text: str
    status: Literal["ok", "empty", "truncated", "error"] = "ok"
    stages: list[Stage] = field(default_factory=list)

    def answer(self) -> Answer:
        text = "" if self.status == "error" else one_line(self.text)
        empty = self.status == "ok" and not text
        return Answer(
            id=self.item.id,
            text=text,
            status="empty" if empty else self.status,
            tokens=sum(stage.tokens for stage in self.stages),
            stages=tuple(self.stages),
        )


class PipelineSystem:
    """Describer, captioner and extractor, one after the other.

    Parameters
    ----------
    name:
        The recipe's name.
    describer:
        Describes items that have a clip and no description; None: they stay as they are.
    captioner:
        Answers the description; None: the description goes on as it is.
    extractor:
        Names the labels of the caption; None: :func:`ovbench.systems.pipeline.extractor.extract`.
    """

    def __init__(
        self,
        name: str,
        describer: ItemDescriber | None,
        captioner: CausalLmSystem | None,
        extractor: CausalLmSystem | None,
    ) -> None:
        self.name = name
        self.describer, self.captioner, self.extractor = describer, captioner, extractor

    @property
    def language_models(self) -> dict[str, CausalLmSystem]:
        """The stages with a language model, by name, in their order."""
        stages = {"captioner": self.captioner, "extractor": self.extractor}
        return {name: stage for name, stage in stages.items() if stage is not None}

    @property
    def largest_batch(self) -> int | None:
        """What batches were halved to where memory ran out; None if they never were."""
        sizes = [stage.largest_batch for stage in self.language_models.values()]
        return min((size for size in sizes if size is not None), default=None)

    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        """One answer per item, in their order, with the text of every stage.

        An item without description and transcript has status ``error``; so has one whose prompt is
        longer than a model can take. Nothing is asked of a stage whose input is empty.

        Raises
        ------
        OvbenchError
            As :meth:`ovbench.systems.generation.CausalLmSystem.predict`.
        """
        if batch_size < 1:
            raise InputError(f"a batch size of {batch_size}", expected="1 or more")
        for start in range(0, len(items), batch_size):
            ways = self._described(items[start : start + batch_size])
            if self.captioner is not None:
                asked = [way for way in ways if way.status != "error"]
                _ask("captioner", self.captioner, asked, batch_size)
            told = [way for way in ways if way.status != "error" and way.text.strip()]
            if self.extractor is not None:
                _ask("extractor", self.extractor, told, batch_size)
            else:
                _extract(told)
            for way in ways:
                if way not in told:
                    way.text = ""
            yield from (way.answer() for way in ways)

    def _described(self, items: Sequence[Item]) -> list[_Way]:
        ways = [_Way(item, item.description) for item in items]
        silent = [way for way in ways if way.item.audio and not way.item.description]
        if self.describer is not None and silent:
            begin = time.perf_counter()
            with reporting(_unseen):
                said = list(self.describer.heard([way.item for way in silent], "clips"))
            share = (time.perf_counter() - begin) / len(silent)
            for way, found in zip(silent, said, strict=True):
                way.text = found.description
                way.item = replace(way.item, description=found.description)
                way.stages.append(Stage("describer", found.description, seconds=share))
        for way in ways:
            if not way.item.description and not way.item.transcript:
                way.status = "error"
        return ways


def _unseen(items: Iterable[object], what: str, total: int | None) -> Iterable[object]:
    """No progress of a stage: whoever asks the system shows that of the whole."""
    return items


def _ask(name: str, system: CausalLmSystem, ways: Sequence[_Way], batch_size: int) -> None:
    """Let a language model answer what the stage before it said."""
    if not ways:
        return
    begin = time.perf_counter()
    shown = [replace(way.item, description=one_line(way.text)) for way in ways]
    answers = list(system.predict(shown, batch_size))
    share = (time.perf_counter() - begin) / len(ways)
    for way, answer in zip(ways, answers, strict=True):
        way.text = answer.text
        if answer.status in ("error", "truncated"):
            way.status = answer.status
        stage = Stage(name, answer.text, system.prompt.sha256, answer.tokens, share)
        way.stages.append(stage)


def _extract(ways: Sequence[_Way]) -> None:
    """Read labels by rules."""
    if not ways:
        return
    begin = time.perf_counter()
    for way in ways:
        way.text = ", ".join(extract(way.text))
    share = (time.perf_counter() - begin) / len(ways)
    for way in ways:
        way.stages.append(Stage("extractor", way.text, seconds=share))


def one_line(text: str) -> str:
    """A text on one line, its line ends as separators: a list on lines stays a list.

    >>> one_line("Emotions:\\nhappy\\nsad")
    'Emotions: happy, sad'
    """
    joined = ""
    for line in (" ".join(line.split()) for line in text.splitlines()):
        if joined and line:
            joined += " " if joined[-1] in _GOES_ON or line[0] in "])}" else ", "
        joined += line
    return joined
