"""Audio language models of the real classes, too small to mean anything, with random weights."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2Config,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    WhisperFeatureExtractor,
)

MEL, SECONDS, WIDTH = 8, 2, 32
POSITIONS = SECONDS * 50
CONTROL = [
    "<eos>",
    "<|im_start|>",
    "<|im_end|>",
    "<|audio_bos|>",
    "<|AUDIO|>",
    "<|audio_eos|>",
    "<sound>",
    "<s>",
    "[INST]",
    "[BEGIN_AUDIO]",
    "[AUDIO]",
    "[/INST]",
]
TEXT: dict[str, Any] = {
    "vocab_size": 272,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.3,
}
NAMES = ("qwen2_audio", "qwen2_5_omni", "audioflamingo3", "voxtral")


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, and the control tokens of every family."""
    vocabulary = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    bytes_ = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_, eos_token="<eos>", pad_token="<eos>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": CONTROL[1:]})
    return tokenizer


def tiny_extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=MEL, chunk_length=SECONDS)


def tiny_model(name: str, seed: int = 0) -> PreTrainedModel:
    """The model of that family, in evaluation mode."""
    ids = tiny_tokenizer().convert_tokens_to_ids
    whisper = {
        "num_mel_bins": MEL,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "d_model": 16,
        "max_source_positions": POSITIONS,
        "initializer_range": 0.3,
    }
    hidden = {
        "num_mel_bins": MEL,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "hidden_size": 16,
        "max_source_positions": POSITIONS,
        "initializer_range": 0.3,
    }
    model: PreTrainedModel
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name == "qwen2_audio":
            model = Qwen2AudioForConditionalGeneration(
                Qwen2AudioConfig(
                    audio_config={"model_type": "qwen2_audio_encoder", **whisper},
                    text_config=Qwen2Config(**TEXT).to_dict(),
                    audio_token_index=ids("<|AUDIO|>"),
                )
            )
        elif name == "qwen2_5_omni":
            config = Qwen2_5OmniThinkerConfig(
                audio_config={**whisper, "n_window": 20, "output_dim": WIDTH},
                vision_config={
                    "depth": 1,
                    "hidden_size": 16,
                    "intermediate_size": 16,
                    "num_heads": 2,
                    "out_hidden_size": WIDTH,
                    "patch_size": 14,
                },
                text_config={
                    **TEXT,
                    "rope_parameters": {
                        "rope_type": "default",
                        "rope_theta": 10_000.0,
                        "mrope_section": [1, 1, 2],
                    },
                },
                audio_token_index=ids("<|AUDIO|>"),
                image_token_index=270,
                video_token_index=271,
                audio_start_token_id=ids("<|audio_bos|>"),
                audio_end_token_id=ids("<|audio_eos|>"),
            )
            model = Qwen2_5OmniThinkerForConditionalGeneration(config)
        elif name == "audioflamingo3":
            model = AudioFlamingo3ForConditionalGeneration(
                AudioFlamingo3Config(
                    audio_config={"model_type": "audioflamingo3_encoder", **hidden},
                    text_config=Qwen2Config(**TEXT).to_dict(),
                    audio_token_id=ids("<sound>"),
                )
            )
        else:
            model = VoxtralForConditionalGeneration(
                VoxtralConfig(
                    audio_config={"model_type": "voxtral_encoder", **hidden},
                    text_config=LlamaConfig(**TEXT).to_dict(),
                    audio_token_id=ids("[AUDIO]"),
                )
            )
    return model.eval()
