"""What a run folder holds, as frozen records.

``run.json``
    :class:`RunRecord`, written first: what the run is made of.
``predictions.jsonl``
    One :class:`Prediction` per line.
``preflight.json``
    :class:`ovbench.runs.preflight.Preflight`.
``cost.json``
    :class:`Cost`.
``results_<utc>.json``
    ``{"results": [...]}``: one :class:`ovbench.results.Result` per protocol.
``samples_<utc>.jsonl``
    One :class:`ovbench.runs.samples.Sample` per item and protocol, when asked for.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ovbench.frozen import Frozen
from ovbench.results import Result
from ovbench.runs.preflight import Preflight

RunStatus = Literal["ok", "empty", "unparsable", "truncated", "error"]
"""What became of an item: :class:`ovbench.io.labels.Status`, but for those that need a gold."""
STATUSES: tuple[RunStatus, ...] = ("ok", "empty", "unparsable", "truncated", "error")


class SystemRecord(Frozen):
    """What answers: everything about it that can change a prediction, and what it is called."""

    name: str
    """The recipe's name."""
    kind: str
    """The recipe's kind: ``causal_lm``, ``constant``, ``speech_classifier``, …"""
    recipe: str | None = None
    """sha256 of the recipe."""
    scale: str | None = None
    """``tiny`` or ``paper``."""
    base: str | None = None
    """sha256 of the backbone's weights."""
    adapter: str | None = None
    """sha256 of the adapter's configuration and weights."""
    train: str | None = None
    """sha256 of the train split that a trivial system knows the labels of."""
    prompt: str | None = None
    """sha256 of the prompt file."""
    context: str | None = None
    """Digest of the label context: encoder, input fields, split, vocabulary."""
    context_source: str | None = None
    """``description``, ``prototypes``, …; null where the system takes no context."""
    describer: str | None = None
    """Digest of what put the clips into words: its settings, and the statistics by hash."""
    command: str | None = None
    """The command line of an external program, as its recipe has it."""
    parts: dict[str, str] = Field(default_factory=dict)
    """sha256 of each frozen part of a system that hears or is a chain, by what it is called."""
    classes: tuple[str, ...] = ()
    """What a closed-set system can answer, in the order of a prediction's ``scores``."""
    oracle: bool = False
    """Whether the context is made from gold: an upper bound, which no leaderboard ranks."""
    decoding: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """Generation arguments."""
    training_seed: int | None = None
    """Seed of the adapter's training."""
    dtype: str | None = None
    """Of the base's weights in this run."""
    device: str | None = None
    """``cpu``, ``mps``, or ``cuda:0`` and the accelerator's name."""
    backend: str | None = None
    """``vllm`` where vLLM generated, whose bits may differ; null: transformers, or no language
    model."""


class RunSettings(Frozen):
    """Everything that can change a byte of the predictions; a run goes on only under the same."""

    system: SystemRecord
    task: str
    split: str
    task_digest: str
    """sha256 over the items and gold of the whole task."""
    items: int
    """How many items are asked for."""
    limit: int | float | None = None
    """Number or share of the items that the run was limited to; null: all."""
    batch_size: int
    """Items generated together."""
    seed: int
    """Seed of whatever is drawn at random."""
    versions: dict[str, str]
    """Versions of the packages that the predictions go through."""


class RunRecord(Frozen):
    """``run.json``: what a run is made of."""

    schema_version: Literal["ovbench.run/1"] = "ovbench.run/1"
    settings: RunSettings
    created: str
    """When the run was begun, UTC, ISO 8601."""
    command: str
    """The command line that began it."""
    platform: str
    """Operating system and processor."""


class StageText(Frozen):
    """What one step of a chain said of an item (:class:`ovbench.systems.answers.Stage`).

    How long it took is in :class:`Cost`: it differs from run to run.
    """

    name: str
    text: str
    prompt: str | None = None
    tokens: int = 0


class Prediction(Frozen):
    """One line of ``predictions.jsonl``."""

    id: str
    text: str
    """The answer; where the recipe declares answer words, the one found (``stages`` has it all)."""
    labels: tuple[str, ...]
    """The labels that the protocol's parser reads in it."""
    status: RunStatus
    tokens: int
    """Tokens generated."""
    passes: int = 1
    """How often the item was generated (two-pass contexts: 2)."""
    first_pass: str | None = None
    """Two-pass contexts: the first answer as it came, whose labels make the second's context."""
    fallback: bool = False
    """The answer was none of the declared words, and counts as the recipe's fall-back."""
    scores: tuple[float, ...] | None = None
    """Probabilities of the system's classes, in the order of its record."""
    stages: tuple[StageText, ...] = ()
    """What each step of a chain said."""

    def line(self) -> bytes:
        """The line as it stands in the file; what most systems lack is left out where unset."""
        rare = ("first_pass", "fallback", "scores", "stages")
        unset = {name for name in rare if not getattr(self, name)}
        return self.model_dump_json(exclude=unset).encode() + b"\n"


class Cost(Frozen):
    """What the predictions cost, over all processes that worked on the run and ended by themselves.

    Not part of the predictions: it differs from run to run.
    """

    items: int = 0
    """Answered by a model; those from the cache are ``cached``."""
    tokens: int = 0
    """Generated for them."""
    seconds: float = 0.0
    """Wall time of generation, without loading and preflight."""
    cached: int = 0
    """Items whose answers came from the cache: no tokens, no seconds."""
    processes: int = 1
    """Most processes that generated at the same time; ``seconds`` is wall time all the same."""
    peak_bytes: int | None = None
    """Most device memory allocated while generating; null where the device cannot tell."""
    stage_seconds: dict[str, float] = Field(default_factory=dict)
    """Of a chain: wall time of each step."""

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens generated per second; reading the prompts takes part of the time."""
        return self.tokens / self.seconds if self.seconds else None

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        peaks = [peak for peak in (self.peak_bytes, other.peak_bytes) if peak is not None]
        return Cost(
            items=self.items + other.items,
            tokens=self.tokens + other.tokens,
            seconds=self.seconds + other.seconds,
            cached=self.cached + other.cached,
            processes=max(self.processes, other.processes),
            peak_bytes=max(peaks, default=None),
            stage_seconds={
                name: self.stage_seconds.get(name, 0.0) + other.stage_seconds.get(name, 0.0)
                for name in {**self.stage_seconds, **other.stage_seconds}
            },
        )


class RunResult(Frozen):
    """A finished run: its record, what became of the items, and its scores."""

    folder: str
    """Where it lies."""
    record: RunRecord
    statuses: dict[RunStatus, int]
    """How many items have which status; adds up to ``record.settings.items``."""
    results: tuple[Result, ...]
    """One per protocol of the task, the headline first; as ``ovbench score`` makes them."""
    preflight: Preflight | None = None
    """What was checked before; null where the system has nothing to check."""
    comparable: bool
    """False for a limited run, and where the context is made from gold."""
    cost: Cost
    resumed: int = 0
    """Items that an earlier process had already done."""
    cached: int = 0
    """Items whose answers this call took from the cache."""

    @property
    def headline(self) -> Result:
        """The result by the task's first protocol."""
        return self.results[0]
