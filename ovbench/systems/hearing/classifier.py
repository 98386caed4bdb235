"""PEFT-SER: a frozen speech encoder, a light method of adapting it, and a convolutional head.

After Feng and Narayanan, "PEFT-SER: On the Use of Parameter Efficient Transfer Learning Approaches
For Speech Emotion Recognition Using Pre-trained Speech Models" (2023), and their code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from ovbench.systems.answers import Answer
from ovbench.systems.hearing.base import SpeechModel, check_length
from ovbench.systems.hearing.clips import Clips
from ovbench.systems.hearing.encoders import SpeechEncoder, open_speech_encoder
from ovbench.systems.hearing.recipes import (
    Bottleneck,
    EmbeddingPrompt,
    FfnLora,
    SpeechClassifierRecipe,
    SpeechMethod,
)
from ovbench.systems.hearing.windows import pool, windows_of
from ovbench.tasks import Item

_FFN = {"whisper": ["fc1", "fc2"]}
"""The two linear modules of a layer's feed-forward part, by family."""
_FFN_OF_OTHERS = ["intermediate_dense", "output_dense"]


class Head(nn.Module):
    """A learnt mean of all hidden states, three convolutions of width 1, and a classifier.

    softmax(``weights``) over the ``states`` hidden states, which start equal; Conv1d, ReLU,
    dropout, Conv1d, ReLU, dropout, Conv1d; the mean over a clip's frames; Linear, ReLU, Linear.

    Parameters
    ----------
    states:
        Hidden states of the encoder: its layers and one.
    size, hidden, classes:
        Numbers per frame, width of the head, outputs.
    """

    def __init__(self, states: int, size: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((states,), 1 / states))
        self.convolutions = nn.Sequential(
            nn.Conv1d(size, hidden, 1),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(hidden, hidden, 1),
        )
        self.out = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, states: Sequence[Tensor], frames: Tensor) -> Tensor:
        """Logits (items, classes) of hidden states (items, frames, size) and their mask."""
        stacked = torch.stack(tuple(states)).float()
        mixed = torch.einsum("s,sitd->idt", self.weights.softmax(0), stacked)
        kept = frames[:, None].to(mixed.dtype)
        mean = (self.convolutions(mixed) * kept).sum(2) / kept.sum(2)
        return cast(Tensor, self.out(mean))


class BottleneckAdapter(nn.Module):
    """x → x + scale · up(dropout(ReLU(down(x)))), with ``up`` and ``down``'s bias 0 at the start.

    ``down``'s weight starts uniform within ±1/√size, as the published code's (Kaiming, a = √5) and
    PyTorch's own do. So at the start it gives x.
    """

    def __init__(self, size: int, settings: Bottleneck) -> None:
        super().__init__()
        self.down = nn.Linear(size, settings.size)
        self.up = nn.Linear(settings.size, size)
        self.dropout = nn.Dropout(settings.dropout)
        self.scale = settings.scale
        for start in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(start)

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape (…, size), in the dtype of ``x``."""
        narrow = self.dropout(self.down(x.to(self.up.weight.dtype)).relu())
        up: Tensor = self.up(narrow)
        return x + (self.scale * up).to(x.dtype)


class SpeechClassifier(SpeechModel):
    """A speech classifier; :func:`build` makes one from a recipe.

    The answer is the likeliest class's canonical id. Windows of a clip are pooled by their
    probabilities (:func:`ovbench.systems.hearing.windows.pool`).
    """

    def __init__(
        self,
        classes: Sequence[str],
        encoder: SpeechEncoder,
        clips: Clips,
        method: SpeechMethod,
        *,
        hidden: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(classes)
        self.encoder, self.clips = encoder, clips
        self.prompts: nn.Parameter | None = None
        self.adapters = nn.ModuleList()
        if isinstance(method, FfnLora):
            _inject_lora(encoder, method)
        elif isinstance(method, Bottleneck):
            self.adapters.extend(
                BottleneckAdapter(encoder.size, method) for _ in range(encoder.layers)
            )
            for block, adapter in zip(encoder.blocks, self.adapters, strict=True):
                attach(block, cast(BottleneckAdapter, adapter), encoder, method.name)
        elif isinstance(method, EmbeddingPrompt):
            # Each layer's by itself, (1, length, size): Xavier's bound depends on the shape.
            shape = (1, method.length, encoder.size)
            each = [nn.init.xavier_uniform_(torch.empty(shape)) for _ in range(encoder.layers)]
            self.prompts = nn.Parameter(torch.cat(each))
        self.head = Head(encoder.layers + 1, encoder.size, hidden, len(self.classes), dropout)

    def fault(self, item: Item) -> str | None:
        """Why there is no clip to hear."""
        return self.clips.fault(item)

    def batch(
        self, items: Sequence[Item], categories: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """``inputs``, ``mask``: features of all windows; ``seconds`` (items, windows): how long
        each lasts, 0 where it is another item's; ``target``: the classes' indices.
        """
        heard = windows_of(self.clips, items, augmented=self.training)
        batch = self.encoder.features(heard.samples)
        batch["seconds"] = heard.seconds.to(self.encoder.device)
        if categories is not None:
            batch["target"] = self.target(categories).to(self.encoder.device)
        return batch

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """``logits``, and with a ``target`` also ``loss``, the mean cross-entropy."""
        states, frames = self.encoder.hidden_states(batch["inputs"], batch["mask"], self.prompts)
        logits = pool(self.head(states, frames), batch["seconds"])
        return self.with_loss(logits, batch.get("target"))

    def answers(self, items: Sequence[Item]) -> list[Answer]:
        """The likeliest class of each, with the probabilities of all."""
        return self.likeliest(items)

    def provenance(self) -> dict[str, str]:
        """The encoder's hash."""
        return {"encoder": self.encoder.sha256}


def build(
    recipe: SpeechClassifierRecipe,
    scale: str,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    base: str | None = None,
) -> SpeechClassifier:
    """A classifier with fresh trainable weights from ``seed``; its encoder has dtype ``dtype``.

    Raises
    ------
    InputError
        If the encoder cannot be opened, or cannot hear clips as long as the recipe shows it.
    """
    part = recipe.scale(scale)
    encoder = open_speech_encoder(base or part.backbone, device, dtype)
    where = f"recipe {recipe.name}, scale {scale}"
    check_length(part.audio, encoder.max_seconds, encoder.name, where)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = SpeechClassifier(
            recipe.classes_at(scale),
            encoder,
            Clips(part.audio, part.training.augment, seed),
            recipe.method,
            hidden=recipe.hidden,
            dropout=recipe.dropout,
        )
    return model.to(device)


def _inject_lora(encoder: SpeechEncoder, method: FfnLora) -> None:
    """LoRA on the feed-forward modules, A and B float32; all else stays frozen."""
    config = LoraConfig(
        r=method.r,
        lora_alpha=cast(int, method.lora_alpha),
        target_modules=_FFN.get(encoder.family, _FFN_OF_OTHERS),
        lora_dropout=0.0,
    )
    inject_adapter_in_model(config, encoder.model)
    for name, parameter in encoder.model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
        parameter.requires_grad_("lora_" in name)


def attach(block: nn.Module, adapter: BottleneckAdapter, encoder: SpeechEncoder, form: str) -> None:
    """Put a bottleneck on a layer, as the published code has it.

    With r what leaves the layer's attention and its residual, F the feed-forward part, N the norm
    before or after it, and A the whole adapter, A(x) = x + scale · up(…):

    ==============================  ==============================  ==============================
    a layer that                    ``adapter`` gives               ``adapter_l`` gives
    ==============================  ==============================  ==============================
    begins with its norms           r + F(N(r)) + A(r)              r + f + A(f), f = F(N(r))
    (Whisper, WavLM large, MMS)
    ends with them (WavLM base)     N(h + A(r)), h = x + F(x)       N(h + A(h)), h = x + F(x)
    ==============================  ==============================  ==============================

    where x is r after the norm that follows attention. WavLM large and MMS have no bottlenecks in
    the published code; their layers are Whisper's.
    """
    parts: Any = block
    fed: list[Tensor] = []
    beside = form == "adapter"

    def take(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        fed[:] = [args[0]]

    def added(out: Tensor) -> Tensor:
        more: Tensor = adapter(fed.pop() if beside else out)
        return out + more

    if beside:
        begin: nn.Module = parts.final_layer_norm if encoder.norm_first else parts.layer_norm
        begin.register_forward_pre_hook(take)
    if encoder.norm_first:
        end: nn.Module = parts.fc2 if encoder.family == "whisper" else parts.feed_forward
        end.register_forward_hook(lambda _module, _args, out: added(out))
    else:
        parts.final_layer_norm.register_forward_pre_hook(lambda _module, args: (added(args[0]),))
