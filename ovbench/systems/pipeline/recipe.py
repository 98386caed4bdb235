"""What a pipeline recipe says: its stages at each scale."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ovbench.systems.recipe_base import (
    EVAL_TASKS,
    TRAIN_TASK,
    BaseRecipe,
    PromptFile,
    ScaleName,
    scale_name,
    scale_of,
)
from ovbench.systems.settings import Decoding, DescriberSettings, Setting


class LanguageStage(Setting):
    """A stage that a language model answers, greedily."""

    backbone: str
    """``tinyov`` (ships with the package), a name on the model hub, or a folder."""
    adapter: str | None = None
    """What goes on the backbone: a recipe whose adapter ships with the package, or a folder."""
    prompt: PromptFile
    """Its ``{description}`` is what the stage before said, ``{transcript}`` what is spoken."""
    decoding: Decoding = Decoding(max_new_tokens=512)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.decoding.temperature > 0:
            raise ValueError("decoding.temperature is above 0; a pipeline decodes greedily")
        if self.prompt.hears:
            raise ValueError("the prompt has {audio}; only the describer hears")
        if "{description}" not in self.prompt.text:
            raise ValueError("the prompt has no {description}, where the stage before speaks")
        return self


class RulesExtractor(Setting):
    """Labels by the open lexicon and negation (:mod:`ovbench.systems.pipeline.extractor`)."""

    name: Literal["rules"]


class LlmExtractor(LanguageStage):
    """Labels as a language model names them; its ``{description}`` is the caption."""

    name: Literal["llm"]


class PipelineScale(Setting):
    """The stages at one scale."""

    describer: DescriberSettings | None = None
    """What describes clips that nobody has described; without, they stay without."""
    captioner: LanguageStage | None = None
    """What says of a description which emotions it shows; without, it goes on as it is."""
    extractor: Annotated[RulesExtractor | LlmExtractor, Field(discriminator="name")]
    """What reads labels in the caption."""
    train_task: str | None = None
    """Task whose train split a describer's statistics are fitted to; default: ``TRAIN_TASK``."""
    eval_tasks: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Tasks that ``ovbench eval`` takes where none are named; default: ``EVAL_TASKS``."""

    def language_stages(self) -> dict[str, LanguageStage]:
        """The stages with a language model, by name, in their order."""
        stages = {"captioner": self.captioner, "extractor": self.extractor}
        return {name: one for name, one in stages.items() if isinstance(one, LanguageStage)}


class PipelineRecipe(BaseRecipe):
    """A chain: describer, language model that captions, and what reads labels in the caption."""

    kind: Literal["pipeline"]
    scales: dict[ScaleName, PipelineScale] = Field(min_length=1)

    def scale(self, name: str) -> PipelineScale:
        """The part for one scale. Raises :class:`UnknownNameError` if the recipe has no such."""
        return scale_of(self.name, self.scales, name)

    def train_task(self, scale: str) -> str:
        """The task whose train split statistics are fitted to, where none is named."""
        return self.scale(scale).train_task or TRAIN_TASK[scale_name(scale)]

    def eval_tasks(self, scale: str) -> tuple[str, ...]:
        """The tasks that it is evaluated on at that scale, where none are named."""
        return self.scale(scale).eval_tasks or EVAL_TASKS[scale_name(scale)]
