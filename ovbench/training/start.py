"""A training by its recipe, whatever the kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import InputError
from ovbench.systems.recipe import TRAINABLE, CausalLmRecipe, Recipe
from ovbench.systems.registry import nothing_to_train

if TYPE_CHECKING:
    from ovbench.training.report import StepReport, TrainingReport
    from ovbench.training.speech_report import SpeechTrainingReport
    from ovbench.training.splits import Splits


def train_recipe(
    recipe: Recipe,
    scale: str,
    seed: int,
    out: str | Path,
    *,
    task: str | None = None,
    base: str | Path | None = None,
    resume: bool = False,
    batch_order_seed: int | None = None,
    device: str | None = None,
    dtype: str | None = None,
    tracker: str | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    steps: int | None = None,
    splits: Splits | None = None,
) -> TrainingReport | SpeechTrainingReport:
    """Train what a recipe trains, as :func:`ovbench.training.train.train` describes.

    ``splits`` are learned from and chosen on in place of the task's train and dev. A system that
    hears is trained by epochs and shows its own progress: ``steps``, ``tracker`` and ``on_step``
    belong to language models.

    Raises
    ------
    InputError
        If the recipe trains nothing, or an option does not belong to its kind; otherwise as the
        training itself.
    """
    if not isinstance(recipe, TRAINABLE):
        raise InputError(
            nothing_to_train(recipe),
            mend=f"run it as it is: ovbench eval --model {recipe.name}",
        )
    if isinstance(recipe, CausalLmRecipe):
        from ovbench.training.train import train

        return train(
            recipe,
            scale,
            seed,
            out,
            task=task,
            splits=splits,
            base=base,
            resume=resume,
            batch_order_seed=batch_order_seed,
            device=device,
            dtype=dtype,
            tracker=tracker,
            on_step=on_step,
            steps=steps,
        )
    for option, value in (("--steps", steps), ("--tracker", tracker)):
        if value is not None:
            raise InputError(
                f"{option} does not go with {recipe.name}, a system that hears",
                mend="change its recipe's training table instead",
            )
    from ovbench.training.speech import train_speech

    return train_speech(
        recipe,
        scale,
        seed,
        out,
        task=task,
        splits=splits,
        base=None if base is None else str(base),
        resume=resume,
        batch_order_seed=batch_order_seed,
        device=device,
        dtype=dtype,
    )


def look_at(
    recipe: Recipe,
    scale: str,
    task: str | Splits,
    *,
    base: str | None,
    dtype: str | None,
    device: str,
) -> None:
    """Go on if all that a training on a task, or on splits of one, needs is there.

    Raises
    ------
    InputError
        If something is missing; all that is missing is told at once.
    """
    if isinstance(recipe, CausalLmRecipe):
        from ovbench.training.prepare import look

        asked = dtype or recipe.scale(scale).training.dtype
        look(recipe, scale, task, base=base, dtype=asked, device=device)
        return
    from ovbench.training.speech import look_speech

    look_speech(recipe, scale, task, base=base)
