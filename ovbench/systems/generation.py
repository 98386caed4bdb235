"""Answers from a causal language model: batches, decoding, label contexts, statuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from peft import PeftModel
from peft.helpers import DoraCaching
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from ovbench.errors import InputError, OvbenchError
from ovbench.io.labels import get_parser
from ovbench.io.records import clean_text
from ovbench.lora_las import LasConfig
from ovbench.systems.answers import Answer, item_seed
from ovbench.systems.devices import is_out_of_memory
from ovbench.systems.prompting import Prompt, prompt_ids
from ovbench.systems.settings import Decoding

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from ovbench.context import ContextBuilder
    from ovbench.systems.answer_words import AnswerWords
    from ovbench.systems.loading import Base
    from ovbench.tasks import Item

_SMALL = 100_000_000
"""Parameters below which a batch of 64 is nothing to any device."""


class CausalLmSystem:
    """A causal language model, with or without an adapter, that answers prompts.

    Parameters
    ----------
    name:
        The recipe's name.
    model, base:
        The model (with its adapter), and the base that it is on.
    prompt, decoding:
        What the model is shown, and how it answers.
    contexts:
        For LoRA-LAS, which needs them, and no other.
    seed:
        Of sampling. Every item draws from a generator of its own, so its answer does not depend on
        the other items.
    words:
        On a task with classes: the words that its answers are read as; None: they are left as they
        are.
    shrink:
        Halve a batch that does not fit into memory, and those after it; else that is an error.

    Raises
    ------
    InputError
        If contexts are given to a method that takes none, are missing, or are of another space than
        the adapter was trained with.
    """

    def __init__(
        self,
        name: str,
        model: PreTrainedModel | PeftModel,
        base: Base,
        prompt: Prompt,
        decoding: Decoding,
        contexts: ContextBuilder | None = None,
        *,
        words: AnswerWords | None = None,
        seed: int = 0,
        shrink: bool = False,
    ) -> None:
        self.name, self.model, self.base = name, model.eval(), base
        self.prompt, self.decoding, self.seed, self.shrink = prompt, decoding, seed, shrink
        self.words = words
        self.las = _las_config(model)
        self.contexts = contexts if contexts is not None and contexts.source != "none" else None
        self.largest_batch: int | None = None
        """What batches were halved to; None if they never were."""
        _check_contexts(name, self.las, self.contexts)

    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        """One answer per item, in their order; items of like length share a batch.

        Raises
        ------
        OvbenchError
            If memory runs out: with ``shrink`` for a single item, else for any batch.
        """
        if batch_size < 1:
            raise InputError(f"a batch size of {batch_size}", expected="1 or more")
        for answer in self._passes(items, batch_size):
            yield answer if self.words is None else self.words.read(answer, self.prompt.sha256)

    def _passes(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        rows = self.context_rows(items)
        if self.contexts is not None and self.contexts.source == "two_pass":
            first = {answer.id: answer for answer in self._answer_all(items, rows, batch_size)}
            rows = self.context_rows(items, {name: one.text for name, one in first.items()})
            for answer in self._answer_all(items, rows, batch_size):
                before = first[answer.id]
                tokens = answer.tokens + before.tokens
                yield replace(answer, tokens=tokens, passes=2, first_pass=before.text)
            return
        yield from self._answer_all(items, rows, batch_size)

    def context_rows(
        self, items: Sequence[Item], first_pass: Mapping[str, str] | None = None
    ) -> NDArray[np.float32] | None:
        """The items' label contexts, (items, dim).

        ``first_pass``: with source ``two_pass``, the first answers' texts by item id, which make
        the contexts of the second pass; without them, the contexts of the first.
        """
        if self.contexts is None or first_pass is None:
            return None if self.contexts is None else self.contexts.build(items)
        parse = get_parser("open").parse
        labels = {name: parse(clean_text(text)).labels for name, text in first_pass.items()}
        return self.contexts.build(items, labels)

    def inputs(
        self, prompts: Sequence[Sequence[int]], rows: NDArray[np.float32] | None
    ) -> dict[str, Tensor]:
        """The model's input for prompts of token ids: ``input_ids`` and ``attention_mask``, (items,
        tokens), int64, padded on the left; ``label_context`` (items, dim) where there is one.
        """
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), int(self.base.tokenizer.pad_token_id))
        mask = torch.zeros_like(ids)
        for i, prompt in enumerate(prompts):
            ids[i, width - len(prompt) :] = torch.tensor(prompt)
            mask[i, width - len(prompt) :] = 1
        found = {"input_ids": ids, "attention_mask": mask}
        if rows is not None:
            found["label_context"] = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
        return {name: tensor.to(self.base.device) for name, tensor in found.items()}

    def tokenized(self, items: Sequence[Item]) -> list[list[int]]:
        """The token ids of the items' prompts."""
        return [prompt_ids(self.base.tokenizer, self.prompt.render(item)) for item in items]

    def _answer_all(
        self, items: Sequence[Item], rows: NDArray[np.float32] | None, batch_size: int
    ) -> Iterator[Answer]:
        prompts = self.tokenized(items)
        room = getattr(self.base.model.config, "max_position_embeddings", None)
        done: dict[int, Answer] = {}
        for i, prompt in enumerate(prompts):
            if room is not None and len(prompt) + self.decoding.max_new_tokens > room:
                done[i] = Answer(items[i].id, "", "error", 0)
        left = [i for i in range(len(items)) if i not in done]
        left.sort(key=lambda i: -len(prompts[i]))
        told = 0
        for start in range(0, len(left), batch_size):
            batch = left[start : start + batch_size]
            done |= self._answer_batch(batch, items, prompts, rows)
            while told in done:
                yield done.pop(told)
                told += 1
        yield from (done[i] for i in sorted(done))

    def _answer_batch(
        self,
        batch: list[int],
        items: Sequence[Item],
        prompts: Sequence[Sequence[int]],
        rows: NDArray[np.float32] | None,
    ) -> dict[int, Answer]:
        """The answers to the items at these positions, in as many parts as memory asks for."""
        found: dict[int, Answer] = {}
        left = batch
        while left:
            part = left[: self.largest_batch]
            try:
                generated = self._generate(
                    [prompts[i] for i in part],
                    [items[i].id for i in part],
                    None if rows is None else rows[part],
                )
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(len(part))
                continue
            found |= dict(zip(part, generated, strict=True))
            left = left[len(part) :]
        return found

    def _halve(self, size: int) -> None:
        if not self.shrink or size == 1:
            raise OvbenchError(
                f"Out of memory on {self.base.device} with a batch of {size}. "
                + ("Use --batch-size auto, or a smaller one." if size > 1 else "Free some memory.")
            ) from None
        self.largest_batch = size // 2
        if self.base.device.type == "cuda":
            torch.cuda.empty_cache()

    def _generate(
        self,
        prompts: Sequence[Sequence[int]],
        ids: Sequence[str],
        rows: NDArray[np.float32] | None,
    ) -> list[Answer]:
        inputs = self.inputs(prompts, rows)
        ends = self.base.model.generation_config.eos_token_id
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=self.decoding.max_new_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=self.base.tokenizer.pad_token_id,
        )
        with torch.inference_mode(), self._cached():
            output = self.model.generate(
                **inputs,
                generation_config=config,
                logits_processor=sampling(self.decoding, self.seed, ids),
            )
        generated = output[:, inputs["input_ids"].shape[1] :].tolist()
        tokenizer = self.base.tokenizer
        return [
            answer_of(name, row, ends, tokenizer) for name, row in zip(ids, generated, strict=True)
        ]

    def _cached(self) -> AbstractContextManager[None]:
        """For DoRA: keep each layer's weight norm, which PEFT works out anew at every token."""
        config = self.model.active_peft_config if isinstance(self.model, PeftModel) else None
        dora = bool(getattr(config, "use_dora", False))
        return DoraCaching() if dora else nullcontext()


def automatic_batch_size(parameters: int, device: torch.device) -> int:
    """A batch size to start from, for a model of that many parameters on a device."""
    return 64 if parameters < _SMALL or device.type == "cuda" else 8


def answer_of(
    name: str, row: Sequence[int], ends: Sequence[int], tokenizer: PreTrainedTokenizerBase
) -> Answer:
    """The answer that generated tokens say; without one of ``ends`` among them, it is cut off."""
    end = next((i for i, token in enumerate(row) if token in ends), None)
    kept = list(row if end is None else row[:end])
    text = str(tokenizer.decode(kept, skip_special_tokens=True)).strip()
    if end is None:
        return Answer(name, text, "truncated", len(row))
    return Answer(name, text, "ok" if text else "empty", end + 1)


class _ItemNoise(LogitsProcessor):
    """Gumbel noise, so that the largest score is a draw from the distribution: one generator each.

    argmax(log p + g), g standard Gumbel, is distributed as p (the Gumbel-max trick).
    """

    def __init__(self, seed: int, ids: Sequence[str]) -> None:
        self._generators = [torch.Generator().manual_seed(item_seed(seed, name)) for name in ids]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        # In float32 one draw in 2²⁴ is 0, which would make its token a sure winner.
        noise = torch.empty(len(self._generators), scores.shape[1], dtype=torch.float64)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores.float() - noise.log().float().to(scores.device)


def sampling(decoding: Decoding, seed: int, ids: Sequence[str]) -> LogitsProcessorList:
    """What turns greedy decoding into sampling; nothing at temperature 0."""
    if decoding.temperature == 0:
        return LogitsProcessorList()
    steps: list[LogitsProcessor] = [TemperatureLogitsWarper(decoding.temperature)]
    if decoding.top_p < 1:
        steps.append(TopPLogitsWarper(decoding.top_p))
    return LogitsProcessorList([*steps, _ItemNoise(seed, ids)])


def _las_config(model: object) -> LasConfig | None:
    """The LoRA-LAS configuration of a model that has one.

    Asked before every use of a context: plain LoRA's ``forward`` swallows one without a word.
    """
    config = model.active_peft_config if isinstance(model, PeftModel) else None
    return config if isinstance(config, LasConfig) else None


def _check_contexts(name: str, las: LasConfig | None, contexts: ContextBuilder | None) -> None:
    if las is None and contexts is not None:
        raise InputError(
            f"{name} was given label contexts", expected="none: only LoRA-LAS takes them"
        )
    if las is None:
        return
    if contexts is None:
        raise InputError(
            f"{name} was given no label contexts",
            expected=f"vectors of length {las.label_dim}",
            mend="choose a context source in the recipe",
        )
    if contexts.dim != las.label_dim or las.context_schema not in (None, contexts.schema):
        raise InputError(
            f"{name} was trained with label contexts of {las.context_schema or 'another encoder'} "
            f"(length {las.label_dim})",
            expected=f"those, not {contexts.schema} (length {contexts.dim})",
            mend="use the encoder that the adapter was trained with",
        )
