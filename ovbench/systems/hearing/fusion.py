"""HuBERT and BERT, fused by attention and a gate: the single layer, and CmGI.

After Bian, Liang and Zhang, "Single-Layered Fusion in Uni-Task Multimodal Speech Emotion
Recognition Models" (term paper, Groningen 2024), and their code, which holds CmGI (Gao, Shi, Chu
and Kawahara, Interspeech 2024) in one layer. X, the last hidden states of HuBERT, and Y, those of
BERT brought to the same width, attend to each other (:mod:`ovbench.systems.hearing.gating`); means
over time go to a linear classifier.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from ovbench.errors import InputError
from ovbench.systems.answers import Answer, Stage
from ovbench.systems.hearing.base import SpeechModel, check_length
from ovbench.systems.hearing.clips import Clips
from ovbench.systems.hearing.encoders import SpeechEncoder, open_speech_encoder
from ovbench.systems.hearing.gating import Cmgi, SingleLayer
from ovbench.systems.hearing.recipes import GatedFusionRecipe
from ovbench.systems.hearing.recognizer import Recognizer, open_recognizer
from ovbench.systems.hearing.text_encoder import TextEncoder, open_text_encoder
from ovbench.systems.hearing.windows import pool, windows_of
from ovbench.tasks import Item


@dataclass(frozen=True)
class FusionParts:
    """What a fusion model is made of, opened.

    ``recognizer``: what the text is heard by; None: the items' transcripts are taken.
    """

    speech: SpeechEncoder
    text: TextEncoder
    recognizer: Recognizer | None
    clips: Clips


class FusionModel(SpeechModel):
    """Speech and text in one answer; :func:`build` makes one.

    With ``masks``, a clip's answer does not depend on those beside it. Without, as in the released
    code, padding counts: the encoder hears it, frames attend to it, and the means include it.

    Raises
    ------
    InputError
        If the speech encoder is not of the fusion's width.
    """

    def __init__(
        self, classes: Sequence[str], parts: FusionParts, recipe: GatedFusionRecipe, width: int
    ) -> None:
        super().__init__(classes)
        if parts.speech.size != width:
            raise InputError(
                f"the width is {width}; {parts.speech.name} has {parts.speech.size} a frame",
                expected="the speech encoder's own width, as there is no map between them",
                mend=f"set width to {parts.speech.size} in the recipe",
            )
        self.clips, self.text, self.recognizer = parts.clips, parts.text, parts.recognizer
        self.masks, self.train_encoders = recipe.masks, recipe.train_encoders
        self.speech_encoder, self.text_encoder = parts.speech, parts.text.model
        for encoder in (self.speech_encoder.model, self.text_encoder):
            encoder.requires_grad_(recipe.train_encoders)
        self.text_to_width = nn.Linear(parts.text.size, width)
        self.fusion = Cmgi(width, recipe.layers) if recipe.form == "cmgi" else SingleLayer(width)
        self.dropout = nn.Dropout(recipe.dropout)
        self.out = nn.Linear(self.fusion.outputs, len(self.classes))
        self._heard: dict[str, Stage] = {}

    def train(self, mode: bool = True) -> Self:
        """Encoders are in training mode only where they are trained."""
        super().train(mode)
        for encoder in (self.speech_encoder.model, self.text_encoder):
            encoder.train(mode and self.train_encoders)
        return self

    def fault(self, item: Item) -> str | None:
        """Why there is no clip to hear. An empty transcript is no fault: it is an empty text."""
        return self.clips.fault(item)

    def transcript(self, item: Item) -> Stage | None:
        """What the recognizer heard in a clip, once and for all; None without a recognizer.

        It hears the clip as it is, without augmentation, window by window.
        """
        if self.recognizer is None:
            return None
        clip = str(item.audio)
        if clip not in self._heard:
            start = time.perf_counter()
            texts = [self.recognizer.transcribe(one) for one in self.clips.windows(item)]
            seconds = time.perf_counter() - start
            self._heard[clip] = Stage("asr", " ".join(texts), seconds=seconds)
        return self._heard[clip]

    def batch(
        self, items: Sequence[Item], categories: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """What :meth:`forward` takes.

        ``inputs``, ``mask``: of the clips, a row per window; ``input_ids``, ``attention_mask``: of
        their texts, (rows, tokens), the whole text with every window; ``seconds`` (items, rows);
        ``target``: the classes' indices.
        """
        heard = windows_of(self.clips, items, augmented=self.training)
        texts = []
        for item in items:
            stage = self.transcript(item)
            texts.append(item.transcript if stage is None else stage.text)
        batch = self.speech_encoder.features(heard.samples)
        batch |= self.text.features([texts[owner] for owner in heard.owners])
        device = batch["inputs"].device
        batch["seconds"] = heard.seconds.to(device)
        if categories is not None:
            batch["target"] = self.target(categories).to(device)
        return batch

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """``logits``, and with a ``target`` also ``loss``, the mean cross-entropy."""
        mask = batch["mask"] if self.masks else torch.ones_like(batch["mask"])
        with nullcontext() if self.train_encoders else torch.no_grad():
            states, heard = self.speech_encoder.hidden_states(batch["inputs"], mask)
            read = batch["attention_mask"]
            words = self.text.states(batch["input_ids"], read)
        text = self.text_to_width(words)
        known = (heard, read.bool()) if self.masks else (None, None)
        pooled = self.fusion(states[-1].float(), text, *known)
        logits = pool(self.out(self.dropout(pooled)), batch["seconds"])
        return self.with_loss(logits, batch.get("target"))

    def answers(self, items: Sequence[Item]) -> list[Answer]:
        """The likeliest class of each, with all probabilities, and what was heard as text."""
        found = []
        for item, answer in zip(items, self.likeliest(items), strict=True):
            stage = None if answer.status == "error" else self.transcript(item)
            found.append(answer if stage is None else replace(answer, stages=(stage,)))
        return found

    def provenance(self) -> dict[str, str]:
        """Both encoders as they were before any training, and the recognizer."""
        parts = {"audio_encoder": self.speech_encoder.sha256, "text_encoder": self.text.sha256}
        return parts | ({} if self.recognizer is None else {"asr": self.recognizer.sha256})


def build(
    recipe: GatedFusionRecipe,
    scale: str,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    base: str | None = None,
) -> FusionModel:
    """A model with fresh trainable weights from ``seed``; frozen parts have dtype ``dtype``.

    ``base``: in place of the recipe's speech encoder. Encoders that are trained are float32.

    Raises
    ------
    InputError
        If a part cannot be opened, they do not fit together, or the speech encoder cannot hear
        clips as long as the recipe shows it.
    """
    part = recipe.scale(scale)
    of_encoders = torch.float32 if recipe.train_encoders else dtype
    speech = open_speech_encoder(base or part.audio_encoder, device, of_encoders)
    where = f"recipe {recipe.name}, scale {scale}"
    check_length(part.audio, speech.max_seconds, speech.name, where)
    parts = FusionParts(
        speech=speech,
        text=open_text_encoder(part.text_encoder, device, of_encoders),
        recognizer=open_recognizer(part.asr, device, dtype) if part.asr else None,
        clips=Clips(part.audio, part.training.augment, seed),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FusionModel(recipe.classes_at(scale), parts, recipe, part.width)
    return model.to(device)
