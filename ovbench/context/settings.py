"""The part of a recipe that says how an item's label context is made."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ovbench.frozen import Frozen

Source = Literal["description", "prototypes", "candidates", "two_pass", "none", "oracle"]


class ContextSettings(Frozen):
    """How a label context is made. E is the encoder, d an item's acoustic description."""

    source: Source = "description"
    """``description``: E(d). ``prototypes``: soft retrieval of the train vocabulary by E(d).
    ``candidates``: the mean of the candidate vocabulary, the same for every item. ``two_pass``:
    the mean over the labels that a first pass predicted. ``none``: no context. ``oracle``: the mean
    over the gold labels, an upper bound that is never ranked."""
    encoder: str = "clusters"
    """``clusters`` (built in, without weights), ``clusters:DIM`` (the same in fewer dimensions) or
    ``sentence:PATH`` (sentence-transformers)."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    """What ``prototypes`` multiplies cosines by before the softmax; larger is sharper."""
    shuffled: bool = False
    """The control: every item gets the context of another item of its split."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the control's permutation."""

    @model_validator(mode="after")
    def _shuffle_moves_something(self) -> Self:
        if self.shuffled and self.source in ("none", "candidates", "two_pass"):
            raise ValueError(
                f"source {self.source!r} cannot be shuffled: "
                + (
                    "answers of a first pass are not there for the whole split"
                    if self.source == "two_pass"
                    else "it gives every item the same"
                )
            )
        return self
