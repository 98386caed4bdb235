"""Speech encoders against transformers' own classes, their extractors, and clips heard alone."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems.hearing.encoders import TINY, SpeechEncoder, open_speech_encoder

ALL = sorted(TINY)
WAV = [name for name in ALL if name != "tinywhisper"]


def clips(*seconds: float) -> list[np.ndarray]:
    draw = np.random.default_rng(7)
    return [(0.1 * draw.normal(size=round(16_000 * s)) + 0.02).astype(np.float32) for s in seconds]


@torch.no_grad()
def heard(encoder: SpeechEncoder, *of: np.ndarray, **more: Any) -> Any:
    return encoder.hidden_states(**encoder.features(list(of)), **more)


def test_whisper_is_transformers_own_encoder_with_a_table_cut_to_length() -> None:
    encoder = open_speech_encoder("tinywhisper")
    (clip,) = clips(0.5)
    states, frames = heard(encoder, clip)
    oracle = copy.deepcopy(encoder.model)
    oracle.embed_positions = torch.nn.Embedding.from_pretrained(oracle.embed_positions.weight[:25])
    oracle.config.max_source_positions = 25
    mel = encoder.features([clip])["inputs"]
    with torch.no_grad():
        found = oracle(mel, output_hidden_states=True)
    assert frames.shape == (1, 25)
    torch.testing.assert_close(states[-1], found.last_hidden_state)
    torch.testing.assert_close(states[1], found.hidden_states[1])
    assert encoder.model.config.max_source_positions == 1500
    assert encoder.model.embed_positions.weight.shape == (1500, 64)


@pytest.mark.parametrize("name", WAV)
def test_the_others_give_what_transformers_gives_a_clip_alone(name: str) -> None:
    encoder = open_speech_encoder(name)
    (clip,) = clips(0.4)
    states, frames = heard(encoder, clip)
    with torch.no_grad():
        inputs = encoder.features([clip])["inputs"]
        found = encoder.model(inputs, output_hidden_states=True)
    assert len(states) == encoder.layers + 1 == 3
    assert bool(frames.all())
    for mine, its in zip(states[:-1], found.hidden_states[:-1], strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-6)
    torch.testing.assert_close(states[-1], found.last_hidden_state, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("prompted", [False, True])
def test_a_clip_is_heard_the_same_alone_and_beside_longer_ones(name: str, prompted: bool) -> None:
    encoder = open_speech_encoder(name)
    long, short, other = clips(0.9, 0.3, 0.31)
    more = {"prompts": torch.full((2, 3, 64), 0.5)} if prompted else {}
    together, frames = heard(encoder, long, short, other, **more)
    for row, clip in enumerate((long, short, other)):
        alone, _ = heard(encoder, clip, **more)
        count = int(frames[row].sum())
        assert count == alone[0].shape[1]
        for mine, its in zip(together, alone, strict=True):
            torch.testing.assert_close(mine[row, :count], its[0], rtol=0, atol=1e-5)


def test_features_are_those_of_the_published_extractors() -> None:
    long, short = clips(0.5, 0.3)
    found = open_speech_encoder("tinywhisper").features([long, short])
    oracle = WhisperFeatureExtractor(feature_size=80)
    for row, (clip, frames) in enumerate(((long, 50), (short, 30))):
        padded = np.concatenate([clip, np.zeros(16_000 * 30 - len(clip), np.float32)])
        its = oracle(padded, sampling_rate=16_000, return_tensors="np").input_features[0]
        assert int(found["mask"][row].sum()) == frames  # 100 a second, none for padding
        mine = found["inputs"][row, :, : frames - 2].numpy()  # the last ones hear the clip's end
        np.testing.assert_allclose(mine, its[:, : frames - 2], atol=1e-4)

    found = open_speech_encoder("tinymms").features([long, short])
    processor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    its = processor([long, short], sampling_rate=16_000, padding=True, return_tensors="np")
    np.testing.assert_allclose(found["inputs"].numpy(), its.input_values, atol=1e-5)
    assert found["mask"].sum(1).tolist() == its.attention_mask.sum(1).tolist()

    raw = open_speech_encoder("tinywavlm").features([long, short])["inputs"]
    assert raw[0].numpy().tolist() == long.tolist()
    assert raw[1, len(short) :].abs().max() == 0


def test_tiny_encoders_are_the_same_whatever_the_random_state() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = open_speech_encoder("tinyhubert")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = open_speech_encoder("tinyhubert")
    assert first.sha256 == second.sha256 != open_speech_encoder("tinymms").sha256
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_encoders_stay_frozen_and_in_evaluation_mode() -> None:
    encoder = open_speech_encoder("tinywavlm").train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_whisper_hears_thirty_seconds_and_the_others_any_length() -> None:
    assert open_speech_encoder("tinywhisper").max_seconds == 30
    assert open_speech_encoder("tinymms").max_seconds is None


def test_a_folder_of_whisper_gives_its_encoder(tmp_path: Path) -> None:
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "vocab_size": 64, "pad_token_id": 0}
    config = WhisperConfig(
        d_model=32, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_target_positions=8, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1, **sizes,
    )  # fmt: skip
    model = WhisperModel(config).eval()
    model.save_pretrained(tmp_path)
    encoder = open_speech_encoder(tmp_path)
    assert (encoder.family, encoder.size, encoder.layers) == ("whisper", 32, 1)
    file = (tmp_path / "model.safetensors").read_bytes()
    assert encoder.sha256 == hashlib.sha256(file).hexdigest()
    assert torch.equal(encoder.model.conv1.weight, model.encoder.conv1.weight)


@pytest.mark.parametrize(("told", "mean"), [(None, 0.02), (False, 0.02), (True, 0.0)])
def test_a_folders_processor_says_whether_clips_are_normalised(
    tmp_path: Path, told: bool | None, mean: float
) -> None:
    config = WavLMConfig(**{k: getattr(TINY["tinywavlm"], k) for k in ("hidden_size", "conv_dim")})
    config.num_attention_heads, config.num_hidden_layers, config.intermediate_size = 4, 1, 32
    config.num_conv_pos_embeddings, config.num_conv_pos_embedding_groups = 16, 4
    WavLMModel(config).save_pretrained(tmp_path)
    if told is not None:
        processor = {"do_normalize": told, "sampling_rate": 16_000}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    found = open_speech_encoder(tmp_path).features(clips(0.5))["inputs"]
    assert float(found.mean()) == pytest.approx(mean, abs=5e-3)


def test_weights_that_are_not_here_are_told_with_size_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        open_speech_encoder("openai/whisper-small")
    for part in ("not on this machine", "0.97 GB", "hf download openai/whisper-small"):
        assert part in str(caught.value)


def test_pickled_weights_are_refused_with_a_way_to_convert_them(tmp_path: Path) -> None:
    TINY["tinywavlm"].save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"no")
    with pytest.raises(InputError, match=r"pickled.*weights_only=True"):
        open_speech_encoder(tmp_path)


def test_weights_that_are_not_all_there_are_refused(tmp_path: Path) -> None:
    encoder = open_speech_encoder("tinymms")
    state = {k: v for k, v in encoder.model.state_dict().items() if "layers.1.final" not in k}
    encoder.model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(InputError, match=r"lack encoder\.layers\.1\.final_layer_norm"):
        open_speech_encoder(tmp_path)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            {"num_hidden_layers": 10**9},
            "num_hidden_layers is 1000000000, and the weight files hold",
        ),
        ({"intermediate_size": 2**40}, "it describes a model of"),
    ],
)
def test_a_larger_model_than_its_weights_is_refused(
    tmp_path: Path, change: dict[str, int], found: str
) -> None:
    open_speech_encoder("tinymms").model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InputError, match=found):
        open_speech_encoder(tmp_path)


def test_other_names_and_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'tinywhisper'"):
        open_speech_encoder("tinywhispr")
    BertConfig().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="'bert' is no speech encoder"):
        open_speech_encoder(tmp_path)
