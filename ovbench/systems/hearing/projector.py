"""A frozen encoder, a trained linear map, and a frozen language model that says a word's logit.

Whisper-Gemma and emotion2vec-Gemma, after THAU-UPM at EmoSPeech 2024 (CEUR-WS Vol-3756 paper 6) and
their code. The clip's frames, mapped to the width of the language model, stand in the prompt where
``{audio}`` stands in its file; the logits of the last position at the classes' words are the
logits of the classes. Only the linear map is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from ovbench.errors import InputError
from ovbench.systems.answers import Answer
from ovbench.systems.hearing.base import SpeechModel, check_length
from ovbench.systems.hearing.clips import Clips
from ovbench.systems.hearing.encoders import open_speech_encoder
from ovbench.systems.hearing.frames import FEATURES, EncoderFrames, FileFrames, Frames
from ovbench.systems.hearing.windows import pool
from ovbench.systems.loading import load_base
from ovbench.systems.prompting import Prompt, prompt_ids
from ovbench.tasks import Item

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ovbench.systems.hearing.recipes import ProjectorLmRecipe, ProjectorScale
    from ovbench.systems.loading import Base

_HERE = "<|clip|>"
"""Marks the clip's place in a rendered prompt; control tokens are taken out of items' own text."""


class ProjectorModel(SpeechModel):
    """A projector between an encoder and a language model; :func:`build` makes one.

    The answer is the class whose word is likeliest; probabilities are over the words alone.

    Parameters
    ----------
    classes:
        Canonical class ids.
    frames:
        Where the clip's vectors come from.
    base:
        The language model, which is frozen here.
    prompt:
        With ``{audio}`` once.
    words:
        Class -> its word.

    Raises
    ------
    InputError
        If a word is more than a token, or two words are the same.
    """

    def __init__(
        self,
        classes: Sequence[str],
        frames: Frames,
        base: Base,
        prompt: Prompt,
        words: Mapping[str, str],
    ) -> None:
        super().__init__(classes)
        self.frames, self.base, self.prompt = frames, base, prompt
        if isinstance(frames, EncoderFrames):
            self.clips = frames.clips
        ids = word_ids(base.tokenizer, prompt, [words[name] for name in self.classes])
        self.register_buffer("word_ids", torch.tensor(ids), persistent=False)
        self.language_model = base.model.requires_grad_(False)
        embedding: Any = self.language_model.get_input_embeddings()
        # Gemma multiplies its embeddings by √width; transformers once did so after the audio was
        # put among them, as when this was published, and now does so before.
        self._scale = float(getattr(embedding, "scalar_embed_scale", 1.0))
        self.projector = nn.Linear(frames.size, embedding.embedding_dim)

    def train(self, mode: bool = True) -> Self:
        """Training mode for all but the language model, which is as it is used."""
        super().train(mode)
        self.language_model.train(False)
        return self

    def fault(self, item: Item) -> str | None:
        """Why there is no clip, or that it and the prompt are too long for the language model."""
        found = self.frames.fault(item)
        if found is not None:
            return found
        config: Any = self.language_model.config
        room = getattr(config, "max_position_embeddings", None)
        taken = sum(map(len, self._prompt_ids(item))) + self.frames.longest(item)
        if room is not None and taken > room:
            return f"takes {taken} positions, more than the language model's {room}"
        return None

    def batch(
        self, items: Sequence[Item], categories: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """What :meth:`forward` takes.

        ``inputs``, ``mask``: of the clips, a row per window; ``before``, ``after``: token ids on
        both sides of the clip, (rows, tokens), -1 where there is none; ``seconds`` (items, rows);
        ``target``: the classes' indices.
        """
        heard = self.frames.collect(items, augmented=self.training)
        sides = [self._prompt_ids(items[owner]) for owner in heard.owners]
        device = heard.inputs.device
        batch = {"inputs": heard.inputs, "mask": heard.mask, "seconds": heard.seconds}
        for index, name in enumerate(("before", "after")):
            rows = [torch.tensor(side[index], dtype=torch.long) for side in sides]
            padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
            batch[name] = padded.to(device)
        if categories is not None:
            batch["target"] = self.target(categories).to(device)
        return batch

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """``logits``, and with a ``target`` also ``loss``, the mean cross-entropy."""
        vectors, heard = self.frames(batch["inputs"], batch["mask"])
        sound = self.projector(vectors) * self._scale
        logits = pool(self._word_logits(sound, heard, batch), batch["seconds"])
        return self.with_loss(logits, batch.get("target"))

    def _word_logits(self, sound: Tensor, heard: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """(rows, classes), float32: prompts padded on the left, so that all end together."""
        embedding = self.language_model.get_input_embeddings()
        rows = []
        for index in range(len(sound)):
            before, after = (batch[name][index] for name in ("before", "after"))
            parts = (embedding(before[before >= 0]), sound[index][heard[index]])
            rows.append(torch.cat([*parts, embedding(after[after >= 0])]))
        lengths = torch.tensor([len(row) for row in rows], device=sound.device)
        embedded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left")
        places = torch.arange(embedded.shape[1], device=sound.device)
        mask = places >= embedded.shape[1] - lengths[:, None]
        found = self.language_model(
            inputs_embeds=embedded.to(self.base.dtype),
            attention_mask=mask.long(),
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            logits_to_keep=1,
            use_cache=False,
        )
        last: Tensor = found.logits[:, -1]
        return last[:, self.get_buffer("word_ids")].float()

    def _prompt_ids(self, item: Item) -> tuple[list[int], list[int]]:
        """Token ids before and after the clip, made apart from each other."""
        before, _, after = self.prompt.render(item, _HERE).partition(_HERE)
        tokenizer = self.base.tokenizer
        rest = tokenizer(after, add_special_tokens=False)["input_ids"] if after else []
        return prompt_ids(tokenizer, before), [int(token) for token in rest]

    def answers(self, items: Sequence[Item]) -> list[Answer]:
        """The likeliest class of each, with the probabilities of all."""
        return self.likeliest(items)

    def provenance(self) -> dict[str, str]:
        """The encoder, the language model and the prompt."""
        return {
            "encoder": self.frames.identity(),
            "language_model": self.base.sha256,
            "prompt": self.prompt.sha256,
        }


def word_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, words: Sequence[str]) -> list[int]:
    """The token of each word as it follows the prompt (with the space that stands before it).

    Raises
    ------
    InputError
        If a word is not one token, or two words are the same token.
    """
    found: dict[int, str] = {}
    for word in words:
        text = prompt.completion([word])
        ids = [int(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
        if len(ids) != 1:
            pieces = ", ".join(repr(piece) for piece in tokenizer.convert_ids_to_tokens(ids))
            raise InputError(
                f"the word {text!r} is {len(ids)} tokens of this language model: {pieces}",
                expected="a word that is one token, whose logit can be read",
                mend="declare another word for that class in the recipe's words",
            )
        if ids[0] in found:
            raise InputError(
                f"the words {found[ids[0]]!r} and {word!r} are the same token",
                expected="another word for each class",
            )
        found[ids[0]] = word
    return list(found)


def build(
    recipe: ProjectorLmRecipe,
    scale: str,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    base: str | None = None,
) -> ProjectorModel:
    """A model whose projector is drawn from ``seed``; frozen parts have dtype ``dtype``.

    ``base``: in place of the recipe's language model.

    Raises
    ------
    InputError
        If a frozen part cannot be opened, does not fit the recipe's lengths, or makes several
        tokens of a word.
    """
    part = recipe.scale(scale)
    name = str(dtype).removeprefix("torch.")
    language_model = load_base(base or part.backbone, dtype=name, device=str(device))
    frames = _open_frames(part, f"recipe {recipe.name}, scale {scale}", seed, device, dtype)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = ProjectorModel(
            recipe.classes_at(scale), frames, language_model, part.prompt, part.words
        )
    return model.to(device)


def _open_frames(
    part: ProjectorScale, where: str, seed: int, device: torch.device, dtype: torch.dtype
) -> Frames:
    if part.feature_size is not None:
        return FileFrames(part.encoder.removeprefix(FEATURES), part.feature_size, device)
    encoder = open_speech_encoder(part.encoder, device, dtype)
    check_length(part.audio, encoder.max_seconds, encoder.name, where)
    return EncoderFrames(encoder, Clips(part.audio, part.training.augment, seed))
