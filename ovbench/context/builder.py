"""Context builders: from settings to vectors, with a record of what the vectors were made of.

A builder is made once, from settings, from the *train* split where its source needs a vocabulary,
and from gold only where its source is ``oracle``. From then on it is handed items, which have no
label fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovbench.context.encoder import Encoder
from ovbench.context.opening import open_encoder
from ovbench.context.settings import ContextSettings, Source
from ovbench.context.shuffle import donors
from ovbench.context.sources import (
    Answers,
    Candidates,
    ContextSource,
    Description,
    Oracle,
    Prototypes,
    TwoPass,
)
from ovbench.errors import InputError
from ovbench.frozen import Frozen
from ovbench.tasks import Gold, Item, Task


class Provenance(Frozen):
    """What contexts were made of. Fields that a source does not use are None."""

    source: Source
    oracle: bool
    """Whether gold labels went in. Such a run is an upper bound and is never ranked."""
    encoder: str | None = None
    """Id of the encoder, with its data or weights by hash."""
    dim: int = 0
    inputs: tuple[str, ...] = ()
    """What of an item went in: ``description``, ``predicted labels``, ``gold labels``."""
    vocabulary: str | None = None
    """SHA-256 over the frozen vocabulary's words."""
    vocabulary_size: int | None = None
    temperature: float | None = None
    shuffled: str | None = None
    """SHA-256 over seed and ids of the split in which contexts were exchanged, if they were."""

    @property
    def digest(self) -> str:
        """SHA-256 over all fields, hexadecimal."""
        return _sha256(self.model_dump(mode="json"))


@dataclass(frozen=True)
class ContextBuilder:
    """Makes the label contexts of items; :func:`open_context` opens one.

    Attributes
    ----------
    provenance:
        What the contexts are made of.
    encoder:
        What they are made with; None for source ``none``.
    """

    provenance: Provenance
    encoder: Encoder | None
    _source: ContextSource | None
    _donors: Mapping[str, Item] | None = None

    @property
    def source(self) -> Source:
        """Name of the source."""
        return self.provenance.source

    @property
    def schema(self) -> str | None:
        """Id of the vector space, that training and evaluation must share; None without context."""
        return self.provenance.encoder

    @property
    def dim(self) -> int:
        """Length of a context; 0 for source ``none``."""
        return self.provenance.dim

    @property
    def oracle(self) -> bool:
        """Whether gold labels go in."""
        return self.provenance.oracle

    @property
    def digest(self) -> str:
        """SHA-256 over the provenance, hexadecimal."""
        return self.provenance.digest

    def build(
        self, items: Sequence[Item], answers: Answers | None = None
    ) -> NDArray[np.float32] | None:
        """The contexts of items; each is the same whichever other items are in the call.

        Parameters
        ----------
        items:
            What a system sees.
        answers:
            For ``two_pass``: the labels that the first pass predicted, by item id. Without them,
            the contexts of the first pass.

        Returns
        -------
        Shape (items, dim), float32, rows of length at most 1; None for source ``none``.

        Raises
        ------
        InputError
            If ``answers`` are given to another source or lack an item, or with shuffled contexts
            an item is not of the split.
        """
        if answers is not None and self.source != "two_pass":
            raise InputError(
                f"predicted labels were given to context source {self.source!r}",
                expected="source two_pass, the only one that looks at them",
            )
        if self._source is None:
            return None
        from_items = items if self._donors is None else [self._donor(item) for item in items]
        return self._source.rows(from_items, answers).astype(np.float32)

    def _donor(self, item: Item) -> Item:
        if self._donors is None or item.id not in self._donors:
            raise InputError(
                f"item {item.id!r} is not of the split whose contexts are shuffled",
                mend="open the context over all items of the split",
            )
        return self._donors[item.id]


def open_context(
    settings: ContextSettings,
    train: Task | None = None,
    *,
    over: Sequence[Item] | None = None,
    oracle_gold: Mapping[str, Gold] | None = None,
) -> ContextBuilder:
    """A builder.

    Parameters
    ----------
    settings:
        What to build.
    train:
        The train split, whose vocabulary ``prototypes`` and ``candidates`` freeze; the other
        sources do not look at it.
    over:
        All items of the split, for the shuffled control.
    oracle_gold:
        Gold of the items, for source ``oracle`` and no other.

    Raises
    ------
    InputError
        If what the source needs is missing, gold is handed to a source that must not have it, or
        ``train`` is another split.
    UnknownNameError, MissingExtraError
        If the encoder does not exist, or what it needs is not installed.
    """
    if (oracle_gold is not None) != (settings.source == "oracle"):
        raise InputError(
            f"context source {settings.source!r} was "
            + ("given gold labels" if oracle_gold is not None else "given no gold labels"),
            expected="gold labels for source 'oracle', and for no other",
        )
    if settings.source == "none":
        return ContextBuilder(Provenance(source="none", oracle=False), None, None)
    encoder = open_encoder(settings.encoder)
    vocabulary = _vocabulary(settings.source, train)
    return _assembled(settings, encoder, vocabulary, _exchanged(settings, over), oracle_gold)


def context_of(settings: ContextSettings, split: Task, train: Task | None) -> ContextBuilder:
    """The builder of a split's contexts; its gold goes in for source ``oracle`` alone.

    ``train`` and errors as :func:`open_context`.
    """
    return open_context(
        settings,
        train,
        over=split.items if settings.shuffled else None,
        oracle_gold=split.gold if settings.source == "oracle" else None,
    )


def oracle_context(encoder: Encoder, gold: Mapping[str, Gold]) -> ContextBuilder:
    """Contexts made of gold labels: an upper bound, and what a leak test must be able to see."""
    return _assembled(ContextSettings(source="oracle"), encoder, (), None, gold)


def _assembled(
    settings: ContextSettings,
    encoder: Encoder,
    vocabulary: Sequence[str],
    exchanged: Mapping[str, Item] | None,
    oracle_gold: Mapping[str, Gold] | None,
) -> ContextBuilder:
    provenance = Provenance(
        source=settings.source,
        oracle=settings.source == "oracle",
        encoder=encoder.id,
        dim=encoder.dim,
        inputs=_INPUTS[settings.source],
        vocabulary=_sha256(vocabulary) if vocabulary else None,
        vocabulary_size=len(vocabulary) if vocabulary else None,
        temperature=settings.temperature if settings.source == "prototypes" else None,
        shuffled=_sha256([settings.seed, sorted(exchanged)]) if exchanged else None,
    )
    source = _open_source(settings, encoder, vocabulary, oracle_gold)
    return ContextBuilder(provenance, encoder, source, exchanged)


_INPUTS: dict[Source, tuple[str, ...]] = {
    "description": ("description",),
    "prototypes": ("description",),
    "candidates": (),
    "two_pass": ("description", "predicted labels"),
    "oracle": ("gold labels",),
}


def _open_source(
    settings: ContextSettings,
    encoder: Encoder,
    vocabulary: Sequence[str],
    oracle_gold: Mapping[str, Gold] | None,
) -> ContextSource:
    match settings.source:
        case "prototypes":
            return Prototypes(encoder, vocabulary, settings.temperature)
        case "candidates":
            return Candidates(encoder, vocabulary)
        case "two_pass":
            return TwoPass(encoder)
        case "oracle":
            return Oracle(encoder, oracle_gold or {})
        case _:
            return Description(encoder)


def _vocabulary(source: Source, train: Task | None) -> tuple[str, ...]:
    """The train split's distinct labels, sorted (classes, in a closed-set view's candidates)."""
    if source not in ("prototypes", "candidates"):
        return ()
    if train is None or train.role != "train":
        found = "no task" if train is None else f"the {train.split} split of {train.id}"
        raise InputError(
            f"context source {source!r} was given {found}",
            expected="the train split, whose vocabulary it freezes",
        )
    golds = train.gold.values()
    if source == "candidates" and train.answers == "class":
        return tuple(sorted({gold.category for gold in golds if gold.category}))
    words = {label for gold in golds for label in gold.labels}
    if not words:
        raise InputError(f"task {train.id!r} has no emotion words to freeze a vocabulary of")
    return tuple(sorted(words))


def _exchanged(settings: ContextSettings, over: Sequence[Item] | None) -> dict[str, Item] | None:
    if not settings.shuffled:
        return None
    if over is None:
        raise InputError(
            "shuffled contexts were asked for without the split's items",
            expected="all items of the split, among which contexts are exchanged",
        )
    return donors(over, settings.seed)


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
