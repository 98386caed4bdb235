"""Audio language models that transformers hosts, and what each is given of a clip and a question.

Clips and questions are put together here, with tokenizer and feature extractor alone: the models'
own processors differ in what they cut off without a word, and some need packages for images. A chat
is a list of control tokens and texts; a text is data, so no control token is read in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ovbench.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, WhisperFeatureExtractor

RATE = 16_000
"""Samples per second that every model here hears."""
AUDIO, PROMPT = "{audio}", "{prompt}"
_CHAT = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
_TURN = "<|im_end|>\n<|im_start|>assistant\n"
_CONTROL = re.compile(r"(<\|[^<>|\s]+\|>|<s>|<sound>|\[/?[A-Z_]+\]|\{audio\})")


@dataclass(frozen=True)
class Family:
    """One architecture, and how it is spoken to.

    Attributes
    ----------
    name:
        As transformers calls the model type.
    model_types:
        What ``model_type`` of a folder's ``config.json`` may be.
    model_class:
        Of transformers.
    chat:
        The whole conversation up to the answer, as the model was trained on it: ``{audio}`` is
        where the clip goes, ``{prompt}`` where the question goes.
    placeholder:
        Stands for one vector of the clip.
    ends:
        Tokens that end an answer, beside the tokenizer's own.
    windows:
        How many windows of its feature extractor a clip may fill.
    """

    name: str
    model_types: tuple[str, ...]
    model_class: str
    chat: str
    placeholder: str
    ends: tuple[str, ...]
    windows: int


QWEN2_AUDIO = Family(
    name="qwen2_audio",
    model_types=("qwen2_audio",),
    model_class="Qwen2AudioForConditionalGeneration",
    chat=f"{_CHAT}Audio 1: <|audio_bos|>{AUDIO}<|audio_eos|>\n{PROMPT}{_TURN}",
    placeholder="<|AUDIO|>",
    ends=("<|im_end|>",),
    windows=1,
)
QWEN2_5_OMNI = Family(
    name="qwen2_5_omni",
    model_types=("qwen2_5_omni", "qwen2_5_omni_thinker"),
    model_class="Qwen2_5OmniThinkerForConditionalGeneration",
    chat=f"{_CHAT}<|audio_bos|>{AUDIO}<|audio_eos|>{PROMPT}{_TURN}",
    placeholder="<|AUDIO|>",
    ends=("<|im_end|>",),
    windows=1,  # of 300 s
)
AUDIO_FLAMINGO_3 = Family(
    name="audioflamingo3",
    model_types=("audioflamingo3",),
    model_class="AudioFlamingo3ForConditionalGeneration",
    chat=f"{_CHAT}{AUDIO}{PROMPT}{_TURN}",
    placeholder="<sound>",
    ends=("<|im_end|>",),
    windows=20,
)
VOXTRAL = Family(
    name="voxtral",
    model_types=("voxtral",),
    model_class="VoxtralForConditionalGeneration",
    chat=f"<s>[INST][BEGIN_AUDIO]{AUDIO}{PROMPT}[/INST]",
    placeholder="[AUDIO]",
    ends=(),
    windows=60,
)
FAMILIES = (QWEN2_AUDIO, QWEN2_5_OMNI, AUDIO_FLAMINGO_3, VOXTRAL)


def family_of(config: Mapping[str, object], where: str) -> Family:
    """The family of a folder's ``config.json``. Raises :class:`InputError` if there is none."""
    kind = config.get("model_type")
    for family in FAMILIES:
        if kind in family.model_types:
            return family
    raise InputError(
        f"the model type {kind!r} is no audio language model that ovbench opens",
        where=where,
        expected="one of " + ", ".join(family.name for family in FAMILIES),
        mend="let its own program write the descriptions to a file (docs/how-to/describe-audio.md)",
    )


def chat_ids(
    family: Family, tokenizer: PreTrainedTokenizerBase, prompt: str, heard: int
) -> list[int]:
    """Token ids of the conversation with a clip of ``heard`` vectors.

    Raises
    ------
    InputError
        If the tokenizer lacks one of the family's control tokens.
    """
    ids: list[int] = []
    for piece in _CONTROL.split(family.chat):
        if piece == AUDIO:
            ids += [control_id(tokenizer, family.placeholder)] * heard
        elif _CONTROL.fullmatch(piece):
            ids.append(control_id(tokenizer, piece))
        elif piece:
            ids += _text_ids(tokenizer, piece.replace(PROMPT, prompt))
    return ids


def _text_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text in which control tokens mean themselves."""
    if type(tokenizer).__name__ == "MistralCommonBackend":  # it never reads them in a text
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    found = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    return list(found["input_ids"])


def control_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    """The id of a control token. Raises :class:`InputError` if the tokenizer has none such."""
    found = tokenizer.convert_tokens_to_ids(token)
    if not isinstance(found, int) or found == tokenizer.unk_token_id:
        raise InputError(
            f"the tokenizer has no token {token}",
            expected="the tokenizer that came with the audio language model",
        )
    return found


def left_padded(rows: Sequence[Sequence[int]], pad: int) -> dict[str, Tensor]:
    """``input_ids`` and ``attention_mask``, (rows, longest), int64, padded on the left."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = torch.tensor(row)
        mask[i, width - len(row) :] = 1
    return {"input_ids": ids, "attention_mask": mask}


def hear(
    family: Family,
    model: PreTrainedModel,
    extractor: WhisperFeatureExtractor,
    clips: Sequence[NDArray[np.float32]],
) -> tuple[dict[str, Tensor], list[int]]:
    """The clips as the model takes them, and how many vectors each becomes.

    Parameters
    ----------
    clips:
        Mono samples at 16 kHz, none longer than the family can take.

    Raises
    ------
    InputError
        If a clip is longer than the model can be given, which would cut it off.
    """
    longest = longest_of(family, extractor)
    for clip in clips:
        if len(clip) > longest * RATE:
            raise InputError(
                f"a clip of {len(clip) / RATE:.1f} s",
                expected=f"at most {longest:.0f} s, as much as {family.name} hears",
            )
    if family is VOXTRAL:
        return _whole_windows(model, extractor, clips)
    window = int(extractor.n_samples)
    parts = [[clip[i : i + window] for i in range(0, len(clip), window)] for clip in clips]
    found = extractor(
        [part for clip in parts for part in clip],
        sampling_rate=RATE,
        padding="max_length",
        return_attention_mask=True,
        return_tensors="pt",
    )
    features, mask = found["input_features"], found["attention_mask"]
    each = iter([vectors(int(frames)) for frames in mask.sum(-1)])
    counts = [sum(next(each) for _ in clip) for clip in parts]
    name = "input_features_mask" if family is AUDIO_FLAMINGO_3 else "feature_attention_mask"
    return {"input_features": features, name: mask}, counts


def longest_of(family: Family, extractor: WhisperFeatureExtractor) -> float:
    """Seconds of the longest clip that a model of the family can be given."""
    return family.windows * int(extractor.n_samples) / RATE


def _whole_windows(
    model: PreTrainedModel,
    extractor: WhisperFeatureExtractor,
    clips: Sequence[NDArray[np.float32]],
) -> tuple[dict[str, Tensor], list[int]]:
    """Voxtral: the last window is filled up with silence, which is heard as well."""
    audio: Any = model.config.audio_config
    each = audio.max_source_positions * audio.hidden_size // audio.intermediate_size
    windows = []
    for clip in clips:
        found = extractor(
            clip,
            sampling_rate=RATE,
            padding="longest",
            truncation=False,
            pad_to_multiple_of=int(extractor.n_samples),
            return_tensors="pt",
        )["input_features"]
        frames = found.reshape(found.shape[1], -1, int(extractor.nb_max_frames))
        windows.append(frames.transpose(0, 1))
    return {"input_features": torch.cat(windows)}, [each * len(one) for one in windows]


def vectors(frames: int) -> int:
    """Vectors that a Whisper-like encoder with a pooling layer makes of that many frames."""
    return max(0, ((frames - 1) // 2 + 1 - 2) // 2 + 1)
