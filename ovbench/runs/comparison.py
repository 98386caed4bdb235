"""What a comparison of methods is, as a frozen record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ovbench import __version__
from ovbench.frozen import Frozen
from ovbench.runs.seeds import NoiseFloor, SeedDifference, SeedScore


class Metric(Frozen):
    """A column of scores."""

    title: str
    """``WF``, ``HiT``, or the score's name."""
    protocol: str
    score: str
    """Key of the score under that protocol."""
    task: str | None = None
    """Of a comparison over several tasks, the one that it is of."""


class RowCost(Frozen):
    """What a method takes and takes up; medians over seeds where measured; null: unknown."""

    trainable_parameters: int | None = None
    total_parameters: int | None = None
    adapter_bytes: int | None = None
    """Of the adapter's weight file."""
    saved_activation_bytes: int | None = None
    """Kept for the backward pass on one fixed batch; counted, not timed."""
    peak_memory_bytes: int | None = None
    """Of training: on a GPU of all tensors, on a CPU of the whole process."""
    train_tokens_per_second: float | None = None
    decode_tokens_per_second: float | None = None
    unknown: str | None = None
    """Why figures are null, where something that should be there is not."""


class Row(Frozen):
    """One method."""

    name: str
    kind: str
    context_source: str | None = None
    oracle: bool = False
    """Its context is made from gold: an upper bound, never ranked."""
    seeds: tuple[int, ...]
    """Training seeds (seeds of the run, for systems without training)."""
    runs: tuple[str, ...]
    """The run folders, in the order of the seeds."""
    scores: dict[str, SeedScore]
    """By title of the metric."""
    differences: dict[str, SeedDifference] = Field(default_factory=dict)
    """To the first row, over the seeds that both have; empty in the first row."""
    above_noise: dict[str, bool | None] = Field(default_factory=dict)
    """Whether a difference is larger than chance and batch order make: corrected p below .05, and
    above the noise floor where there is one. Null where only one seed was compared."""
    cost: RowCost = RowCost()


class Comparison(Frozen):
    """Methods side by side, on one task or on several views of the same items."""

    schema_version: Literal["ovbench.comparison/1"] = "ovbench.comparison/1"
    ovbench_version: str = __version__
    task: str
    more_tasks: tuple[str, ...] = ()
    """Other tasks over the same items, whose metrics stand beside those of the first."""
    split: str
    task_digest: str
    """Of the first task."""
    items: int
    comparable: bool
    """False where the runs were limited to a part of the items."""
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]
    noise_of: str | None = None
    """The method that was trained twice per seed for the noise floor."""
    noise: dict[str, NoiseFloor] = Field(default_factory=dict)
    """By title of the metric."""
    draws: int
    """Of each bootstrap and each permutation test."""
    warnings: tuple[str, ...] = ()
