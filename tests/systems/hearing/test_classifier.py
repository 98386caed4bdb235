"""PEFT-SER's parts against their formulas, counts by hand, and clips heard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clip_kit import clip, recipe_fields, recipe_of
from transformers import WavLMConfig, WavLMModel

from ovbench.errors import InputError
from ovbench.systems.hearing.classifier import BottleneckAdapter, SpeechClassifier
from ovbench.systems.hearing.clips import Clips
from ovbench.systems.hearing.encoders import SpeechEncoder, open_speech_encoder
from ovbench.systems.hearing.opening import build_model
from ovbench.systems.hearing.recipes import (
    AudioPolicy,
    Bottleneck,
    EmbeddingPrompt,
    FfnLora,
    HeadOnly,
    SpeechClassifierRecipe,
    SpeechMethod,
)
from ovbench.tasks import Item

CLASSES = ("neutral", "angry", "sad", "happy")
NAMES = ("tinywhisper", "tinywavlm", "tinymms")
LORA = FfnLora(name="lora")
METHODS: tuple[SpeechMethod, ...] = (
    LORA,
    Bottleneck(name="adapter", size=8),
    Bottleneck(name="adapter_l", size=8),
    EmbeddingPrompt(name="embedding_prompt"),
    HeadOnly(name="none"),
)


def made(
    method: SpeechMethod, name: str = "tinywhisper", longer: str = "crop", seconds: float = 10.0
) -> SpeechClassifier:
    policy = AudioPolicy.model_validate({"max_seconds": seconds, "longer": longer})
    torch.manual_seed(5)
    return SpeechClassifier(
        CLASSES, open_speech_encoder(name), Clips(policy), method, hidden=16
    ).eval()


def stirred(model: SpeechClassifier) -> SpeechClassifier:
    """With every trained weight away from its start, so that each method does something."""
    torch.manual_seed(6)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def trained_count(model: SpeechClassifier, part: str = "") -> int:
    return sum(t.numel() for name, t in model.trained_state().items() if part in name)


@torch.no_grad()
def logits(model: SpeechClassifier, *items: Item) -> torch.Tensor:
    return model(**model.batch(items))["logits"]


def test_lora_is_scaled_by_a_sixteenth_and_starts_as_nothing(tmp_path: Path) -> None:
    model = made(LORA)
    fc1: Any = model.encoder.blocks[0].fc1
    assert fc1.scaling == {"default": 1 / 16}
    item, plain = clip(tmp_path, "a", 0.3), made(HeadOnly(name="none"))
    model.head.load_state_dict(plain.head.state_dict())
    assert torch.equal(logits(model, item), logits(plain, item))


def test_lora_adds_a_sixteenth_of_b_a_x() -> None:
    model = stirred(made(LORA, "tinywavlm"))
    ffn: Any = model.encoder.blocks[1].feed_forward.intermediate_dense
    x = torch.randn(3, 64)
    a, b = ffn.lora_A["default"].weight, ffn.lora_B["default"].weight
    assert (a.shape, b.shape) == ((16, 64), (128, 16))
    own = x @ ffn.base_layer.weight.T + ffn.base_layer.bias
    torch.testing.assert_close(ffn(x), own + (x @ a.T @ b.T) / 16)


def test_parameters_are_as_many_as_by_hand() -> None:
    # Two layers of 16 and 32: 2 layers x 2 modules x 16 x (16 + 32) = 3,072.
    config = WavLMConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    encoder = SpeechEncoder(WavLMModel(config), name="x", sha256="", normalize=False)
    model = SpeechClassifier(CLASSES, encoder, Clips(AudioPolicy()), LORA, hidden=8)
    assert trained_count(model, "lora_") == 3_072
    # 3 weights; convolutions 16 -> 8 -> 8 -> 8; linear 8 -> 8 -> 4; each with its bias.
    assert trained_count(model, "head.") == 3 + (128 + 8) + 2 * (64 + 8) + (64 + 8) + (32 + 4)
    assert trained_count(model) == 3_072 + 391

    bottleneck = made(Bottleneck(name="adapter"))  # 128 wide beside 64, in two layers
    assert trained_count(bottleneck, "adapters") == 2 * (64 * 128 + 128 + 128 * 64 + 64)
    assert trained_count(made(EmbeddingPrompt(name="embedding_prompt")), "prompts") == 2 * 5 * 64
    assert trained_count(made(HeadOnly(name="none")), "encoder") == 0


def test_the_head_is_what_its_formula_says() -> None:
    head = stirred(made(HeadOnly(name="none"))).head
    draw = np.random.default_rng(0)
    states = draw.normal(size=(3, 2, 7, 64)).astype(np.float32)
    frames = np.arange(7) < np.array([[7], [4]])
    with torch.no_grad():
        found = head([torch.from_numpy(s) for s in states], torch.from_numpy(frames))
    w = {name: tensor.detach().numpy() for name, tensor in head.state_dict().items()}
    share = np.exp(w["weights"]) / np.exp(w["weights"]).sum()
    for row in range(2):
        x = np.tensordot(share, states[:, row], 1)[frames[row]]
        for index in (0, 3, 6):
            kernel = w[f"convolutions.{index}.weight"][:, :, 0]
            x = x @ kernel.T + w[f"convolutions.{index}.bias"]
            x = np.maximum(x, 0) if index < 6 else x
        x = np.maximum(x.mean(0) @ w["out.0.weight"].T + w["out.0.bias"], 0)
        expected = x @ w["out.2.weight"].T + w["out.2.bias"]
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["adapter", "adapter_l"])
@pytest.mark.parametrize("name", NAMES)
def test_a_layer_with_a_bottleneck_is_what_its_formula_says(name: str, form: str) -> None:
    model = stirred(made(Bottleneck.model_validate({"name": form, "size": 8}), name))
    block: Any = model.encoder.blocks[0]
    bare: Any = open_speech_encoder(name).blocks[0]
    adapter: Any = model.adapters[0]
    x = torch.randn(2, 5, 64)

    def up(v: torch.Tensor) -> torch.Tensor:
        down = torch.relu(v @ adapter.down.weight.T + adapter.down.bias)
        return 0.1 * (down @ adapter.up.weight.T + adapter.up.bias)

    with torch.no_grad():
        if name == "tinywavlm":  # r, then a norm; h = x + FFN(x), then a norm
            found = block(x)[0]
            r = x + bare.attention(x)[0]
            inner = bare.layer_norm(r)
            h = inner + bare.feed_forward(inner)
            summed = h + (r + up(r)) if form == "adapter" else h + (h + up(h))
            expected = bare.final_layer_norm(summed)
        else:
            found = block(x, None)
            if name == "tinywhisper":
                r = x + bare.self_attn(hidden_states=bare.self_attn_layer_norm(x))[0]
                f = bare.fc2(torch.nn.functional.gelu(bare.fc1(bare.final_layer_norm(r))))
            else:
                r = x + bare.attention(bare.layer_norm(x))[0]
                f = bare.feed_forward(bare.final_layer_norm(r))
            expected = r + f + (r + up(r) if form == "adapter" else f + up(f))
        assert float(up(r).abs().max()) > 0.01
    torch.testing.assert_close(found, expected)


def test_a_bottleneck_by_hand() -> None:
    # ReLU(3 - 1) = 2; up 2 x (2, 4) = (4, 8), and a tenth of it beside x. ReLU(1 - 3) = 0.
    adapter = BottleneckAdapter(2, Bottleneck(name="adapter", size=1)).eval()
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[1.0, -1.0]]))
        adapter.up.weight.copy_(torch.tensor([[2.0], [4.0]]))
        found = adapter(torch.tensor([[3.0, 1.0], [1.0, 3.0]]))
    torch.testing.assert_close(found, torch.tensor([[3.4, 1.8], [1.0, 3.0]]))


def test_a_bottleneck_gives_its_input_at_the_start() -> None:
    torch.manual_seed(0)
    adapter = BottleneckAdapter(64, Bottleneck(name="adapter"))
    x = torch.randn(3, 64)
    assert torch.equal(adapter(x), x)
    for zero in (adapter.down.bias, adapter.up.weight, adapter.up.bias):
        assert not zero.any()
    largest = float(adapter.down.weight.detach().abs().max())
    assert 0.99 / 8 < largest <= 1 / 8  # uniform within 1/sqrt(64)


def test_a_tenth_of_a_bottleneck_is_dropped_in_training() -> None:
    model = made(Bottleneck(name="adapter", size=1000))
    adapter: Any = model.adapters[0]
    with torch.no_grad():
        adapter.down.weight.zero_()
        adapter.down.bias.fill_(1.0)
        adapter.up.weight.fill_(1.0)
        x = torch.zeros(1, 64)
        assert adapter(x)[0, 0] == pytest.approx(0.1 * 1000)
        model.train()
        kept = float(adapter(x)[0, 0]) / 0.1 * 0.9
    assert kept == pytest.approx(round(kept), abs=0.01)
    assert 850 < kept < 950  # 900, with a standard deviation of 9.5


def test_each_layers_prompt_starts_by_xavier_of_its_own_shape() -> None:
    method = EmbeddingPrompt(name="embedding_prompt", length=5)
    prompts = made(method).prompts
    assert prompts is not None
    bound = (6 / (5 * 64 + 64)) ** 0.5  # of (1, 5, 64): into it 5 x 64, out of it 1 x 64
    for layer in prompts.detach():
        assert 0.97 * bound < float(layer.abs().max()) <= bound


@pytest.mark.parametrize("name", NAMES)
def test_the_prompt_is_taken_out_again_and_learns(name: str, tmp_path: Path) -> None:
    model = made(EmbeddingPrompt(name="embedding_prompt", length=3), name)
    items = [clip(tmp_path, "a", 0.4), clip(tmp_path, "b", 0.25)]
    batch = model.batch(items, ["sad", "happy"])
    states, frames = model.encoder.hidden_states(batch["inputs"], batch["mask"], model.prompts)
    assert {state.shape[1] for state in states} == {frames.shape[1]}
    model(**batch)["loss"].backward()
    assert model.prompts is not None
    assert model.prompts.grad is not None
    assert bool((model.prompts.grad.abs().sum((1, 2)) > 0).all())  # of every layer
    before = logits(model, *items)
    with torch.no_grad():
        model.prompts.copy_(torch.randn_like(model.prompts))
    assert not torch.allclose(logits(model, *items), before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_padding_does_not_change_an_answer(name: str, method: SpeechMethod, tmp_path: Path) -> None:
    model = stirred(made(method, name))
    items = [clip(tmp_path, n, s) for n, s in (("a", 0.6), ("b", 0.2), ("c", 0.33))]
    together = logits(model, *items)
    alone = torch.cat([logits(model, item) for item in items])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


def test_windows_probabilities_are_averaged_by_their_seconds(tmp_path: Path) -> None:
    model = stirred(made(LORA, longer="window", seconds=0.4))
    long, short = clip(tmp_path, "a", 1.0), clip(tmp_path, "b", 0.3)
    pieces = model.clips.windows(long)
    assert [len(piece) for piece in pieces] == [6_400, 6_400, 3_200]
    with torch.no_grad():
        each = []
        for piece in pieces:
            states, frames = model.encoder.hidden_states(**model.encoder.features([piece]))
            each.append(model.head(states, frames).softmax(1)[0])
    expected = 0.4 * each[0] + 0.4 * each[1] + 0.2 * each[2]
    answers = model.answers([short, long])
    assert answers[1].scores == pytest.approx(expected.tolist(), abs=1e-5)
    assert answers[1].text == CLASSES[int(expected.argmax())]


def test_an_item_without_sound_is_an_error_among_the_others(tmp_path: Path) -> None:
    model = made(LORA)
    items = [clip(tmp_path, "a", 0.3), Item("b", "", "words"), clip(tmp_path, "c", 0.2)]
    answers = model.answers(items)
    assert [(one.id, one.status) for one in answers] == [("a", "ok"), ("b", "error"), ("c", "ok")]
    assert answers[1].text == ""
    assert answers[0].text in CLASSES
    assert sum(answers[0].scores or ()) == pytest.approx(1)
    assert [one.status for one in model.answers(items[1:2])] == ["error"]


def test_sixteen_bit_encoders_train_parameters_of_thirty_two(tmp_path: Path) -> None:
    item = clip(tmp_path, "a", 0.3)
    for method in METHODS:
        policy = Clips(AudioPolicy())
        encoder = open_speech_encoder("tinywavlm", dtype=torch.bfloat16)
        model = SpeechClassifier(CLASSES, encoder, policy, method, hidden=8)
        model(**model.batch([item], ["sad"]))["loss"].backward()
        trained = [p for p in model.parameters() if p.requires_grad]
        assert {p.dtype for p in trained} == {torch.float32}
        assert all(p.grad is not None for p in trained)
        assert model.encoder.model.dtype == torch.bfloat16


def test_only_training_clips_are_augmented(tmp_path: Path) -> None:
    fields = recipe_fields("peft-ser-whisper-tiny-lora")
    model = build_model(recipe_of(SpeechClassifierRecipe, fields), "tiny", device="cpu")
    item = clip(tmp_path, "a", 0.3)
    plain = model.eval().batch([item])["inputs"]
    assert torch.equal(model.batch([item])["inputs"], plain)
    assert not torch.equal(model.train().batch([item])["inputs"], plain)


def test_the_seed_sets_the_first_weights_and_leaves_the_callers_state() -> None:
    recipe = recipe_of(SpeechClassifierRecipe, recipe_fields("peft-ser-whisper-tiny-lora"))
    before = torch.get_rng_state()
    one, same, other = (build_model(recipe, "tiny", seed=s, device="cpu") for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    name = "head.convolutions.0.weight"
    assert torch.equal(one.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])


def test_whisper_is_not_shown_more_than_it_hears() -> None:
    fields = recipe_fields("peft-ser-whisper-tiny-lora")
    fields["scales"]["tiny"]["audio"]["max_seconds"] = 40.0
    with pytest.raises(InputError, match="max_seconds is 40; tinywhisper hears 30 s"):
        build_model(recipe_of(SpeechClassifierRecipe, fields), "tiny", device="cpu")


@pytest.mark.parametrize(
    "name",
    ["whisper-tiny-lora", "whisper-base-lora", "whisper-small-lora", "mms-lora",
     "wavlm-base-plus-lora", "wavlm-large-lora", "whisper-tiny-adapter", "whisper-tiny-adapter-l",
     "whisper-tiny-embedding-prompt", "whisper-tiny-frozen"],
)  # fmt: skip
def test_every_recipe_builds_at_the_tiny_scale(name: str) -> None:
    recipe = recipe_of(SpeechClassifierRecipe, recipe_fields(f"peft-ser-{name}"))
    model = build_model(recipe, "tiny", device="cpu")
    assert model.classes == ("happy", "sad", "angry", "fearful", "surprised", "neutral")
    assert recipe.classes_at("paper") == CLASSES
    assert recipe.scale("paper").training.learning_rate == 5e-4
