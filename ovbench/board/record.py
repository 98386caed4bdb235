"""What a leaderboard is made of: one system's scores on one task, and where they come from.

A record is untrusted text until :mod:`ovbench.board.check` has looked at it, and stays untrusted
text for whatever prints it. Scores are fractions (0..1), as in :mod:`ovbench.results`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ovbench.frozen import Frozen
from ovbench.io.records import MAX_ITEMS

SCHEMA = "ovbench.record/1"
"""Rises whenever a field changes meaning; fields are never reused."""

Provenance = Literal["measured", "recomputed", "published"]
"""Run with ovbench by whoever submitted it; scored here from someone's predictions; or copied from
a publication."""
Selection = Literal["fixed", "dev", "test-best", "unknown"]
"""How a checkpoint was chosen: beforehand, on dev, as the best on test, or nobody says."""

Text = Annotated[str, StringConstraints(max_length=4_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]

_OWN_PARTS = re.compile(r"\|(missing:(error|wrong)(?=\||$)|(batch|v):[^|]*)")
"""Parts of a signature that tell of a run: whether it failed on items, its batch size and version.

All answers of a table are scored by one version, and failed items as wrong.
"""


class SystemEntry(Frozen):
    """What answered."""

    name: Name
    kind: Name | None = None
    """The recipe's kind; null where it is not one of ours."""
    recipe: Digest | None = None
    """sha256 of the recipe."""
    base: Digest | None = None
    """sha256 of the backbone's weights."""
    backbone: Name | None = None
    """The backbone's name."""
    scale: Name | None = None
    """``tiny`` or ``paper``."""
    seed: Whole | None = None
    """Of the training; of the draws, where a trivial system is not trained."""
    context_source: Name | None = None
    """Where the label context comes from; null where the system takes none."""
    oracle: bool = False
    """Its context is made from gold: an upper bound, never ranked."""
    setting: dict[Name, Name] = Field(default_factory=dict)
    """What else tells two entries of one system apart: modality, subtitles, extractor, prompt."""


class Checkpoint(Frozen):
    """Which weights answered."""

    digest: Digest | None = None
    """sha256 of the adapter's or the model's weights."""
    selection: Selection
    """``test-best`` is marked and never ranked."""


class TaskEntry(Frozen):
    """What was answered."""

    id: Name
    """A task of ovbench, or, in published records, the data set as its source names it."""
    split: Name
    digest: Digest | None = None
    """sha256 over items and gold; null where nobody can tell."""
    items: Count | None = None


class ScoreEntry(Frozen):
    """One score with its interval."""

    value: Finite
    low: Finite | None = None
    high: Finite | None = None


class IntervalEntry(Frozen):
    """How the intervals were made."""

    method: Name
    confidence: Annotated[float, Field(gt=0, lt=1)]
    draws: int | None = Field(default=None, ge=1, le=100_000)
    seed: int | None = Field(default=None, ge=0, lt=2**63)


class CostEntry(Frozen):
    """What it took; null: unknown."""

    trainable_parameters: Count | None = None
    total_parameters: Count | None = None
    peak_memory_bytes: Count | None = None
    """Most device memory while generating."""
    seconds: Finite | None = Field(default=None, ge=0)
    """Wall time of generation."""
    tokens: Count | None = None
    """Generated."""
    device: Name | None = None


class Origin(Frozen):
    """Where the figures come from."""

    kind: Provenance
    source: Text | None = None
    """Publication or address; required for published figures, whose predictions are elsewhere for
    recomputed ones."""
    evidence: Name | None = None
    """How a published figure was read: ``text``, ``image``, ``chart``, ``abstract``, …"""
    note: Text | None = None
    command: Text | None = None
    """The command line that made a measured result."""


class PredictionEntry(Frozen):
    """One item's answer."""

    id: Name
    labels: (
        Annotated[
            tuple[Annotated[str, StringConstraints(max_length=1_000)], ...],
            Field(max_length=MAX_ITEMS),
        ]
        | None
    ) = None
    """Labels; null: the system failed on the item, or its answer was no label list."""
    text: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    """The answer as it came."""


class Record(Frozen):
    """One system's scores on one task by one protocol."""

    schema_version: Literal["ovbench.record/1"] = "ovbench.record/1"
    system: SystemEntry
    checkpoint: Checkpoint
    task: TaskEntry
    protocol: Name
    """A protocol's id; in published records, the metric as its source names it."""
    signature: Text | None = None
    """From which the score can be repeated; null only in published records."""
    headline: Name
    """Key in ``scores`` of the score that stands for the whole."""
    scores: dict[Name, ScoreEntry]
    interval: IntervalEntry | None = None
    counts: dict[Name, Whole] = Field(default_factory=dict)
    """Items by what became of them, as :class:`ovbench.results.Counts` names it."""
    floors: dict[Name, dict[Name, Finite]] = Field(default_factory=dict)
    """Trivial answers on the same gold: name → score's name → value."""
    cost: CostEntry = CostEntry()
    versions: dict[Name, Name] = Field(default_factory=dict)
    """Packages that the predictions and the score went through."""
    origin: Origin
    predictions: tuple[PredictionEntry, ...] = ()
    """Every item's answer, from which the score is computed again; none in published records."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.headline not in self.scores:
            raise ValueError(f"headline {self.headline!r} is none of the scores")
        if self.origin.kind == "published":
            if not self.origin.source:
                raise ValueError("a published record names its source (origin.source)")
            if self.signature is not None or self.predictions:
                raise ValueError("a published record has neither a signature nor predictions")
        elif self.signature is None or self.task.digest is None:
            raise ValueError(f"a {self.origin.kind} record has a signature and a task digest")
        return self

    def shared_signature(self) -> str | None:
        """The signature without what tells of this run alone; equal for scores of one table."""
        return None if self.signature is None else _OWN_PARTS.sub("", self.signature)

    def table(self) -> tuple[str, str, str]:
        """Records with the same key share a table: task, split, and shared signature or metric."""
        score = self.shared_signature() or f"published: {self.protocol}"
        return self.task.id, self.task.split, score
