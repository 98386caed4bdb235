"""What a system that hears is to the trainer and to an evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer
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

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that training changes, by name: what is saved."""
        names = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in self.state_dict().items() if name in names}

    @abstractmethod
    def provenance(self) -> dict[str, str]:
        """sha256 of each frozen part and of the prompt, by what it is called."""
