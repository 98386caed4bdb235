"""Texts to token ids: prompt, completion and end-of-sequence token, and what had to stay out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ovbench.errors import InputError
from ovbench.systems.prompting import completion_ids, prompt_ids

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

OK, TOO_LONG, NO_TARGET = "ok", "too_long", "no_target"


class Pair(NamedTuple):
    """One training text: ``completion`` is what the model is to say after ``prompt``."""

    id: str
    prompt: str
    completion: str


@dataclass(frozen=True)
class Encoded:
    """Tokenised texts, ready to be collated; row i of every field belongs to one item."""

    ids: tuple[str, ...]
    tokens: tuple[NDArray[np.int64], ...]
    """Per item: prompt, completion and end-of-sequence token; never cut."""
    prompt_lengths: tuple[int, ...]
    """Per item: tokens of the prompt; the rest is what is learned. At least 1."""
    context: NDArray[np.float32] | None
    """(items, D) label contexts, or None for a method that takes none."""
    pad_id: int
    statuses: dict[str, int]
    """Items by status before exclusion: ``ok``, ``too_long``, ``no_target``."""
    seams: int
    """Items whose text, tokenised as a whole, has other tokens around the completion's beginning
    than the base has seen in running text. Above 0, look at where the prompt file ends."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> list[int]:
        """Tokens per item, prompt and completion together."""
        return [len(row) for row in self.tokens]

    def targets(self, indices: Sequence[int]) -> int:
        """Tokens that the loss is taken over, in the items at ``indices``."""
        return sum(len(self.tokens[i]) - self.prompt_lengths[i] for i in indices)


def encode(
    pairs: Sequence[Pair],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    context: NDArray[np.float32] | None = None,
) -> Encoded:
    """Tokenise ``pairs``; items that do not fit are left out whole and counted.

    Prompt and completion are tokenised apart, as generation needs it, so a prompt's tokens always
    are the first ones of its item.

    Parameters
    ----------
    max_length:
        Tokens an item may have in all, with its end-of-sequence token.
    context:
        (len(pairs), D), aligned with ``pairs``.

    Raises
    ------
    InputError
        If the tokenizer has no end-of-sequence token, if no item is left, if ``context`` has
        another number of rows, or if a prompt has no tokens.
    """
    if not isinstance(tokenizer.eos_token_id, int):
        raise InputError(
            "the tokenizer has no end-of-sequence token, so a model could not learn to stop",
            mend="set eos_token in the base's tokenizer_config.json",
        )
    if context is not None and len(context) != len(pairs):
        raise InputError(f"{len(context)} label contexts were given for {len(pairs)} items")
    kept: list[int] = []
    rows: list[NDArray[np.int64]] = []
    starts: list[int] = []
    statuses: Counter[str] = Counter()
    seams = 0
    for index, pair in enumerate(pairs):
        prompt = prompt_ids(tokenizer, pair.prompt)
        row = prompt + completion_ids(tokenizer, pair.completion)
        if not prompt:
            raise InputError("the prompt has no tokens", where=f"item {pair.id}")
        status = _status(pair, len(row), max_length)
        statuses[status] += 1
        if status != OK:
            continue
        seams += prompt_ids(tokenizer, pair.prompt + pair.completion) != row[:-1]
        kept.append(index)
        rows.append(np.array(row, dtype=np.int64))
        starts.append(len(prompt))
    if not kept:
        raise _nothing_left(statuses, max_length)
    pad = tokenizer.pad_token_id
    return Encoded(
        ids=tuple(pairs[i].id for i in kept),
        tokens=tuple(rows),
        prompt_lengths=tuple(starts),
        context=None if context is None else np.ascontiguousarray(context[kept], np.float32),
        pad_id=pad if isinstance(pad, int) else tokenizer.eos_token_id,
        statuses=dict(statuses),
        seams=seams,
    )


def _status(pair: Pair, length: int, max_length: int) -> str:
    if not pair.completion.strip():
        return NO_TARGET
    return OK if length <= max_length else TOO_LONG


def _nothing_left(statuses: Counter[str], max_length: int) -> InputError:
    why = {TOO_LONG: f"longer than max_length {max_length}", NO_TARGET: "without an emotion word"}
    counts = ", ".join(f"{n} {why[status]}" for status, n in sorted(statuses.items()))
    return InputError(
        f"nothing is left to train on or to evaluate (items: {counts or 'none'})",
        mend="raise max_length in the recipe" if statuses[TOO_LONG] else None,
    )
