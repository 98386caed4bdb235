"""What a system that hears is to the trainer and to an evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ovbench.errors import InputError
from ovbench.systems.answers import Answer
from ovbench.systems.hearing.clips import Clips

if TYPE_CHECKING:
    from ovbench.systems.hearing.recipes import AudioPolicy
    from ovbench.tasks import Item


class SpeechModel(nn.Module, ABC):
    """A model over clips whose answer is one of ``classes``, or a word for one.

    Parameters
    ----------
    classes:
        Canonical class ids, in the order of the outputs.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)

    @abstractmethod
    def fault(self, item: Item) -> str | None:
        """Why the model cannot take an item, as a clause (``lasts 14.2 s, more than 10``)."""

    @abstractmethod
    def batch(
        self, items: Sequence[Item], categories: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """What :meth:`forward` takes, on the model's device.

        ``categories``: the items' canonical classes, for the loss. In training mode clips are
        augmented, where the recipe says so.
        """

    @abstractmethod
    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """``logits`` (items, classes), float32; with categories also ``loss``, a scalar."""

    @abstractmethod
    def answers(self, items: Sequence[Item]) -> list[Answer]:
        """An answer for each, in their order; an item with a :meth:`fault` gets status error."""

    def lengths(self, items: Sequence[Item]) -> str | None:
        """What becomes of clips that are longer than the model is shown, in words; None: none is.

        (:meth:`ovbench.systems.hearing.clips.Clips.lengths`.)
        """
        clips = getattr(self, "clips", None)
        return clips.lengths(items) if isinstance(clips, Clips) else None

    def target(self, categories: Sequence[str]) -> Tensor:
        """The index of each canonical class among :attr:`classes`, int64, on the CPU."""
        return torch.tensor([self.classes.index(one) for one in categories])

    def with_loss(self, logits: Tensor, target: Tensor | None) -> dict[str, Tensor]:
        """What :meth:`forward` gives: ``logits``, and with a target their mean cross-entropy."""
        if target is None:
            return {"logits": logits}
        return {"logits": logits, "loss": nn.functional.cross_entropy(logits, target)}

    @torch.no_grad()
    def likeliest(self, items: Sequence[Item]) -> list[Answer]:
        """As :meth:`answers`: the class of the highest logit, with the probabilities of all."""
        good = [item for item in items if self.fault(item) is None]
        found: dict[str, Answer] = {}
        if good:
            shares = self(**self.batch(good))["logits"].softmax(1).tolist()
            for item, row in zip(good, shares, strict=True):
                best = self.classes[row.index(max(row))]
                found[item.id] = Answer(item.id, best, "ok", 1, scores=tuple(row))
        return [found.get(item.id) or Answer(item.id, "", "error", 0) for item in items]

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that training changes, by name: what is saved."""
        names = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in self.state_dict().items() if name in names}

    @abstractmethod
    def provenance(self) -> dict[str, str]:
        """sha256 of each frozen part and of the prompt, by what it is called."""


def check_length(audio: AudioPolicy, longest: float | None, name: str, where: str) -> None:
    """Go on if a model hears stretches as long as the policy shows it.

    Parameters
    ----------
    longest:
        Seconds that it takes at most; None: any length.
    name, where:
        The model's, and the recipe's.

    Raises
    ------
    InputError
        If it does not.
    """
    if longest is not None and audio.max_seconds > longest:
        raise InputError(
            f"audio.max_seconds is {audio.max_seconds:g}; {name} hears {longest:g} s",
            where=where,
            mend=f"set it to at most {longest:g} in the recipe",
        )
