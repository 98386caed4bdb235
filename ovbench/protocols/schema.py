"""What a protocol is: a frozen record of every choice that changes a score.

One model per metric, so that a protocol holds the choices its metric knows and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, TypeAdapter, field_validator, model_validator

from ovbench.frozen import Frozen

_CLASS_SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1")


class Card(Frozen):
    """What a person should know of a protocol. Nothing here changes a score."""

    definition: str
    formula: str
    edge_rules: tuple[str, ...]
    used_by: tuple[str, ...]
    flaws: tuple[str, ...]
    source: str


class _Protocol(Frozen):
    id: str
    """Name, ending in a year or a version; it never changes meaning."""
    title: str
    """One line for lists."""
    headline: str
    """Key of the score that stands for the whole."""
    card: Card

    headlines: ClassVar[tuple[str, ...]] = ()
    """Scores that may stand for the whole."""

    @model_validator(mode="after")
    def _headline_exists(self) -> Self:
        if self.headline not in self.headlines:
            raise ValueError(f"headline {self.headline!r} is none of {', '.join(self.headlines)}")
        return self

    def scoring_fields(self) -> dict[str, object]:
        """The fields that change a score, by name; they make the signature."""
        told = ("id", "title", "headline", "card")
        fields = {name: getattr(self, name) for name in type(self).model_fields if name not in told}
        return {"metric": fields.pop("metric")} | fields


class _LabelProtocol(_Protocol):
    parser: str
    """Label parser for gold and prediction (``affectgpt``, ``mer2024``, ``open``)."""


class _WheelProtocol(_LabelProtocol):
    normalizer: str
    """``official:NAME`` for stored tables, or ``open`` for the shipped lexicon."""
    rings: tuple[str, ...] = Field(min_length=1)
    """Rings scored, as ``wheel1/level1``."""

    @field_validator("rings")
    @classmethod
    def _each_ring_once(cls, rings: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(rings)) < len(rings):
            raise ValueError("a ring is named twice")
        return rings


class EmotionWheelProtocol(_WheelProtocol):
    """WF: precision, recall and F1 of cluster sets, averaged over rings."""

    headlines: ClassVar[tuple[str, ...]] = ("f1", "precision", "recall")
    metric: Literal["emotion-wheel"]
    undefined: Literal["nan", "zero", "omit"]
    """When P + R = 0 on a ring, or nothing was counted on it: both undefined, both 0, or 0 for the
    first and the ring left out of the means for the second."""
    average: Literal["all", "level1"]
    """The score is the mean over all rings, or over the inner ones (the others stand beside it)."""

    @property
    def averaged_rings(self) -> tuple[str, ...]:
        """The rings that the score is the mean of."""
        inner = tuple(ring for ring in self.rings if ring.endswith("/level1"))
        return inner if self.average == "level1" else self.rings


class HitRateProtocol(_WheelProtocol):
    """HiT: how often a predicted cluster is a gold cluster."""

    headlines: ClassVar[tuple[str, ...]] = ("hit_rate", "precision", "mscore")
    metric: Literal["hit-rate"]
    hit: Literal["count", "any"]
    """The number of gold clusters hit (may exceed 1), or whether any was."""

    @model_validator(mode="after")
    def _headline_is_counted(self) -> Self:
        other = {"count": "precision", "any": "mscore"}[self.hit]
        if self.headline == other:
            raise ValueError(f"with hit = {self.hit!r} there is no {other}")
        return self

    @property
    def averaged_rings(self) -> tuple[str, ...]:
        """The rings that the score is the mean of: all."""
        return self.rings


class SynonymGroupsProtocol(_LabelProtocol):
    """Set precision and recall over synonym groups made for each item."""

    headlines: ClassVar[tuple[str, ...]] = ("score", "precision", "recall")
    metric: Literal["synonym-groups"]


class SentimentProtocol(_Protocol):
    """Binary sentiment against gold values."""

    headlines: ClassVar[tuple[str, ...]] = _CLASS_SCORES
    metric: Literal["sentiment"]
    rule: Literal["affectgpt", "non0", "has0"]
    """Who is scored and what a neutral answer means (:mod:`ovbench.metrics.sentiment`)."""
    answers: Literal["exact", "folded"]
    """Answers are compared as written, or with case and punctuation folded."""


class ClosedSetProtocol(_LabelProtocol):
    """One class per item, scored from the confusion matrix."""

    headlines: ClassVar[tuple[str, ...]] = _CLASS_SCORES
    metric: Literal["closed-set"]
    names: Literal["canonical", "exact"]
    """Class names are brought to the canonical ones first (joy = happy), or compared as parsed."""
    merges: Mapping[str, str] = Field(default_factory=dict)
    """Canonical class → the canonical class that it counts as, in gold and in predictions."""

    @model_validator(mode="after")
    def _merges_are_plain(self) -> Self:
        if self.merges and self.names != "canonical":
            raise ValueError("merges are of canonical names: names must be 'canonical'")
        for name, into in self.merges.items():
            if into in self.merges:
                raise ValueError(f"{name!r} is merged into {into!r}, which is merged itself")
        return self


Protocol = Annotated[
    EmotionWheelProtocol
    | HitRateProtocol
    | SynonymGroupsProtocol
    | SentimentProtocol
    | ClosedSetProtocol,
    Field(discriminator="metric"),
]
"""A named, versioned way to score: one of the models above, told apart by ``metric``."""

PROTOCOL: TypeAdapter[Protocol] = TypeAdapter(Protocol, config={"defer_build": True})
"""Validates a mapping into a protocol."""
MODELS: dict[str, type[Protocol]] = {
    get_args(model.model_fields["metric"].annotation)[0]: model
    for model in get_args(get_args(Protocol)[0])
}
"""The model of each metric: to validate one protocol with it, the other models are not built."""
