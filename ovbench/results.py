"""The result of a score: a versioned, frozen record that every view is made from.

A result holds no time stamp and no path beyond the names that the user gave, so the same input
gives the same bytes. Scores are fractions (0..1; an official hit rate may exceed 1); a score that
is undefined (nan in the official scorers) is ``null`` in JSON.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ovbench.frozen import Frozen

SCHEMA_VERSION: Literal["ovbench.result/1"] = "ovbench.result/1"
"""Rises whenever a field changes meaning; fields are never reused."""

Scores = dict[str, float | None]
"""Metric name → value; ``None`` where the protocol leaves it undefined."""
ByWheel = dict[str, dict[str, Scores]]
"""Wheel → level → metric name → value."""


class Interval(Frozen):
    """A confidence interval of one score."""

    low: float | None
    """Lower end, on the score's scale; null where the score is undefined."""
    high: float | None
    """Upper end."""
    undefined: float = 0.0
    """Share of bootstrap draws in which the score was undefined; those are left out."""


class IntervalMethod(Frozen):
    """How the intervals were drawn."""

    method: Literal["percentile-bootstrap"] = "percentile-bootstrap"
    confidence: float
    draws: int
    seed: int
    unit: str
    """What is resampled: ``item``, or the column given by ``--cluster-by``."""
    units: int
    """How many of them there are."""


class Counts(Frozen):
    """Every item, by what became of it."""

    gold: int
    """Items in the gold file."""
    scored: int = 0
    """Items that enter the score: on a wheel protocol, those with a gold cluster on some scored
    wheel (each wheel leaves out more, see ``wheels``)."""
    missing: int = 0
    """Gold items without a prediction."""
    extra: int = 0
    """Predictions without a gold item."""
    duplicates: int = 0
    """Ids given more than once in the predictions."""
    gold_duplicates: int = 0
    """Ids given more than once in the gold."""
    empty: int = 0
    """Predictions that name no label."""
    unparsable: int = 0
    """Predictions that are no label list."""
    out_of_set: int = 0
    """Answers outside the classes (closed sets and sentiment)."""
    left_out: int = 0
    """Gold items that do not enter the score: no known gold label, zero sentiment, no synonym
    group, or no prediction under ``--on-missing skip``."""
    gold_empty: int = 0
    """Of those, gold without any label."""
    gold_unparsable: int = 0
    """Of those, gold that is no label list."""
    missing_ids: tuple[str, ...] = ()
    """The first of the missing ids."""
    extra_ids: tuple[str, ...] = ()
    """The first of the extra ids."""
    duplicate_ids: tuple[str, ...] = ()
    """The first of the duplicate ids."""


class RingCounts(Frozen):
    """What one ring (wheel and level) could place."""

    scored: int
    """Items whose gold has a cluster here."""
    gold_unknown: int
    """Items left out: their gold has no cluster here."""
    prediction_unknown: int
    """Scored items whose prediction has labels, but none with a cluster here."""


class Unknown(Frozen):
    """Labels that the normalizer places on no scored ring, on one side."""

    occurrences: int
    """Label occurrences, as the parser gives them (the official one keeps repeats in a list)."""
    unknown: int
    """Those not understood."""
    share: float | None
    """``unknown / occurrences``."""
    top: dict[str, int]
    """The most frequent unknown labels and how often each occurs."""


class Labels(Frozen):
    """How many labels there are, and how many were understood."""

    gold_mean: float | None
    """Mean number of labels per gold item."""
    prediction_mean: float | None
    """Mean number of labels per prediction."""
    gold: Unknown
    prediction: Unknown


class Floor(Frozen):
    """A trivial answer, scored on the same gold."""

    description: str
    """What the answer is."""
    labels: tuple[str, ...] = ()
    """The constant labels, where it is one."""


class Comparison(Frozen):
    """This system against another on the same items."""

    other: str
    """Name of the other predictions."""
    metric: str
    score: float | None
    other_score: float | None
    difference: float | None
    """This system's score minus the other's."""
    low: float | None = None
    """Paired bootstrap interval of the difference."""
    high: float | None = None
    p: float | None = None
    """Two-sided paired permutation test."""
    p_holm: float | None = None
    """Corrected for the number of comparisons (Holm)."""
    draws: int
    """Draws of the bootstrap, and of the permutation test."""
    items: int
    """Items that both systems are scored on."""
    detectable: float | None = None
    """Smallest difference between these two that 80 % power and level .05 could detect."""


class Group(Frozen):
    """The same scores over the items of one group."""

    items: int
    scores: Scores
    by_wheel: ByWheel = Field(default_factory=dict)
    intervals: dict[str, Interval]
    warning: str | None = None


class Fold(Frozen):
    """One fold's own scores."""

    items: int
    """Items of the fold that enter the score."""
    scores: Scores


class Folds(Frozen):
    """The scores fold by fold, and their means over the folds, each fold counting alike.

    The scores of the result itself are pooled: of all items of all folds together. The two differ,
    and papers often do not say which they print.
    """

    column: str
    """What says which fold an item is in: the gold's column, or ``fold`` for a task."""
    by_fold: dict[str, Fold]
    mean: Scores
    """Means of the folds' scores; null where one of them is undefined."""
    sd: Scores
    """Their standard deviations (n - 1) over the folds; null where one is undefined."""


class WaldInterval(Frozen):
    """A score's normal-approximation interval, for comparison with printed ones."""

    low: float
    high: float
    half_width: float
    """What stands behind the plus-minus sign."""
    proportion: bool
    """Whether the score is a share of the items; this interval holds for no other score."""
    bootstrap_ratio: float | None = None
    """Width of the bootstrap interval over the width of this one; null without draws."""


class WaldIntervals(Frozen):
    """Score ± z·√(score·(1 - score)/items), as some papers print it for any score."""

    confidence: float
    items: int
    """Items that enter the score."""
    intervals: dict[str, WaldInterval]
    """By score; scores that are undefined or above 1 have none."""


class ErrorItem(Frozen):
    """An item with a large disagreement, and how its labels were understood."""

    id: str
    score: float | None
    """Mean over the rings of the item's own F1 (or 1 and 0 for a right and a wrong class)."""
    gold: tuple[str, ...]
    prediction: tuple[str, ...]
    status: str
    traces: dict[str, dict[str, str | None]] = Field(default_factory=dict)
    """Label → ring → cluster (null: unknown there)."""


class PerClass(Frozen):
    """Scores of one class."""

    precision: float
    recall: float
    f1: float
    support: int


class Confusion(Frozen):
    """Gold classes (rows) against answers (columns; the last one is any other answer)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Result(Frozen):
    """One system's predictions on one gold file, scored by one protocol."""

    schema_version: Literal["ovbench.result/1"] = SCHEMA_VERSION
    ovbench_version: str
    protocol: str
    signature: str
    """From which the score can be repeated."""
    predictions: str
    """The predictions as the user named them."""
    gold: str
    """The gold as the user named it."""
    headline: str
    """Key in ``scores`` of the score that stands for the whole."""
    scores: Scores
    by_wheel: ByWheel = Field(default_factory=dict)
    intervals: dict[str, Interval] = Field(default_factory=dict)
    """Same keys as ``scores``; empty when no draws were asked for."""
    intervals_by_wheel: dict[str, dict[str, dict[str, Interval]]] = Field(default_factory=dict)
    interval_method: IntervalMethod | None = None
    counts: Counts
    wheels: dict[str, dict[str, RingCounts]] = Field(default_factory=dict)
    """Wheel → level → what was placed there."""
    labels: Labels | None = None
    by_class: dict[str, PerClass] = Field(default_factory=dict)
    confusion: Confusion | None = None
    floors: dict[str, Scores] = Field(default_factory=dict)
    """Floor name → the same scores as ``scores``."""
    floor_notes: dict[str, Floor] = Field(default_factory=dict)
    detectable_difference: float | None = None
    """Smallest difference to an unrelated system that this test set can detect (level .05, power
    80 %), on the headline's scale."""
    comparisons: tuple[Comparison, ...] = ()
    groups: dict[str, Group] = Field(default_factory=dict)
    folds: Folds | None = None
    """Where the items are in folds: ``--folds``, or a task's folds."""
    wald: WaldIntervals | None = None
    """Under ``--ci wald``."""
    errors: tuple[ErrorItem, ...] = ()
    warnings: tuple[str, ...] = ()
