"""Qwen2-Audio with an adapter: scores of words against a pass each, answers, adapters, errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from clip_kit import clip, recipe_fields, recipe_of
from pydantic import ValidationError
from safetensors.torch import load_file

from ovbench.errors import InputError
from ovbench.systems.hearing.audio_llms import open_audio_llm
from ovbench.systems.hearing.audio_lm import AudioLm, build
from ovbench.systems.hearing.recipes import AudioLmRecipe
from ovbench.systems.hearing.saved import open_speech_model, save_speech_model
from ovbench.systems.loading import load_base
from ovbench.tasks import Item

NAME = "thau-qwen2-audio-lora"
CLASSES = ("happy", "sad", "angry", "fearful", "surprised", "neutral")


def recipe(fallback: str | None = "neutral", **words: str) -> AudioLmRecipe:
    """The bundled recipe; ``words`` replace some of its tiny scale's."""
    fields = recipe_fields(NAME)
    fields["scales"]["tiny"]["words"] |= words
    fields["fallback"] = fallback
    return recipe_of(AudioLmRecipe, fields)


def model(of: AudioLmRecipe | None = None, seed: int = 0, spread: float = 0.0) -> AudioLm:
    """A fresh model; with ``spread``, its adapter has moved away from nothing."""
    found = build(of or recipe(), "tiny", seed=seed, device="cpu", dtype="float32")
    draw = torch.Generator().manual_seed(1)
    for name, parameter in found.named_parameters():
        if spread and "lora_B" in name:
            parameter.data += spread * torch.randn(parameter.shape, generator=draw)
    return found.eval()


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    folder = tmp_path_factory.mktemp("clips")
    words = ["I never said that.", "", "After the night shift, what a day."]
    return [clip(folder, f"c{i}", 0.4 + 0.3 * i, text) for i, text in enumerate(words)]


@pytest.fixture(scope="module")
def moved() -> AudioLm:
    """Words of one, two and three tokens."""
    return model(recipe(sad="sadly sorrowful", angry="in a fury"), spread=0.02)


def slowly(found: AudioLm, item: Item, name: str) -> float:
    """The definition: prompt, word and end in one row of their own."""
    batch = found.batch([item])
    completion = found._completions[CLASSES.index(name)]
    ids = torch.cat([batch["input_ids"], torch.tensor([completion])], dim=1)
    with torch.no_grad():
        logits = found.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            input_features=batch["input_features"],
            feature_attention_mask=batch["feature_attention_mask"],
        ).logits[0]
    told = logits[-len(completion) - 1 : -1].log_softmax(-1)
    return float(told.gather(1, torch.tensor(completion)[:, None]).sum())


def test_a_logit_is_the_probability_of_the_whole_word(moved: AudioLm, items: list[Item]) -> None:
    """Scored together, behind padding and other words, each as if it stood alone."""
    assert len({len(ids) for ids in moved._completions}) > 1
    with torch.no_grad():
        logits = moved(**moved.batch(items))["logits"]
    assert logits.dtype == torch.float32
    for row, item in zip(logits, items, strict=True):
        wanted = torch.tensor([slowly(moved, item, name) for name in CLASSES])
        torch.testing.assert_close(row, wanted, atol=2e-4, rtol=1e-4)


def test_the_loss_is_the_mean_over_the_gold_words_tokens(moved: AudioLm, items: list[Item]) -> None:
    gold = ["angry", "happy", "sad"]
    with torch.no_grad():
        loss = float(moved(**moved.batch(items, gold))["loss"])
    total = sum(slowly(moved, item, name) for item, name in zip(items, gold, strict=True))
    tokens = sum(len(moved._completions[CLASSES.index(name)]) for name in gold)
    assert loss == pytest.approx(-total / tokens, abs=1e-4)


def test_the_sound_counts(moved: AudioLm, items: list[Item], tmp_path: Path) -> None:
    other = clip(tmp_path, "another", 0.4, items[0].transcript)
    with torch.no_grad():
        one, two = (moved(**moved.batch([item]))["logits"] for item in (items[0], other))
    assert (one - two).abs().max() > 1e-3


def test_only_the_language_models_adapter_is_trained(items: list[Item]) -> None:
    fresh = model()
    state = fresh.trained_state()
    assert len(state) == 2 * 3 * 6  # A and B of three projections in six layers
    assert all(".language_model.layers." in name and ".lora_" in name for name in state)
    fresh.train()
    fresh(**fresh.batch(items, ["sad"] * 3))["loss"].backward()
    moving = [name for name, p in fresh.named_parameters() if p.grad is not None]
    assert set(moving) == {name for name, p in fresh.named_parameters() if p.requires_grad}


def test_a_few_steps_teach_it_to_answer(items: list[Item]) -> None:
    fresh = model(recipe(fallback=None))
    gold = ["angry", "happy", "sad"]
    optimizer = torch.optim.AdamW(
        [p for p in fresh.parameters() if p.requires_grad], lr=1e-3, weight_decay=0
    )
    fresh.train()
    for _ in range(25):
        optimizer.zero_grad()
        fresh(**fresh.batch(items, gold))["loss"].backward()
        optimizer.step()
    answers = fresh.eval().answers(items)
    assert [answer.text for answer in answers] == gold
    assert all(answer.status == "ok" and not answer.fallback for answer in answers)
    with torch.no_grad():
        best = fresh(**fresh.batch(items))["logits"].argmax(1)
    assert [CLASSES[i] for i in best] == gold


def test_batches_change_no_answer(moved: AudioLm, items: list[Item]) -> None:
    together = moved.answers(items)
    assert together == [answer for item in items for answer in moved.answers([item])]


def test_another_answer_falls_back_only_where_that_is_declared(items: list[Item]) -> None:
    declared = model().answers(items)
    assert [(one.text, one.fallback, one.status) for one in declared] == 3 * [
        ("neutral", True, "ok")
    ]
    as_it_came = model(recipe(fallback=None)).answers(items)
    assert not any(one.fallback for one in as_it_came)
    assert [one.stages[0].text for one in declared] == [one.text for one in as_it_came]
    assert all(one.text not in CLASSES for one in as_it_came)


def test_an_item_that_cannot_be_heard_is_an_error_among_answers(
    moved: AudioLm, items: list[Item], tmp_path: Path
) -> None:
    blink = clip(tmp_path, "blink", 0.05)
    endless = clip(tmp_path, "talk", 0.5, "and so on " * 400)
    mute = Item("mute", "", "words alone")
    faults = [str(moved.fault(item)) for item in (blink, endless, mute)]
    assert "0.05" in faults[0]
    assert "more than 512" in faults[1]
    assert "no audio file" in faults[2]
    found = moved.answers([blink, items[0], endless, mute])
    assert [one.status for one in found] == ["error", found[1].status, "error", "error"]
    assert found[1] == moved.answers(items[:1])[0]


def test_a_seed_is_an_adapter() -> None:
    def weights(found: AudioLm) -> torch.Tensor:
        return torch.cat([t.flatten() for t in found.trained_state().values()])

    state = torch.random.get_rng_state()
    one, same, other = model(seed=3), model(seed=3), model(seed=4)
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_saved_and_opened(moved: AudioLm, items: list[Item], tmp_path: Path) -> None:
    of = recipe(sad="sadly sorrowful", angry="in a fury")
    save_speech_model(moved, tmp_path / "kept", of, "tiny")
    assert set(load_file(tmp_path / "kept" / "model.safetensors")) == set(moved.trained_state())
    opened = open_speech_model(of, tmp_path / "kept", "tiny", device="cpu").model
    with torch.no_grad():
        batch = moved.batch(items)
        assert torch.equal(opened(**batch)["logits"], moved(**batch)["logits"])
    with pytest.raises(InputError, match="words"):
        open_speech_model(recipe(), tmp_path / "kept", "tiny", device="cpu")


def test_the_tiny_model_is_the_bundled_language_model_with_an_ear() -> None:
    """On text alone it says, to the bit, what the language model says."""
    tiny, again = (open_audio_llm("tinyqwen2audio", device="cpu") for _ in range(2))
    assert tiny.sha256 == again.sha256
    base = load_base("tinyov", dtype="float32", device="cpu")
    ids = torch.tensor([base.tokenizer("words: not again!\nemotions:")["input_ids"]])
    with torch.no_grad():
        told = tiny.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        assert torch.equal(told[..., : base.model.config.vocab_size], base.model(ids).logits)
    assert int(told[0, -1].argmax()) < base.model.config.vocab_size


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "fallback": ({"fallback": "bored"}, "fallback 'bored' is no class"),
    "one word for two": ({"scales.tiny.words.sad": "Happy!"}, "'Happy!' stands for happy and"),
    "no word": ({"scales.tiny.words.sad": "..."}, "holds no word"),
    "classes": ({"scales.tiny.classes": ["happy", "sad"]}, "classes and words differ"),
    "windows": ({"scales.tiny.audio.longer": "window"}, "averages probabilities"),
    "weights": ({"scales.tiny.training.class_weights": "balanced"}, "class_weights"),
    "no clip": ({"scales.tiny.prompt": "prompts/tinyov.txt"}, "needs {audio}, once"),
    "sampling": ({"decoding.temperature": 0.7}, "greedily"),
    "a method that changes the base": ({"method.name": "pissa"}, "pissa"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_recipes_that_cannot_be_meant(change: str) -> None:
    edits, told = CHANGES[change]
    fields = recipe_fields(NAME)
    for path, value in edits.items():
        place = fields
        *keys, last = path.split(".")
        for key in keys:
            place = place[key]
        place[last] = value
    with pytest.raises(ValidationError, match=told):
        recipe_of(AudioLmRecipe, fields)


def test_what_a_recipe_asks_too_much_of_is_refused() -> None:
    fields = recipe_fields(NAME)
    fields["scales"]["tiny"]["audio"]["max_seconds"] = 6.0
    with pytest.raises(InputError, match="at most 5"):
        build(recipe_of(AudioLmRecipe, fields), "tiny", device="cpu")
    fields = recipe_fields(NAME)
    fields["method"]["target_modules"] = ["c_attn"]
    with pytest.raises(InputError, match="no linear module called c_attn"):
        build(recipe_of(AudioLmRecipe, fields), "tiny", device="cpu")


def test_the_paper_scale_is_the_papers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    of = recipe()
    assert of.classes_at("paper") == ("neutral", "disgusted", "angry", "happy", "sad", "fearful")
    words: Sequence[str] = list(of.scale("paper").words.values())
    assert words == ["neutral", "disgust", "anger", "joy", "sadness", "fear"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"16\.8 GB.*hf download Qwen/Qwen2-Audio-7B-Instruct"):
        build(of, "paper", device="cpu")
