"""The parts of a recipe: fine-tuning methods, training, decoding."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ovbench.frozen import Frozen


class Setting(Frozen):
    """Base of everything in a recipe: no field may change, none may be made up or infinite."""

    model_config = ConfigDict(allow_inf_nan=False)


Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Count = Annotated[Whole, Field(ge=1)]


class _LowRank(Setting):
    r: Count
    """Rank."""
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the linear modules of the base that are adapted, in every layer."""

    @model_validator(mode="after")
    def _each_target_once(self) -> Self:
        if len(set(self.target_modules)) < len(self.target_modules):
            raise ValueError("target_modules names a module twice")
        return self


class _Scaled(_LowRank):
    lora_alpha: Number = Field(gt=0)
    """The adapter's output is scaled by alpha / r (rsLoRA: alpha / √r)."""


class LoraSettings(_Scaled):
    """LoRA: W x + (α/r) B A x."""

    name: Literal["lora"]


class RsLoraSettings(_Scaled):
    """rsLoRA: LoRA scaled by α/√r instead of α/r."""

    name: Literal["rslora"]


class LoraPlusSettings(_Scaled):
    """LoRA+: LoRA whose B learns faster than its A, by ``training.lora_plus_ratio``."""

    name: Literal["lora_plus"]


class DoraSettings(_Scaled):
    """DoRA: a learned magnitude times the direction of W + (α/r) B A.

    With dropout, PEFT computes the base's product anew in fp32 (2.8 times plain LoRA's step instead
    of 1.9); without it the two forms are the same function, so recipes leave it at 0.
    """

    name: Literal["dora"]


class PissaSettings(_Scaled):
    """PiSSA: A and B start at the principal singular vectors of W, which loses that part.

    It is saved as a plain LoRA of rank 2 r for the untouched base (``ovbench.systems.methods``).
    """

    name: Literal["pissa"]
    iterations: Count | None = None
    """Of the fast singular value decomposition; without, the exact one."""


class OloraSettings(_Scaled):
    """OLoRA: A and B start at a QR decomposition of W. Saved as PiSSA is."""

    name: Literal["olora"]


class MissSettings(_LowRank):
    """MiSS: one r × out matrix per module, shared over the shards of its input."""

    name: Literal["miss"]


class LoranSettings(_Scaled):
    """LoRAN: LoRA with the sine term on its weight, f(BA) = BA + A · BA ⊙ sin(ω BA)."""

    name: Literal["loran"]
    amplitude: Number = Field(default=5e-5, ge=0)
    omega: Number = Field(default=1e4, gt=0)


class LasSettings(_Scaled):
    """LoRA-LAS: the sine term on the branch's output, its phase scaled by a label context."""

    name: Literal["las"]
    amplitude: Number = Field(default=2e-4, ge=0)
    """A in f(x) = x + LeakyReLU(x) ⊙ A sin(ω (x ⊙ s)), s = σ(W c + b); 0 makes it LoRA."""
    omega: Number = Field(default=1e4, gt=0)
    negative_slope: Number = Field(default=0.01, ge=0)
    projection: Literal["full", "shared_down", "tied", "scalar"] = "shared_down"
    """W: one matrix per module as published, or one of the smaller forms."""
    projection_rank: Count = 8
    """Width between the shared and the modules' own part of a smaller form."""
    control: Literal["constant_s", "random_phase"] | None = None
    """In place of the context's s: ½ everywhere, or random numbers. For ablations."""
    control_seed: Whole = 0


Method = Annotated[
    LoraSettings
    | RsLoraSettings
    | LoraPlusSettings
    | DoraSettings
    | PissaSettings
    | OloraSettings
    | MissSettings
    | LoranSettings
    | LasSettings,
    Field(discriminator="name"),
]
"""A fine-tuning method and its settings, told apart by ``name``."""


class TrainingSettings(Setting):
    """How an adapter is trained at one scale."""

    learning_rate: Number = Field(gt=0)
    """Peak of the schedule."""
    batch_size: Count
    """Examples per batch, over all processes; with ``accumulation``, several to a step."""
    accumulation: Count = 1
    """Batches per optimiser step."""
    steps: Count | None = None
    """Optimiser steps; or ``epochs``."""
    epochs: Number | None = Field(default=None, gt=0)
    """Passes over the training split; or ``steps``."""
    warmup_share: Number = Field(default=0.0, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from 0."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """After the warm-up: falling to 0 as a cosine or in a straight line, or level."""
    weight_decay: Number = Field(default=0.0, ge=0)
    """Of matrices; vectors have none."""
    clip: Number | None = Field(default=None, gt=0)
    """Largest norm of the gradient; without, no clipping."""
    dropout: Number = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's inputs that is dropped."""
    lora_plus_ratio: Number | None = Field(default=None, gt=0)
    """LoRA+ only: learning rate of B over that of A."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the base's weights and activations. Adapters are float32."""
    checkpointing: bool = False
    """Recompute activations in the backward pass instead of keeping them."""
    eval_every: Count
    """Optimiser steps between evaluations on dev."""
    patience: Count | None = None
    """Evaluations without a better dev loss before training stops; without, it never does."""
    max_length: Annotated[Whole, Field(ge=8)]
    """Tokens of prompt and answer together."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("training takes either steps or epochs")
        return self


class Decoding(Setting):
    """How answers are generated."""

    max_new_tokens: Count = 64
    """Tokens after which an answer is cut off (status ``truncated``)."""
    temperature: Number = Field(default=0.0, ge=0)
    """0: greedy. Above: sampling, with random numbers of its own for each item and seed."""
    top_p: Number = Field(default=1.0, gt=0, le=1)
    """Sampling only: draw from the likeliest tokens that hold this share of the probability."""

    @model_validator(mode="after")
    def _sampling_is_meant(self) -> Self:
        if self.top_p < 1 and self.temperature == 0:
            raise ValueError("top_p needs a temperature above 0; at 0 decoding is greedy")
        return self


class DescriberSettings(Setting):
    """What describes items that have a clip and no description."""

    name: str = "prosody"
    """``prosody`` (measures; no weights), an audio language model, or the folder of one."""
    language: Literal["en", "es"] = "en"
    """Of the descriptions."""
    statistics: str = "train"
    """``prosody`` only, what its levels refer to: ``train`` (the clips of the train split, never of
    another; kept with the adapter), ``built-in``, or a file from ``ovbench describe --fit``."""

    @model_validator(mode="after")
    def _statistics_are_used(self) -> Self:
        if self.name != "prosody" and "statistics" in self.model_fields_set:
            raise ValueError(f"statistics belong to describer 'prosody', not to {self.name!r}")
        return self


class Published(Setting):
    """A figure that its authors report. Shown beside, never ranked with, measured ones."""

    dataset: str
    metric: str
    value: Number
    """In the authors' unit, percent unless ``note`` says otherwise."""
    source: str
    """Where it stands: document, table, revision."""
    note: str | None = None
