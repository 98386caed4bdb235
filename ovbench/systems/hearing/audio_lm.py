"""A language model that hears, tuned by a low-rank adapter to answer with one word.

The audio tower and its projection stay as they are; the adapter is on the language model. A class's
logit is the log-probability of its word as the whole answer: the sum over the word's tokens and the
one that ends it. All words are scored in one pass: they stand behind one another after the prompt,
each at the positions that it would have alone, and none sees another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ovbench.errors import InputError
from ovbench.speech.audio_llm import AudioLlm, generate
from ovbench.speech.audio_llm_inputs import QWEN2_AUDIO, RATE, control_id, left_padded, vectors
from ovbench.systems.answer_words import AnswerWords
from ovbench.systems.answers import Answer
from ovbench.systems.hearing.audio_llms import open_audio_llm
from ovbench.systems.hearing.base import SpeechModel, check_length
from ovbench.systems.hearing.clips import Clips
from ovbench.systems.methods import check_targets, peft_config, wrap
from ovbench.systems.prompting import Prompt, prompt_ids

if TYPE_CHECKING:
    from ovbench.systems.hearing.recipes import AudioLmMethod, AudioLmRecipe
    from ovbench.tasks import Item

SHORTEST = 0.1
"""Seconds that a clip must last."""


@dataclass(frozen=True)
class _Scored:
    """The classes' words, laid out behind a prompt.

    Attributes
    ----------
    tokens, blocks, offsets:
        Of each token that stands there: its id, its word, and its place in the word.
    read_at, expected, owners:
        Of each token that is scored: where its distribution is read (0: the prompt's last token,
        then ``tokens``), its id, and its word.
    """

    tokens: Tensor
    blocks: Tensor
    offsets: Tensor
    read_at: Tensor
    expected: Tensor
    owners: Tensor

    @classmethod
    def of(cls, completions: Sequence[Sequence[int]]) -> _Scored:
        found: tuple[list[int], ...] = tuple([] for _ in range(6))
        tokens, blocks, offsets, read_at, expected, owners = found
        for word, ids in enumerate(completions):
            for place, token in enumerate(ids):
                read_at.append(len(tokens) if place else 0)
                expected.append(token)
                owners.append(word)
                if place < len(ids) - 1:  # the last ends the answer; nothing follows it
                    tokens.append(token)
                    blocks.append(word)
                    offsets.append(place)
        return cls(*map(torch.tensor, found))


class AudioLm(SpeechModel):
    """Qwen2-Audio with an adapter, as a classifier of clips by words.

    Parameters
    ----------
    llm:
        The model, with its adapter.
    classes, words:
        The classes in the order of the outputs, and the word for each.
    prompt:
        What the model is shown; ``{audio}`` is where the clip goes.
    clips:
        How items become samples.
    max_new_tokens:
        After which an answer is cut off.
    """

    def __init__(
        self,
        llm: AudioLlm,
        classes: Sequence[str],
        words: AnswerWords,
        prompt: Prompt,
        clips: Clips,
        *,
        max_new_tokens: int = 8,
    ) -> None:
        super().__init__(classes)
        self.llm, self.model = llm, llm.model
        self.words, self.prompt, self.clips = words, prompt, clips
        self.max_new_tokens = max_new_tokens
        tokenizer, chat = llm.tokenizer, llm.family.ends[0]
        end = control_id(tokenizer, chat) if chat in prompt.text else tokenizer.eos_token_id
        self._completions = [
            [*_word_tokens(tokenizer, prompt.completion([words.words[name]])), int(end)]
            for name in self.classes
        ]
        self._scored = _Scored.of(self._completions)

    def fault(self, item: Item) -> str | None:
        """No clip, an unreadable, too short or too long one, or a prompt beyond the positions."""
        found = self.clips.fault(item)
        if found is not None:
            return found
        samples = len(self.clips.windows(item)[0])
        if samples < SHORTEST * RATE:
            return f"lasts {samples / RATE:.3f} s, less than {SHORTEST:g}"
        config: Any = self.model.config
        room = config.get_text_config().max_position_embeddings
        answer = max(self.max_new_tokens, *map(len, self._completions))
        needed = len(self._prompt(item, vectors(-(-samples // 160)))) + answer
        return f"takes {needed} tokens with its answer, more than {room}" if needed > room else None

    def batch(
        self, items: Sequence[Item], categories: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """``input_ids``, ``attention_mask`` (items, tokens), padded on the left; log-Mel features
        and their mask; with categories ``targets`` (items,), classes by number.
        """
        clips = [self.clips.windows(item, augmented=self.training)[0] for item in items]
        audio, counts = self.llm.hear(clips)
        prompts = [self._prompt(item, n) for item, n in zip(items, counts, strict=True)]
        text = left_padded(prompts, self.llm.pad)
        if categories is not None:
            text["targets"] = self.target(categories)
        return {name: tensor.to(self.model.device) for name, tensor in text.items()} | audio

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """``logits`` (items, classes), float32: the log-probability of each class's word and its
        end; with ``targets`` also ``loss``: the mean cross-entropy over the gold words' tokens.
        """
        device = self.model.device
        ids, mask, targets = batch["input_ids"], batch["attention_mask"], batch.get("targets")
        tokens, offsets = self._scored.tokens.to(device), self._scored.offsets.to(device)
        inner: Any = self.model
        hidden = inner.model(
            input_ids=torch.cat([ids, tokens.expand(len(ids), -1)], dim=1),
            attention_mask=self._attended(mask),
            position_ids=torch.cat(
                [(mask.cumsum(1) - 1).clamp(min=0), mask.sum(1, keepdim=True) + offsets], dim=1
            ),
            input_features=batch["input_features"],
            feature_attention_mask=batch["feature_attention_mask"],
            use_cache=False,
        ).last_hidden_state
        after = inner.lm_head(hidden[:, ids.shape[1] - 1 :]).float().log_softmax(-1)
        read_at, expected = self._scored.read_at.to(device), self._scored.expected.to(device)
        each = after[:, read_at, expected]
        logits = each.new_zeros(len(ids), len(self.classes))
        logits = logits.index_add(1, self._scored.owners.to(device), each)
        if targets is None:
            return {"logits": logits}
        lengths = torch.tensor([len(ids) for ids in self._completions], device=device)
        chosen = logits.gather(1, targets[:, None]).sum()
        return {"logits": logits, "loss": -chosen / lengths[targets].sum()}

    def answers(self, items: Sequence[Item]) -> list[Answer]:
        """A generated word for each, read as a class; what else is said falls back or stays."""
        faults = {item.id for item in items if self.fault(item) is not None}
        asked = [item for item in items if item.id not in faults]
        found = {name: Answer(name, "", "error", 0) for name in faults}
        if asked:
            batch = self.batch(asked)
            mask = batch.pop("attention_mask").bool()
            prompts = [
                row[kept].tolist() for row, kept in zip(batch.pop("input_ids"), mask, strict=True)
            ]
            said = generate(self.llm, prompts, batch, self.max_new_tokens)
            for item, one in zip(asked, said, strict=True):
                answer = Answer(item.id, one.text, one.status, one.tokens)
                found[item.id] = self.words.read(answer, self.prompt.sha256)
        return [found[item.id] for item in items]

    def provenance(self) -> dict[str, str]:
        """The model that the adapter is on, and the prompt."""
        return {"backbone": self.llm.sha256, "prompt": self.prompt.sha256}

    def _prompt(self, item: Item, heard: int) -> list[int]:
        clip = f"<|audio_bos|>{self.llm.family.placeholder * heard}<|audio_eos|>"
        return prompt_ids(self.llm.tokenizer, self.prompt.render(item, audio=clip))

    def _attended(self, mask: Tensor) -> Tensor:
        """What each token sees, (items, 1, tokens, tokens), as numbers that are added to scores.

        The prompt is causal; a word's token sees the prompt and its own word up to itself.
        """
        width, blocks = mask.shape[1], self._scored.blocks.to(mask.device)
        size = width + len(blocks)
        seen = torch.ones(size, size, dtype=torch.bool, device=mask.device).tril()
        seen[width:, width:] &= blocks[:, None] == blocks
        there = torch.cat([mask.bool(), mask.new_ones(len(mask), len(blocks)).bool()], dim=1)
        allowed = (seen & there[:, None, :])[:, None]
        added = torch.zeros(allowed.shape, dtype=self.model.dtype, device=mask.device)
        return added.masked_fill(~allowed, torch.finfo(self.model.dtype).min)


def _word_tokens(tokenizer: Any, text: str) -> list[int]:
    """Token ids of an answer, without the token that ends it."""
    return [int(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]


def adapt(llm: AudioLlm, method: AudioLmMethod, seed: int) -> None:
    """Put a fresh adapter into the language model of ``llm``; everything else is frozen.

    The same seed gives the same adapter; the global random state is left as it was.

    Raises
    ------
    InputError
        If the language model lacks a target module.
    """
    inner: Any = llm.model
    language = inner.model.language_model
    check_targets(language, method.target_modules, "the language model")
    config: Any = peft_config(method)
    config.target_modules = {
        f"model.language_model.{name}"
        for name, module in language.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] in method.target_modules
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        wrap(llm.model, config)  # in place


def build(
    recipe: AudioLmRecipe,
    scale: str,
    *,
    seed: int = 0,
    device: torch.device | str = "auto",
    dtype: torch.dtype | str = "auto",
    base: str | None = None,
) -> AudioLm:
    """A model of ``recipe`` with a fresh adapter from the seed, on its frozen backbone.

    ``base``: in place of the recipe's backbone.

    Raises
    ------
    InputError
        If the weights are not here or cannot be used, are of another family than Qwen2-Audio, or
        lack a target module; or if clips may be longer than it can hear.
    """
    part = recipe.scale(scale)
    llm = open_audio_llm(base or part.backbone, device=device, dtype=dtype)
    if llm.family is not QWEN2_AUDIO:
        raise InputError(
            f"{llm.name} is of the family {llm.family.name}", expected="a model of Qwen2-Audio"
        )
    check_length(part.audio, llm.longest, llm.name, f"recipe {recipe.name}, scale {scale}")
    llm.model.requires_grad_(False)
    adapt(llm, recipe.method, seed)
    return AudioLm(
        llm,
        recipe.classes_at(scale),
        AnswerWords(part.words, recipe.fallback),
        part.prompt,
        Clips(part.audio, part.training.augment, seed),
        max_new_tokens=recipe.decoding.max_new_tokens,
    )
