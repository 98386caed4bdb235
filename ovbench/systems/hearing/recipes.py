"""Recipes of the systems that hear the clip. Nothing here needs PyTorch."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from ovbench.systems.answer_words import check_words
from ovbench.systems.recipe_base import BaseRecipe, PromptFile, ScaleName, scale_of
from ovbench.systems.settings import (
    Count,
    Decoding,
    DoraSettings,
    LoraSettings,
    Number,
    RsLoraSettings,
    Setting,
)


def _distinct(classes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(classes)) < len(classes):
        raise ValueError("a class is named twice")
    return classes


Classes = Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_distinct)]
"""Canonical class ids, in the order of a model's outputs."""
Beta = Annotated[Number, Field(ge=0, lt=1)]
"""A decay of an optimiser's means."""


class AudioPolicy(Setting):
    """How a clip becomes samples. Every clip is made mono and resampled to 16 kHz."""

    max_seconds: Number = Field(default=10.0, ge=0.025)
    """Longest stretch that the model is shown at once."""
    longer: Literal["crop", "window", "reject"] = "crop"
    """Of a longer clip: its first ``max_seconds``; windows of that length without overlap, whose
    probabilities are averaged over their seconds; or an error, counted as such."""


class Augmentation(Setting):
    """Changes of a training clip, drawn anew each time it is shown."""

    noise_snr: tuple[Number, Number] | None = None
    """White noise at a signal-to-noise ratio between these, dB."""
    time_mask: tuple[Number, Number] | None = None
    """One stretch of the clip is silenced, of a share of it between these; below 1. The silence
    fades in and out."""

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Self:
        low, high = self.time_mask or (0.0, 0.0)
        if not 0 <= low <= high < 1:
            raise ValueError("time_mask: a lower and a higher share of the clip, from 0 to below 1")
        return self


class SpeechTraining(Setting):
    """How a system that hears is trained at one scale."""

    learning_rate: Number = Field(gt=0)
    batch_size: Count
    epochs: Count
    """Most passes over the training split."""
    optimizer: Literal["adam", "adamw"] = "adamw"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    weight_decay: Number = Field(default=0.0, ge=0)
    schedule: Literal["constant", "plateau", "step"] = "constant"
    """``plateau``: halved, but not to below 5e-5, where the dev loss has not fallen for more than
    ``plateau_patience`` epochs, whatever ``choose_by`` is; ``step``: from epoch to epoch in a
    straight line to a tenth over ``step_epochs`` epochs, and from there on constant."""
    plateau_patience: Count | None = None
    step_epochs: Count | None = None
    clip: Number | None = Field(default=None, gt=0)
    """Largest norm of the gradient."""
    patience: Count | None = None
    """Epochs without a better dev score before training stops; without, it never does."""
    class_weights: Literal["none", "balanced"] = "none"
    """``balanced``: items / (classes x items of the class), from the training split."""
    choose_by: Literal["uar", "macro_f1", "accuracy", "loss"] = "uar"
    """The dev figure that the kept epoch is chosen by."""
    augment: Augmentation = Augmentation()
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of frozen weights and activations; what is trained is float32."""

    @model_validator(mode="after")
    def _schedule_is_whole(self) -> Self:
        for schedule, field in (("plateau", "plateau_patience"), ("step", "step_epochs")):
            if (self.schedule == schedule) != (getattr(self, field) is not None):
                raise ValueError(f"{field} goes with schedule {schedule!r}, and only with it")
        return self


class SpeechScale(Setting):
    """What every recipe that hears says of a scale."""

    audio: AudioPolicy = AudioPolicy()
    training: SpeechTraining
    train_task: str
    """Task that ``ovbench train`` takes where none is named."""
    eval_tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    """Tasks that ``ovbench eval`` takes where none are named."""
    classes: Classes | None = None
    """In place of the recipe's own, where this scale's task has others."""


S = TypeVar("S", bound=SpeechScale)


class _Hearing(BaseRecipe, Generic[S]):
    classes: Classes
    """What the model can answer, in the order of its outputs."""
    scales: dict[ScaleName, S] = Field(min_length=1)

    def scale(self, name: str) -> S:
        """The part for one scale. Raises :class:`UnknownNameError` if the recipe has no such."""
        return scale_of(self.name, self.scales, name)

    def classes_at(self, scale: str) -> tuple[str, ...]:
        """The classes at that scale."""
        return self.scale(scale).classes or self.classes

    def train_task(self, scale: str) -> str:
        """The task that it is trained on at that scale, where none is named."""
        return self.scale(scale).train_task

    def eval_tasks(self, scale: str) -> tuple[str, ...]:
        """The tasks that it is evaluated on at that scale, where none are named."""
        return self.scale(scale).eval_tasks


# --- speech_classifier: PEFT-SER --------------------------------------------------------------


class FfnLora(Setting):
    """LoRA on the feed-forward layers of a speech encoder."""

    name: Literal["lora"]
    r: Count = 16
    lora_alpha: Number = Field(default=1.0, gt=0)
    """The published code leaves loralib's default of 1: a scaling of 1/16."""


class Bottleneck(Setting):
    """A bottleneck beside the feed-forward layers (``adapter``), or after them (``adapter_l``).

    As in the published code it gives what it is fed and the bottleneck's output together, and that
    sum is added: what it is fed counts once more. See
    :func:`ovbench.systems.hearing.classifier.attach`.
    """

    name: Literal["adapter", "adapter_l"]
    size: Count = 128
    scale: Number = Field(default=0.1, gt=0)
    dropout: Number = Field(default=0.1, ge=0, lt=1)
    """Between its two linear maps."""


class EmbeddingPrompt(Setting):
    """Learnt vectors in front of every layer's input, taken out again after it."""

    name: Literal["embedding_prompt"]
    length: Count = 5


class HeadOnly(Setting):
    """Nothing but the head is trained."""

    name: Literal["none"]


SpeechMethod = Annotated[
    FfnLora | Bottleneck | EmbeddingPrompt | HeadOnly, Field(discriminator="name")
]


class SpeechClassifierScale(SpeechScale):
    """A scale of a speech classifier."""

    backbone: str
    """``tinywhisper``, ``tinywavlm``, ``tinymms``; a name on the model hub; or a folder."""


class SpeechClassifierRecipe(_Hearing[SpeechClassifierScale]):
    """A speech encoder with a light head: PEFT-SER."""

    kind: Literal["speech_classifier"]
    method: SpeechMethod
    hidden: Count = 256
    """Width of the head."""
    dropout: Number = Field(default=0.1, ge=0, lt=1)
    """In the head."""


# --- projector_lm: Whisper-Gemma, emotion2vec-Gemma -------------------------------------------


class ProjectorScale(SpeechScale):
    """A scale of a projector."""

    encoder: str
    """``tinywhisper``, a name on the hub, a folder; or ``features:NAME``, vectors that another
    program wrote (emotion2vec)."""
    feature_size: Count | None = None
    """Of ``features:NAME``: numbers per frame."""
    backbone: str
    """The frozen language model: ``tinyov``, a name on the hub, or a folder."""
    prompt: PromptFile
    """Its ``{audio}`` is where the clip's vectors go."""
    words: Annotated[dict[str, str], Field(min_length=2)]
    """Canonical class -> the word that stands for it; a single token, checked."""

    @model_validator(mode="after")
    def _encoder_is_whole(self) -> Self:
        if self.encoder.startswith("features:") != (self.feature_size is not None):
            raise ValueError("feature_size goes with an encoder 'features:NAME', and only with it")
        if self.prompt.text.count("{audio}") != 1:
            raise ValueError("the prompt needs {audio}, once")
        return self


class ProjectorLmRecipe(_Hearing[ProjectorScale]):
    """A frozen encoder, a trained linear map, a frozen language model, a logit per word."""

    kind: Literal["projector_lm"]

    @model_validator(mode="after")
    def _a_word_for_each_class(self) -> Self:
        for name in self.scales:
            classes, words = set(self.classes_at(name)), set(self.scale(name).words)
            if classes != words:
                odd = sorted(classes ^ words)[0]
                raise ValueError(f"scales.{name}: classes and words differ, first at {odd!r}")
        return self


# --- gated_fusion: HuBERT + ASR text + BERT ----------------------------------------------------


class FusionScale(SpeechScale):
    """A scale of the gated fusion."""

    audio_encoder: str
    """``tinyhubert``, a name on the hub, or a folder."""
    text_encoder: str
    """``tinybert``, a name on the hub, or a folder."""
    asr: str | None = None
    """CTC model that transcribes the clips; none: the data set's transcripts are taken."""
    width: Count
    """Of the common space: 1024 as published."""


class GatedFusionRecipe(_Hearing[FusionScale]):
    """Speech and text attend to each other; a gate mixes each with what it found in the other."""

    kind: Literal["gated_fusion"]
    form: Literal["single", "cmgi"]
    """``single``: one fusion layer; ``cmgi``: the cross-modal gated interaction in both directions
    that the public code holds."""
    layers: Count = 1
    """``cmgi``: how many fusion layers stand on one another."""
    masks: bool = True
    """Whether attention and means leave padding out; the released code does not."""
    dropout: Number = Field(default=0.0, ge=0, lt=1)
    train_encoders: bool = False
    """Whether the encoders are trained too; their weights are float32 then."""

    @model_validator(mode="after")
    def _one_layer_is_one(self) -> Self:
        if self.form == "single" and self.layers != 1:
            raise ValueError("layers goes with form 'cmgi', and only with it")
        return self


# --- audio_lm: Qwen2-Audio ---------------------------------------------------------------------


AudioLmMethod = Annotated[LoraSettings | RsLoraSettings | DoraSettings, Field(discriminator="name")]


class AudioLmScale(SpeechScale):
    """A scale of an audio language model."""

    backbone: str
    """``tinyqwen2audio``, a name on the hub, or a folder."""
    prompt: PromptFile
    """Its ``{audio}`` is where the clip goes."""
    words: Annotated[dict[str, str], Field(min_length=2)]
    """Canonical class -> the word that the model is taught to answer."""

    @model_validator(mode="after")
    def _clip_is_shown_whole(self) -> Self:
        if self.prompt.text.count("{audio}") != 1:
            raise ValueError("the prompt needs {audio}, once")
        if self.audio.longer == "window":
            raise ValueError("audio.longer 'window' averages probabilities; this system has words")
        if self.training.class_weights != "none":
            raise ValueError("training.class_weights weighs outputs; this system has words")
        return self


class AudioLmRecipe(_Hearing[AudioLmScale]):
    """A language model that hears, tuned to answer with one word."""

    kind: Literal["audio_lm"]
    method: AudioLmMethod
    """On the language model alone; what hears stays as it is."""
    decoding: Decoding = Decoding(max_new_tokens=8)
    fallback: str | None = None
    """Class that an answer outside the words counts as; the share is reported. None: such an
    answer stays what it is."""

    @model_validator(mode="after")
    def _a_word_for_each_class(self) -> Self:
        if self.decoding.temperature:
            raise ValueError("decoding.temperature: audio language models answer greedily")
        for name, scale in self.scales.items():
            check_words(scale.words, self.fallback)
            odd = sorted(set(self.classes_at(name)) ^ set(scale.words))
            if odd:
                raise ValueError(f"scales.{name}: classes and words differ, first at {odd[0]!r}")
        return self


HearingRecipe = SpeechClassifierRecipe | ProjectorLmRecipe | GatedFusionRecipe | AudioLmRecipe
"""A recipe of any system that hears."""
FROZEN_PARTS = ("backbone", "encoder", "audio_encoder", "text_encoder", "asr")
"""Fields of a scale that name frozen weights."""
