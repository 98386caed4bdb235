"""Trained models that hear, on disk: what comes back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from clip_kit import clip, recipe_fields, recipe_of
from safetensors.torch import load_file, save_file

from ovbench.errors import InputError
from ovbench.systems.hearing.classifier import SpeechClassifier
from ovbench.systems.hearing.encoders import open_speech_encoder
from ovbench.systems.hearing.opening import build_model
from ovbench.systems.hearing.recipes import SpeechClassifierRecipe
from ovbench.systems.hearing.saved import (
    RECORD,
    WEIGHTS,
    open_speech_model,
    save_speech_model,
)

NAME = "peft-ser-whisper-tiny-lora"


def recipe(**changes: Any) -> SpeechClassifierRecipe:
    return recipe_of(SpeechClassifierRecipe, recipe_fields(NAME) | changes)


def stirred(chosen: SpeechClassifierRecipe) -> SpeechClassifier:
    model = build_model(chosen, "tiny", seed=3, device="cpu")
    assert isinstance(model, SpeechClassifier)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "adapter"
    save_speech_model(stirred(recipe()), folder, recipe(), "tiny")
    return folder


def opened(folder: Path, chosen: SpeechClassifierRecipe, **more: Any) -> Any:
    return open_speech_model(chosen, folder, "tiny", device="cpu", **more)


@pytest.mark.parametrize("method", ["lora", "adapter", "adapter_l", "embedding_prompt", "none"])
def test_a_model_comes_back_with_the_same_answers(method: str, tmp_path: Path) -> None:
    chosen = recipe(method={"name": method})
    model = stirred(chosen)
    save_speech_model(model, tmp_path / "adapter", chosen, "tiny")
    back = opened(tmp_path / "adapter", chosen)
    assert not back.model.training
    item = clip(tmp_path, "a", 0.3)
    assert back.model.answers([item]) == model.answers([item])
    names = load_file(tmp_path / "adapter" / WEIGHTS)
    assert not any("fc1.base" in name or "conv1" in name for name in names)
    assert opened(tmp_path / "adapter", chosen).sha256 == back.sha256


def test_the_record_says_what_the_weights_belong_to(saved: Path) -> None:
    record = json.loads((saved / RECORD).read_text())
    assert record["parts"] == {"encoder": open_speech_encoder("tinywhisper").sha256}
    assert (record["recipe"], record["scale"]) == (NAME, "tiny")
    assert record["classes"] == list(recipe().classes_at("tiny"))


def test_training_settings_may_differ(saved: Path) -> None:
    fields = recipe_fields(NAME)
    fields["scales"]["tiny"]["training"]["learning_rate"] = 0.5
    assert opened(saved, recipe_of(SpeechClassifierRecipe, fields)).model


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": {"name": "adapter"}}, "trained with method lora_alpha 1.0, name lora, r 16"),
        ({"method": {"name": "lora", "lora_alpha": 16.0}}, "lora_alpha 1.0"),
        ({"hidden": 32}, "trained with hidden 256"),
    ],
)
def test_a_model_of_another_recipe_is_refused(
    saved: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError) as caught:
        opened(saved, recipe(**changes))
    assert f"is not one of {NAME}: it was " in str(caught.value)
    assert told in str(caught.value)


def test_other_classes_and_other_lengths_are_refused(saved: Path) -> None:
    fields = recipe_fields(NAME)
    fields["scales"]["tiny"]["classes"] = ["sad", "happy"]
    with pytest.raises(InputError, match="classes happy, sad, angry"):
        opened(saved, recipe_of(SpeechClassifierRecipe, fields))
    fields = recipe_fields(NAME)
    fields["scales"]["tiny"]["audio"]["max_seconds"] = 5.0
    with pytest.raises(InputError, match=r"audio longer crop, max_seconds 10\.0"):
        opened(saved, recipe_of(SpeechClassifierRecipe, fields))


def test_another_encoder_is_refused_by_its_hash(saved: Path) -> None:
    ours = open_speech_encoder("tinywhisper").sha256[:12]
    with pytest.raises(InputError, match=f"trained with the encoder {ours}; this one is") as caught:
        opened(saved, recipe(), base="tinywavlm")
    assert "--base" in str(caught.value)


def changed(saved: Path, folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    folder.mkdir()
    (folder / RECORD).write_bytes((saved / RECORD).read_bytes())
    state = load_file(saved / WEIGHTS)
    change(state)
    save_file(state, folder / WEIGHTS)
    return folder


def test_weights_that_do_not_fit_are_refused_by_name(saved: Path, tmp_path: Path) -> None:
    lacking = changed(saved, tmp_path / "a", lambda s: s.__delitem__("head.weights"))
    with pytest.raises(InputError, match=r"they lack head\.weights"):
        opened(lacking, recipe())
    more = changed(saved, tmp_path / "b", lambda s: s.update({"zzz": torch.zeros(1)}))
    with pytest.raises(InputError, match="have, beyond what the recipe says, zzz"):
        opened(more, recipe())
    other = changed(saved, tmp_path / "c", lambda s: s.update({"head.weights": torch.zeros(7)}))
    with pytest.raises(InputError, match=r"head\.weights is \(7,\); expected \(3,\)"):
        opened(other, recipe())


def test_a_damaged_or_absent_model_is_told(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.json.*cannot be read.*a trained model's folder"):
        opened(tmp_path, recipe())
    (tmp_path / RECORD).write_bytes((saved / RECORD).read_bytes())
    with pytest.raises(InputError, match="is not there"):
        opened(tmp_path, recipe())
    (tmp_path / WEIGHTS).write_bytes((saved / WEIGHTS).read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged or cut off"):
        opened(tmp_path, recipe())
    (tmp_path / RECORD).write_text('{"schema_version": "ovbench.speech-model/9"}')
    with pytest.raises(InputError, match=r"schema version 'ovbench.speech-model/9'"):
        opened(tmp_path, recipe())
