"""From what a system answered to what a run keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ovbench.errors import OvbenchError
from ovbench.io.labels import LabelParser, Status
from ovbench.io.records import clean_text
from ovbench.runs.records import Prediction, RunStatus, StageText

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer, Stage
    from ovbench.tasks import Item


def by_id(name: str, batch: list[Item], found: Sequence[Answer]) -> dict[str, Answer]:
    """The answers to a batch by item id; an item may have none.

    Raises
    ------
    OvbenchError
        If there is an answer to an item outside the batch; ``name`` is the system's.
    """
    answers = {answer.id: answer for answer in found}
    strange = answers.keys() - {item.id for item in batch}
    if strange:
        raise OvbenchError(
            f"System {name!r} answered item {min(strange)!r}, which it was not asked for."
        )
    return answers


def prediction_of(name: str, answer: Answer | None, parser: LabelParser) -> Prediction:
    """The answer to item ``name`` with the labels that ``parser`` reads in it."""
    if answer is None:
        return Prediction(id=name, text="", labels=(), status="error", tokens=0)
    text, first = clean_text(answer.text), answer.first_pass
    labels, parsed = parser.parse(text)
    status: RunStatus = "ok"
    if answer.status in ("truncated", "error"):
        status = answer.status
    elif parsed is not Status.OK:
        status = "unparsable" if parsed is Status.UNPARSABLE else "empty"
    return Prediction(
        id=name,
        text=text,
        labels=labels,
        status=status,
        tokens=answer.tokens,
        passes=answer.passes,
        first_pass=None if first is None else clean_text(first),
        fallback=answer.fallback,
        scores=answer.scores,
        stages=tuple(_stage(s) for s in answer.stages),
    )


def _stage(stage: Stage) -> StageText:
    return StageText(
        name=stage.name, text=clean_text(stage.text), prompt=stage.prompt, tokens=stage.tokens
    )
