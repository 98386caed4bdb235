"""What a recipe is: a frozen record of everything that makes a system, read from one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator
from pydantic import ValidationError as PydanticError

from ovbench.context.settings import ContextSettings
from ovbench.io.toml import toml_fields, toml_text
from ovbench.systems.answer_words import AnswerWords, check_words
from ovbench.systems.external.recipe import ExternalRecipe
from ovbench.systems.hearing.recipes import (
    AudioLmRecipe,
    GatedFusionRecipe,
    ProjectorLmRecipe,
    SpeechClassifierRecipe,
)
from ovbench.systems.pipeline.recipe import PipelineRecipe
from ovbench.systems.recipe_base import (
    EVAL_TASKS,
    TRAIN_TASK,
    BaseRecipe,
    PromptFile,
    ScaleName,
    scale_name,
    scale_of,
)
from ovbench.systems.recipe_errors import explain
from ovbench.systems.settings import (
    Count,
    Decoding,
    DescriberSettings,
    Method,
    Setting,
    TrainingSettings,
)


class Scale(Setting):
    """What a recipe is at one scale."""

    backbone: str
    """``tinyov`` (ships with the package), a name on the model hub, or a folder."""
    prompt: PromptFile
    """In the TOML file: the prompt file's name, relative to the recipe's folder."""
    training: TrainingSettings
    context: ContextSettings | None = None
    """In place of the recipe's own context, where this scale has another."""
    decoding: Decoding | None = None
    """In place of the recipe's own decoding, where this scale has another."""
    train_task: str | None = None
    """Task that ``ovbench train`` takes where none is named; default: ``TRAIN_TASK``."""
    eval_tasks: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Tasks that ``ovbench eval`` takes where none are named; default: ``EVAL_TASKS``."""
    words: Annotated[dict[str, str], Field(min_length=2)] | None = None
    """On tasks with classes: canonical class -> the word that is taught as the answer. Without, the
    gold labels are."""


class CausalLmRecipe(BaseRecipe):
    """A fine-tuned causal language model that answers in words."""

    kind: Literal["causal_lm"]
    method: Method
    context: ContextSettings = ContextSettings(source="none")
    """How the label context is made; only LoRA-LAS takes one."""
    describer: DescriberSettings | None = None
    """What describes clips that nobody has described; without, they stay without."""
    decoding: Decoding = Decoding()
    fallback: str | None = None
    """On tasks with classes: class that an answer other than one of ``words`` counts as; the share
    is reported. Without, such an answer stays what it is."""
    scales: dict[ScaleName, Scale] = Field(min_length=1)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        for name, scale in self.scales.items():
            if scale.prompt.hears:
                raise ValueError(f"scales.{name}.prompt has {{audio}}, but the model cannot hear")
            if scale.words is not None:
                check_words(scale.words, self.fallback)
            elif self.fallback is not None:
                raise ValueError(f"fallback goes with scales.{name}.words, which is missing")
            ratio = scale.training.lora_plus_ratio
            if (ratio is None) == (self.method.name == "lora_plus"):
                raise ValueError(
                    f"scales.{name}.training.lora_plus_ratio "
                    + ("is missing" if ratio is None else "belongs to method 'lora_plus'")
                )
            source = self.context_at(name).source
            if (source == "none") == (self.method.name == "las"):
                raise ValueError(
                    "method 'las' needs a label context, but its source is 'none'"
                    if source == "none"
                    else f"method {self.method.name!r} takes no label context"
                )
        return self

    def scale(self, name: str) -> Scale:
        """The part for one scale. Raises :class:`UnknownNameError` if the recipe has no such."""
        return scale_of(self.name, self.scales, name)

    def context_at(self, scale: str) -> ContextSettings:
        """How the label context is made at that scale."""
        return self.scale(scale).context or self.context

    def decoding_at(self, scale: str) -> Decoding:
        """How answers are generated at that scale."""
        return self.scale(scale).decoding or self.decoding

    def answer_words(self, scale: str) -> AnswerWords | None:
        """How answers on tasks with classes are read at that scale; None: as they are."""
        words = self.scale(scale).words
        return None if words is None else AnswerWords(words, self.fallback)

    def train_task(self, scale: str) -> str:
        """The task that it is trained on at that scale, where none is named."""
        return self.scale(scale).train_task or TRAIN_TASK[scale_name(scale)]

    def eval_tasks(self, scale: str) -> tuple[str, ...]:
        """The tasks that it is evaluated on at that scale, where none are named."""
        return self.scale(scale).eval_tasks or EVAL_TASKS[scale_name(scale)]


class ConstantRecipe(BaseRecipe):
    """A trivial system: it answers from the train split's labels, whatever the item."""

    kind: Literal["constant"]
    answer: Literal["majority", "frequent-k", "all-labels", "random"]
    """The most frequent label; the k most frequent; the whole vocabulary; or labels drawn from the
    train distribution, with random numbers of its own for each item and seed."""
    k: Count | None = None
    """``frequent-k`` only; without, the mean number of labels of a train item, rounded."""

    @model_validator(mode="after")
    def _k_is_used(self) -> Self:
        if self.k is not None and self.answer != "frequent-k":
            raise ValueError(f"k belongs to answer 'frequent-k', not to {self.answer!r}")
        return self

    def train_task(self, scale: str) -> str:
        """The task whose train split it knows, where the evaluated one has none."""
        return TRAIN_TASK[scale_name(scale)]

    def eval_tasks(self, scale: str) -> tuple[str, ...]:
        """The tasks that it is evaluated on at that scale, where none are named."""
        return EVAL_TASKS[scale_name(scale)]


Trainable = (
    CausalLmRecipe | SpeechClassifierRecipe | ProjectorLmRecipe | GatedFusionRecipe | AudioLmRecipe
)
"""A recipe that trains something."""
TRAINABLE = (
    CausalLmRecipe,
    SpeechClassifierRecipe,
    ProjectorLmRecipe,
    GatedFusionRecipe,
    AudioLmRecipe,
)
"""Their classes."""
Recipe = Trainable | ConstantRecipe | ExternalRecipe | PipelineRecipe
"""A system's recipe, told apart by ``kind``."""

_RECIPE: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="kind")])


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises
    ------
    InputError
        If the file or its prompt file cannot be read, or does not describe a recipe; the message
        names file, line and key.
    """
    return parse_recipe(toml_text(path), path)


def parse_recipe(text: str, path: Path) -> Recipe:
    """The recipe in a TOML text; ``path`` is where it stands. Raises as :func:`read_recipe`."""
    fields = toml_fields(text, str(path))
    try:
        return _RECIPE.validate_python(fields, context={"folder": path.parent})
    except PydanticError as error:
        raise explain(error, Recipe, text, str(path)) from None
