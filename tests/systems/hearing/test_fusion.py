"""Gated fusion: the formulas by hand, masks, both forms, the text it reads, what is trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("soundfile")

from clip_kit import clip, recipe_fields, recipe_of  # noqa: E402

from ovbench.errors import InputError  # noqa: E402
from ovbench.systems.hearing.fusion import FusionModel, build  # noqa: E402
from ovbench.systems.hearing.gating import (  # noqa: E402
    Cmgi,
    Gate,
    SingleLayer,
    attend,
    mean_over_time,
)
from ovbench.systems.hearing.recipes import GatedFusionRecipe  # noqa: E402
from ovbench.systems.hearing.recognizer import Recognizer  # noqa: E402
from ovbench.tasks import Item  # noqa: E402
from ovbench.training.speech import look_speech  # noqa: E402

NAMES = ["single-layer-fusion", "cmgi-fusion"]


def fusion(name: str, seed: int = 0, **changes: Any) -> FusionModel:
    """A bundled recipe's model at the tiny scale, with other settings."""
    recipe = recipe_of(GatedFusionRecipe, recipe_fields(name) | changes)
    return build(recipe, "tiny", seed=seed, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    return [
        clip(tmp_path, "a", 0.5, "go home now"),
        clip(tmp_path, "b", 0.2, "no"),
        clip(tmp_path, "c", 0.9, "I was never there and you know it"),
    ]


# --- The formulas ---------------------------------------------------------------------------------


def test_the_gate_by_hand() -> None:
    gate = Gate(2)
    with torch.no_grad():
        gate.linear.weight.copy_(torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 2.0, 0.0, 0.0]]))
        gate.linear.bias.copy_(torch.tensor([math.log(3), 0.0]))
        found = gate(torch.tensor([[[4.0, 0.0]]]), torch.tensor([[[4.0, 10.0]]]))
    # First number: σ(4 - 4 + ln 3) = 3/4, and 3/4 · 4 + 1/4 · 4 = 4.
    # Second: σ(2 · 0) = 1/2, and 1/2 · 0 + 1/2 · 10 = 5.
    torch.testing.assert_close(found, torch.tensor([[[4.0, 5.0]]]))


def test_attention_by_hand_and_its_mask() -> None:
    # Scores q·k/√4 of the two keys: 0 and ln 3, so that the shares are 1/4 and 3/4.
    query = torch.tensor([[[2.0, 0.0, 0.0, 0.0]]])
    key = torch.tensor([[[0.0, 1.0, 0.0, 0.0], [math.log(3), 0.0, 5.0, 0.0]]])
    value = torch.tensor([[[4.0, 0.0, 0.0, 8.0], [8.0, 4.0, 0.0, 0.0]]])
    expected = torch.tensor([[[7.0, 3.0, 0.0, 2.0]]])
    torch.testing.assert_close(attend(query, key, value), expected)
    first = attend(query, key, value, torch.tensor([[True, False]]))
    torch.testing.assert_close(first, value[:, :1])


def test_attention_is_float32_in_16_bits_too() -> None:
    draw = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 3, 64, generator=draw) * 8 for _ in range(2))
    exact = attend(q.bfloat16().float(), k.bfloat16().float(), k.bfloat16().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attend(q.bfloat16(), k.bfloat16(), k.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact)


def test_the_mean_leaves_padding_out() -> None:
    sequence = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert mean_over_time(sequence, torch.tensor([[True, True, False]])).item() == 2
    assert mean_over_time(sequence).item() == pytest.approx(104 / 3)


def reference_cmgi(model: Cmgi, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The released code's interaction for one item without padding, in numpy."""

    def linear(name: str, rows: np.ndarray) -> np.ndarray:
        return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def mixed(prefix: str, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        scores = linear(f"{prefix}.query", own) @ linear(f"{prefix}.key", other).T
        shares = np.exp(scores / math.sqrt(own.shape[1]))
        shares /= shares.sum(1, keepdims=True)
        found = shares @ linear(f"{prefix}.value", other)
        gate = linear(f"{prefix}.gate.linear", np.concatenate([own, found], 1))
        gate = 1 / (1 + np.exp(-gate))
        return own * gate + found * (1 - gate)

    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    for layer in range(len(model.layers)):
        prefix = f"layers.{layer}"
        x, y = mixed(prefix, x, y), mixed(prefix, y, x)
    return np.concatenate([x.mean(0), y.mean(0)])


@pytest.mark.parametrize("layers", [1, 3])
def test_cmgi_is_the_released_codes_interaction(layers: int) -> None:
    torch.manual_seed(0)
    model = Cmgi(6, layers)
    x, y = torch.randn(5, 6), torch.randn(3, 6)
    with torch.no_grad():
        found = model(x[None], y[None], None, None)[0]
    expected = reference_cmgi(model, x.double().numpy(), y.double().numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert found.shape == (model.outputs,) == (12,)


def test_the_single_layer_has_a_gate_and_nothing_else() -> None:
    torch.manual_seed(0)
    model = SingleLayer(4)
    assert sum(p.numel() for p in model.parameters()) == 2 * 4 * 4 + 4
    x, y = torch.randn(5, 4), torch.randn(3, 4)
    with torch.no_grad():
        found = model(x[None], y[None], None, None)[0]
        shares = torch.exp(x @ y.T / 2)
        semantic = shares / shares.sum(1, keepdim=True) @ y
        gate = torch.sigmoid(model.gate.linear(torch.cat([x, semantic], 1)))
    torch.testing.assert_close(found, (x * gate + semantic * (1 - gate)).mean(0))


# --- The models -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_with_masks_a_clips_logits_do_not_depend_on_its_neighbours(
    name: str, items: list[Item]
) -> None:
    model = fusion(name).eval()
    with torch.no_grad():
        together = model(**model.batch(items))["logits"]
        alone = torch.cat([model(**model.batch([item]))["logits"] for item in items])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_without_masks_they_do_as_in_the_released_code(name: str, items: list[Item]) -> None:
    model = fusion(name, masks=False).eval()
    with torch.no_grad():
        together = model(**model.batch(items))["logits"]
        alone = torch.cat([model(**model.batch([item]))["logits"] for item in items])
    torch.testing.assert_close(together[2], alone[2], atol=1e-5, rtol=1e-5)  # the longest
    assert (together[:2] - alone[:2]).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_the_gate_and_the_encoders_that_are_trained(
    name: str, items: list[Item]
) -> None:
    for trained in (True, False):
        model = fusion(name, train_encoders=trained).train()
        model(**model.batch(items, ["happy", "sad", "neutral"]))["loss"].backward()
        gates = [p for n, p in model.fusion.named_parameters() if "gate.linear" in n]
        assert gates
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in gates)
        words = model.text_encoder.embeddings.word_embeddings.weight
        filters = model.speech_encoder.model.feature_extractor.conv_layers[0].conv.weight
        assert [w.grad is not None for w in (words, filters)] == [trained, trained]
        assert model.text_encoder.training is trained
        assert ("speech_encoder" in str(list(model.trained_state()))) is trained


def test_the_loss_is_the_mean_cross_entropy(items: list[Item]) -> None:
    model = fusion("cmgi-fusion").eval()
    with torch.no_grad():
        found = model(**model.batch(items, ["sad", "happy", "happy"]))
    logits = found["logits"].double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    indices = [model.classes.index(one) for one in ("sad", "happy", "happy")]
    assert found["loss"].item() == pytest.approx(-np.log(shares[range(3), indices]).mean())


def test_words_and_sound_both_matter(items: list[Item], tmp_path: Path) -> None:
    model = fusion("single-layer-fusion").eval()
    said = Item("x", "", "leave me alone", items[0].audio)
    spoken = clip(tmp_path, "other", 0.5, items[0].transcript)
    with torch.no_grad():
        base, other_words, other_sound = (
            model(**model.batch([one]))["logits"] for one in (items[0], said, spoken)
        )
    assert (base - other_words).abs().max() > 1e-4
    assert (base - other_sound).abs().max() > 1e-4


def test_an_empty_transcript_is_an_empty_text(items: list[Item]) -> None:
    model = fusion("cmgi-fusion").eval()
    silent = Item("x", "", "", items[0].audio)
    assert model.fault(silent) is None
    with torch.no_grad():
        assert torch.isfinite(model(**model.batch([silent]))["logits"]).all()


def test_windows_of_a_clip_become_one_answer(tmp_path: Path) -> None:
    fields = recipe_fields("single-layer-fusion")
    fields["scales"]["tiny"]["audio"] = {"max_seconds": 0.4, "longer": "window"}
    recipe = recipe_of(GatedFusionRecipe, fields)
    model = build(recipe, "tiny", seed=0, device=torch.device("cpu"), dtype=torch.float32).eval()
    long, short = clip(tmp_path, "long", 0.9, "go"), clip(tmp_path, "short", 0.3, "stop")
    with torch.no_grad():
        batch = model.batch([long, short])
        assert batch["seconds"].shape == (2, 4)
        found = model(**batch)["logits"].softmax(1)
        rows = model(**(batch | {"seconds": torch.eye(4)}))["logits"].softmax(1)
    expected = (0.4 * rows[0] + 0.4 * rows[1] + 0.1 * rows[2]) / 0.9
    torch.testing.assert_close(found, torch.stack([expected, rows[3]]))


def test_answers_have_probabilities_and_faults_are_errors(items: list[Item]) -> None:
    model = fusion("cmgi-fusion").eval()
    nowhere = Item("d", "", "lost", "/nowhere.wav")
    answers = model.answers([items[0], nowhere, items[1]])
    assert [(a.id, a.status) for a in answers] == [("a", "ok"), ("d", "error"), ("b", "ok")]
    with torch.no_grad():
        shares = model(**model.batch(items[:2]))["logits"].softmax(1)
    for answer, row in zip((answers[0], answers[2]), shares, strict=True):
        assert answer.scores == pytest.approx(row.tolist())
        assert answer.text == model.classes[int(row.argmax())]
        assert answer.stages == ()


def test_what_was_heard_is_read_and_kept(
    items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fusion("cmgi-fusion").eval()
    heard: list[int] = []

    def transcribe(_self: Recognizer, samples: np.ndarray) -> str:
        heard.append(len(samples))
        return f"clip of {len(samples)}"

    monkeypatch.setattr(Recognizer, "transcribe", transcribe)
    model.recognizer = Recognizer(None, None, None, "asr", "0" * 64)  # type: ignore[arg-type]
    answers = [model.answers([items[0]])[0] for _ in range(2)]
    assert heard == [8_000]  # once, however often it is asked
    assert [(s.name, s.text) for s in answers[1].stages] == [("asr", "clip of 8000")]
    with torch.no_grad():
        batch = model.batch([items[0]])
    assert batch["input_ids"].tolist() == [model.text.tokenizer("clip of 8000")["input_ids"]]
    assert model.provenance()["asr"] == "0" * 64


def test_augmentation_is_for_training_alone(items: list[Item]) -> None:
    model = fusion("single-layer-fusion")
    plain = model.eval().batch([items[0]])["inputs"]
    torch.testing.assert_close(model.batch([items[0]])["inputs"], plain, atol=0, rtol=0)
    noisy = model.train().batch([items[0]])["inputs"]
    assert not torch.equal(noisy, plain)


def test_the_seed_draws_the_weights() -> None:
    one, same, other = (fusion("cmgi-fusion", seed).out.weight for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_width_that_is_not_the_encoders_is_refused() -> None:
    fields = recipe_fields("cmgi-fusion")
    fields["scales"]["tiny"]["width"] = 48
    recipe = recipe_of(GatedFusionRecipe, fields)
    with pytest.raises(InputError, match="the width is 48; tinyhubert has 64"):
        build(recipe, "tiny", seed=0, device=torch.device("cpu"), dtype=torch.float32)


def test_another_speech_encoder_must_hear_as_long_as_the_recipe_shows_it() -> None:
    fields = recipe_fields("cmgi-fusion")
    cpu, tiny = torch.device("cpu"), fields["scales"]["tiny"]
    for seconds, refused in ((30.0, "the width is 7; tinywhisper"), (31.0, "tinywhisper hears 30")):
        tiny |= {"audio": {"max_seconds": seconds}, "width": 7}
        recipe = recipe_of(GatedFusionRecipe, fields)
        with pytest.raises(InputError, match=refused):
            build(recipe, "tiny", seed=0, device=cpu, dtype=torch.float32, base="tinywhisper")


@pytest.mark.parametrize("name", NAMES)
def test_a_base_stands_in_for_the_speech_encoder_before_training_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    recipe = recipe_of(GatedFusionRecipe, recipe_fields(name))

    def missing(base: str | None) -> str:
        with pytest.raises(InputError) as caught:
            look_speech(recipe, "paper", "iemocap-4class", base=base)
        return str(caught.value)

    hubert = "facebook/hubert-large-ls960-ft"
    assert hubert in missing(None)
    other = missing("mine/other-hubert")
    assert "mine/other-hubert" in other
    assert hubert not in other
    assert "google-bert/bert-base-uncased" in other
    assert hubert not in missing("tinyhubert")


@pytest.mark.parametrize("name", NAMES)
def test_the_recipes_say_what_was_published(name: str) -> None:
    recipe = recipe_of(GatedFusionRecipe, recipe_fields(name))
    paper = recipe.scale("paper")
    assert paper.width == 1024
    assert (paper.training.learning_rate, paper.training.batch_size) == (1e-5, 2)
    assert recipe.classes == ("happy", "sad", "angry", "neutral")
    assert recipe.published
    with pytest.raises(ValueError, match="layers goes with form 'cmgi'"):
        recipe_of(GatedFusionRecipe, recipe_fields(name) | {"form": "single", "layers": 2})
