"""Audio language models from this machine: safetensors files alone, and no code of a model's own.

``tinyqwen2audio`` is Qwen2-Audio's class around the bundled language model: its audio tower and
projection have random weights from a fixed seed, so what it hears has never been given a meaning.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    WhisperFeatureExtractor,
)

from ovbench.errors import InputError
from ovbench.speech.audio_llm import AudioLlm
from ovbench.speech.audio_llm_inputs import QWEN2_AUDIO, Family, chat_ids, control_id, family_of
from ovbench.systems.backbones import TINY, read_config, read_json, weights_sha256
from ovbench.systems.broken import told_of
from ovbench.systems.devices import resolve_device, resolve_dtype
from ovbench.systems.hearing.known_llms import TINY_LLM, locate_llm
from ovbench.systems.hearing.pretrained import load_pretrained
from ovbench.systems.loading import load_base, load_tokenizer

_SEED = 20_240_601
TINY_SECONDS = 5
"""What the tiny model hears at most."""
_TOWER: dict[str, Any] = {
    "model_type": "qwen2_audio_encoder",
    "num_mel_bins": 40,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "d_model": 64,
    "max_source_positions": TINY_SECONDS * 50,
}
_FEATURES = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft", "dither")
"""Settings that a feature extractor's file may have, and that change what is heard."""
_AUDIO = ("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")
_CHAT = ("<|im_start|>", "<|im_end|>")


def open_audio_llm(
    name: str | Path,
    *,
    device: torch.device | str = "auto",
    dtype: torch.dtype | str = "auto",
) -> AudioLlm:
    """An audio language model from this machine, its weights frozen, in evaluation mode.

    Parameters
    ----------
    name:
        A short name (:data:`ovbench.systems.hearing.known_llms.KNOWN`), ``tinyqwen2audio``, a
        folder, or a name on the model hub that has been downloaded before.
    device, dtype:
        Where it goes, and the dtype of its weights; ``auto``: bfloat16 on CUDA, else float32.

    Raises
    ------
    UnknownNameError
        If it is no folder, and no name that the hub could have.
    InputError
        If the weights are not here (the message says how large they are and how to get them), are
        damaged, incomplete or pickled, or of an architecture that is not among the families.
    """
    where = resolve_device(device) if isinstance(device, str) else device
    kind = resolve_dtype(dtype, where) if isinstance(dtype, str) else dtype
    found = _tiny() if str(name) == TINY_LLM else _from_files(str(name), kind)
    found.model.to(device=where, dtype=kind)  # type: ignore[call-arg]
    return found


def _from_files(name: str, dtype: torch.dtype) -> AudioLlm:
    folder = locate_llm(name)
    family = family_of(read_config(folder), str(folder / "config.json"))
    tokenizer = _tokenizer(folder)
    kind: type[PreTrainedModel] = getattr(transformers, family.model_class)
    model = load_pretrained(kind, folder, f"the model {family.name}", dtype)
    _check_chat(family, tokenizer, folder)
    return AudioLlm(
        family=family,
        model=_prepared(model),
        tokenizer=tokenizer,
        extractor=_extractor(folder),
        name=Path(name).name if Path(name).is_dir() else name,
        sha256=weights_sha256(folder),
    )


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    if (folder / "tekken.json").exists() and not (folder / "tokenizer.json").exists():
        if find_spec("mistral_common") is None:
            raise InputError(
                "the tokenizer is one of Mistral's own kind (tekken.json)",
                where=str(folder),
                mend="install what reads it: pip install mistral-common",
            )
        with told_of("the tokenizer", folder):
            own: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        return own
    return load_tokenizer(folder)


def _check_chat(family: Family, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    try:
        chat_ids(family, tokenizer, "", 1)
    except InputError as error:
        raise InputError(error.found, where=str(folder), expected=error.expected) from None


def _extractor(folder: Path) -> WhisperFeatureExtractor:
    """The feature extractor of a folder, with its settings from either of the files that have them.

    Raises :class:`InputError` if there is none.
    """
    for file in ("preprocessor_config.json", "processor_config.json"):
        if not (folder / file).exists():
            continue
        told = read_json(folder / file)
        fields = told.get("feature_extractor", told)
        if isinstance(fields, dict) and "feature_size" in fields:
            with told_of("the feature extractor", folder / file):
                return WhisperFeatureExtractor(  # type: ignore[no-untyped-call]
                    **{name: fields[name] for name in _FEATURES if name in fields}
                )
    raise InputError(
        "there are no settings of a feature extractor",
        where=str(folder),
        expected="preprocessor_config.json with feature_size (Whisper's log-Mel features)",
        mend="download the model again, with all of its files",
    )


def _prepared(model: PreTrainedModel) -> PreTrainedModel:
    """Without decoding settings but the tokens that end an answer: the shipped ones sample."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    model.generation_config = GenerationConfig(eos_token_id=ends)  # type: ignore[no-untyped-call]
    # Only where images or videos begin is it looked up, but it is looked up always.
    if not hasattr(model.config, "vision_start_token_id"):
        model.config.vision_start_token_id = None
    return model


def _tiny() -> AudioLlm:
    """Random tower and projection of a fixed seed; the caller's random state stays as it is.

    Vectors of sound begin as long as those of words. The tokens of the chat are new: as answers,
    they are as unlikely as padding.
    """
    base = load_base(TINY, dtype="float32", device="cpu")
    tokenizer = base.tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": [*_AUDIO, *_CHAT]})
    text: dict[str, Any] = base.model.config.to_dict()
    text |= {"vocab_size": len(tokenizer), "dtype": "float32"}
    config = Qwen2AudioConfig(
        audio_config=_TOWER,
        text_config=text,
        audio_token_index=control_id(tokenizer, QWEN2_AUDIO.placeholder),
    )
    weights = base.model.state_dict()
    words = weights["model.embed_tokens.weight"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = Qwen2AudioForConditionalGeneration(config)
        new = torch.randn(len(tokenizer) - len(words), words.shape[1]) * words.std()
        projection: Any = model.model.multi_modal_projector.linear
        spread = float(words.std()) / projection.in_features**0.5
        torch.nn.init.normal_(projection.weight, std=spread)
    language = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    language.pop("lm_head.weight", None)
    language["embed_tokens.weight"] = torch.cat([words, new])
    model.model.language_model.load_state_dict(language)
    unlikely = words[tokenizer.pad_token_id].expand_as(new)
    model.lm_head.weight = torch.nn.Parameter(torch.cat([words, unlikely]).clone())
    torch.nn.Module.eval(model.requires_grad_(False))
    digest = hashlib.sha256(save({k: t.contiguous() for k, t in model.state_dict().items()}))
    extractor = WhisperFeatureExtractor(  # type: ignore[no-untyped-call]
        feature_size=_TOWER["num_mel_bins"], chunk_length=TINY_SECONDS
    )
    return AudioLlm(
        family=QWEN2_AUDIO,
        model=_prepared(model),
        tokenizer=tokenizer,
        extractor=extractor,
        name=TINY_LLM,
        sha256=digest.hexdigest(),
    )
