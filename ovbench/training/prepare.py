"""What a training is made of, in memory: base, fresh adapter, encoded splits, contexts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ovbench.context import ContextBuilder, context_of, open_encoder
from ovbench.systems.answer_words import word_of
from ovbench.systems.backbones import TINY, locate
from ovbench.systems.describing import ItemDescriber, check_describer, fit_describer
from ovbench.systems.loading import Base, build, load_base
from ovbench.systems.memory import check_training_memory
from ovbench.systems.missing import Missing
from ovbench.systems.prompting import Prompt
from ovbench.systems.recipe import CausalLmRecipe
from ovbench.tasks import Task, trainable
from ovbench.training.encode import Encoded, Pair, encode
from ovbench.training.splits import Splits, splits_of, told

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Ready:
    """Everything that the loop needs, and where it came from."""

    recipe: CausalLmRecipe
    scale: str
    base: Base
    model: PeftModel
    context: ContextBuilder
    """Of the train split."""
    train: Encoded
    dev: Encoded
    train_digest: str
    """sha256 over the split's items and gold."""
    dev_digest: str
    describer: ItemDescriber | None = None
    """What described the clips, its statistics those of the train split."""
    notes: tuple[str, ...] = ()
    """What happened to the items before they were encoded."""

    def identity(self) -> dict[str, str]:
        """What a saved state must agree with, beside what the user asked for."""
        return {
            "base": self.base.sha256,
            "context": self.context.digest,
            "train split": self.train_digest,
            "dev split": self.dev_digest,
            "first weights": first_weights(self.model),
            **({} if self.describer is None else {"describer": self.describer.id}),
        }


def look(
    recipe: CausalLmRecipe,
    scale: str,
    task: str | Splits,
    *,
    base: str | Path | None,
    dtype: str,
    device: str,
) -> Splits:
    """The task's train and dev splits, if weights, memory, data and encoder are all there.

    ``task`` may be the two splits themselves.

    Raises
    ------
    UnknownNameError
        If task, base or device do not exist.
    InputError
        If something is missing; all that is missing is told at once, with the next command.
    """
    backbone, context = str(base or recipe.scale(scale).backbone), recipe.context_at(scale)
    missing = Missing(f"training {recipe.name} at scale {scale}")
    with missing.noted():
        locate(backbone)
    if backbone != TINY:
        with missing.noted():
            check_training_memory(recipe, scale, backbone, dtype, device)
    splits = splits_of(task, missing)
    if context.source != "none":
        with missing.noted():
            open_encoder(context.encoder)
    if recipe.describer is not None:
        with missing.noted():
            check_describer(recipe.describer)
    missing.tell()
    train, dev = splits
    return train, dev


def prepare(
    recipe: CausalLmRecipe,
    scale: str,
    seed: int,
    splits: Splits,
    *,
    base: str | Path | None,
    dtype: str,
    device: torch.device,
) -> Ready:
    """Load the base, put a fresh adapter on it, and encode the splits that :func:`look` found.

    Raises
    ------
    InputError
        If the base or the context's source cannot be used, or nothing fits.
    """
    part = recipe.scale(scale)
    train, dev = splits
    describer = None if recipe.describer is None else fit_describer(recipe.describer, train)
    if describer is not None:
        train, dev = describer.task(train), describer.task(dev)
    contexts = [context_of(recipe.context_at(scale), split, train) for split in (train, dev)]
    loaded = load_base(base or part.backbone, dtype=dtype, device=str(device))
    texts, dev_texts = (
        encode_task(
            split, part.prompt, loaded.tokenizer, part.training.max_length, context, part.words
        )
        for split, context in zip((train, dev), contexts, strict=True)
    )
    notes = [f"{s.split}: {s.notes[-1]}" for s in (train, dev) if s.undescribed is not None]
    builder = contexts[0]
    model = build(
        recipe,
        scale,
        loaded,
        seed,
        label_dim=builder.dim or None,
        context_schema=builder.schema,
    )
    return Ready(
        recipe=recipe,
        scale=scale,
        base=loaded,
        model=model,
        context=builder,
        train=texts,
        dev=dev_texts,
        train_digest=train.digest(),
        dev_digest=dev.digest(),
        describer=describer,
        notes=(*told(dev), *notes),
    )


def encode_task(
    split: Task,
    prompt: Prompt,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    context: ContextBuilder,
    words: Mapping[str, str] | None = None,
) -> Encoded:
    """The prompts of a train or dev split, each with its gold labels as the completion.

    ``words``: of a task with classes, each class's word is the completion instead.

    ``two_pass`` contexts are those of the first pass: in training nothing has been predicted yet.

    Raises
    ------
    InputError
        If it is a test split, if a class has no word, or as
        :func:`ovbench.training.encode.encode`.
    """

    def answer(name: str) -> tuple[str, ...]:
        gold = split.gold[name]
        if words is None or split.answers != "class":
            return gold.labels
        return (word_of(words, gold.category, f"item {name}"),)

    pairs = [
        Pair(item.id, prompt.render(item), prompt.completion(answer(item.id)))
        for item in trainable(split).items
    ]
    return encode(pairs, tokenizer, max_length, context.build(split.items))


def first_weights(model: torch.nn.Module) -> str:
    """SHA-256 over the trainable parameters' names and bytes.

    A base that PiSSA or OLoRA changed follows from them, so a resumed run that starts from the
    same adapter also stands on the same base.
    """
    found = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found.update(name.encode())
            found.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
