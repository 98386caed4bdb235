"""An audio language model in memory: what it hears, and what it answers, greedily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import torch
from transformers import GenerationConfig

from ovbench.speech.audio_llm_inputs import Family, control_id, hear, left_padded, longest_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, WhisperFeatureExtractor


@dataclass(frozen=True)
class AudioLlm:
    """An audio language model in memory.

    Attributes
    ----------
    family:
        Its architecture, and how it is spoken to.
    model:
        In evaluation mode, on its device.
    tokenizer, extractor:
        Its own.
    name:
        As it was asked for.
    sha256:
        Of its weights.
    """

    family: Family
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    extractor: WhisperFeatureExtractor
    name: str
    sha256: str

    @property
    def longest(self) -> float:
        """Seconds of the longest clip that it can be given."""
        return longest_of(self.family, self.extractor)

    @property
    def dtype(self) -> str:
        """Of its weights, as PyTorch names it."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def ends(self) -> list[int]:
        """Ids of the tokens that end an answer."""
        shipped = getattr(self.model.generation_config, "eos_token_id", None)
        found = {control_id(self.tokenizer, token) for token in self.family.ends}
        for end in (shipped, self.tokenizer.eos_token_id):
            found.update(end if isinstance(end, list) else [] if end is None else [end])
        return sorted(found)

    @property
    def pad(self) -> int:
        """Id of the token that fills prompts up; masked, so any will do."""
        padding = self.tokenizer.pad_token_id
        return padding if isinstance(padding, int) else self.ends[0]

    def hear(self, clips: Sequence[NDArray[np.float32]]) -> tuple[dict[str, Tensor], list[int]]:
        """The model's audio inputs, on its device, and how many vectors each clip becomes.

        ``clips``: mono samples at 16 kHz.
        """
        found, counts = hear(self.family, self.model, self.extractor, clips)
        inputs = {name: tensor.to(self.model.device) for name, tensor in found.items()}
        inputs["input_features"] = inputs["input_features"].to(self.model.dtype)
        return inputs, counts


class Generated(NamedTuple):
    """One answer: its text without control tokens, ``truncated`` where it was cut off."""

    text: str
    status: Literal["ok", "empty", "truncated"]
    tokens: int
    """Generated, the one that ends it included."""


def generate(
    llm: AudioLlm, prompts: Sequence[Sequence[int]], audio: Mapping[str, Tensor], max_new: int
) -> list[Generated]:
    """Greedy answers to prompts of token ids, whose clips are in ``audio``."""
    text = {name: one.to(llm.model.device) for name, one in left_padded(prompts, llm.pad).items()}
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=max_new, do_sample=False, eos_token_id=llm.ends, pad_token_id=llm.pad
    )
    with torch.inference_mode():
        output: Tensor = cast(Any, llm.model).generate(**text, **audio, generation_config=config)
    found = []
    for row in output[:, text["input_ids"].shape[1] :].tolist():
        end = next((i for i, token in enumerate(row) if token in llm.ends), None)
        said = str(llm.tokenizer.decode(row[:end], skip_special_tokens=True)).strip()
        if end is None:
            found.append(Generated(said, "truncated", len(row)))
        else:
            found.append(Generated(said, "ok" if said else "empty", end + 1))
    return found
