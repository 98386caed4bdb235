"""Checkpoints of the layout that PEFT-SER's authors released, written here."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from clip_kit import clip, recipe_fields, recipe_of
from safetensors.torch import save_file
from torch.nn.functional import gelu, linear
from typer.testing import CliRunner

from ovbench.cli.app import app
from ovbench.errors import InputError
from ovbench.systems.hearing.encoders import SpeechEncoder, open_speech_encoder
from ovbench.systems.hearing.importing import import_peft_ser
from ovbench.systems.hearing.recipes import SpeechClassifierRecipe
from ovbench.systems.hearing.saved import open_speech_model
from ovbench.systems.registry import bundled_folder

State = dict[str, torch.Tensor]
WHISPER, WAVLM = "peft-ser-whisper-tiny-lora", "peft-ser-wavlm-base-plus-lora"


def recipe(name: str) -> SpeechClassifierRecipe:
    """Four classes on the tiny encoder, as a released checkpoint has them."""
    fields = recipe_fields(name)
    del fields["scales"]["tiny"]["classes"]
    return recipe_of(SpeechClassifierRecipe, fields)


def released(family: str) -> State:
    """A checkpoint with random numbers, under the released names."""
    torch.manual_seed(4)
    state: State = {"weights": torch.randn(3)}
    ffn = (
        {"fc1": (64, 128), "fc2": (128, 64)}
        if family == "whisper"
        else {
            "feed_forward.intermediate_dense": (64, 128),
            "feed_forward.output_dense": (128, 64),
        }
    )
    for layer in range(2):
        for module, (into, out) in ffn.items():
            stem = f"backbone_model.encoder.layers.{layer}.{module}"
            state[f"{stem}.lora_A"] = torch.randn(16, into)
            state[f"{stem}.lora_B"] = torch.randn(out, 16)
    for index, width in ((0, 64), (3, 256), (6, 256)):
        state[f"model_seq.{index}.weight"] = 0.1 * torch.randn(256, width, 1)
        state[f"model_seq.{index}.bias"] = torch.randn(256)
    for index, out in ((0, 256), (2, 4)):
        state[f"out_layer.{index}.weight"] = 0.1 * torch.randn(out, 256)
        state[f"out_layer.{index}.bias"] = torch.randn(out)
    return state


def adapted(state: State, stem: str, own: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """loralib's layer: W x + b + (1/16) B A x."""
    a, b = state[f"{stem}.lora_A"], state[f"{stem}.lora_B"]
    return linear(x, own.weight, own.bias) + linear(linear(x, a), b) / 16


@torch.no_grad()
def forward(state: State, encoder: SpeechEncoder, clip: Any) -> torch.Tensor:
    """The released model on one clip, written out, layer by layer."""
    model: Any = encoder.model
    inputs = encoder.features([clip])["inputs"]
    if encoder.family == "whisper":
        x = gelu(model.conv2(gelu(model.conv1(inputs)))).transpose(1, 2)
        x = x + model.embed_positions.weight[: x.shape[1]]
        layers = model.layers
    else:
        x = model.feature_projection(model.feature_extractor(inputs).transpose(1, 2))[0]
        x = model.encoder.layer_norm(x + model.encoder.pos_conv_embed(x))
        layers = model.encoder.layers
    states, bias = [x], None
    for index, layer in enumerate(layers):
        stem = f"backbone_model.encoder.layers.{index}"
        if encoder.family == "whisper":
            x = x + layer.self_attn(hidden_states=layer.self_attn_layer_norm(x))[0]
            inner = gelu(adapted(state, f"{stem}.fc1", layer.fc1, layer.final_layer_norm(x)))
            x = x + adapted(state, f"{stem}.fc2", layer.fc2, inner)
        else:
            found, _, bias = layer.attention(x, position_bias=bias)
            x = layer.layer_norm(x + found)
            ffn, stem = layer.feed_forward, f"{stem}.feed_forward"
            inner = gelu(adapted(state, f"{stem}.intermediate_dense", ffn.intermediate_dense, x))
            x = x + adapted(state, f"{stem}.output_dense", ffn.output_dense, inner)
            x = layer.final_layer_norm(x)
        states.append(x)
    if encoder.family == "whisper":
        states[-1] = model.layer_norm(x)
    share = state["weights"].softmax(0)
    mixed = sum(share[k] * states[k] for k in range(3))[0]
    for index in (0, 3, 6):
        kernel = state[f"model_seq.{index}.weight"][:, :, 0]
        mixed = linear(mixed, kernel, state[f"model_seq.{index}.bias"])
        mixed = mixed.relu() if index < 6 else mixed
    hidden = linear(mixed.mean(0), state["out_layer.0.weight"], state["out_layer.0.bias"]).relu()
    return linear(hidden, state["out_layer.2.weight"], state["out_layer.2.bias"])


@pytest.mark.parametrize(("name", "encoder"), [(WHISPER, "tinywhisper"), (WAVLM, "tinywavlm")])
@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_an_imported_model_is_the_function_of_the_released_one(
    name: str, encoder: str, kind: str, tmp_path: Path
) -> None:
    opened = open_speech_encoder(encoder)
    state = released(opened.family)
    path = tmp_path / f"checkpoint.{kind}"
    torch.save(state, path) if kind == "pt" else save_file(state, path)
    found = import_peft_ser([path], recipe(name), "tiny", tmp_path / "adapter")
    assert (found.taken, found.checked, found.left_out) == (len(state), 0, 0)
    check_function(state, opened, recipe(name), tmp_path)


def check_function(
    state: State, opened: SpeechEncoder, recipe: SpeechClassifierRecipe, tmp_path: Path
) -> None:
    """The model in ``tmp_path / "adapter"`` is that of the released state."""
    model = open_speech_model(recipe, tmp_path / "adapter", "tiny", device="cpu").model
    assert model.classes == ("neutral", "angry", "sad", "happy")
    item = clip(tmp_path, "a", 0.4)
    (samples,) = model.clips.windows(item)
    with torch.no_grad():
        mine = model(**model.batch([item]))["logits"][0]
    torch.testing.assert_close(mine, forward(state, opened, samples), rtol=1e-3, atol=1e-3)


def pair(state: State, folder: Path, kind: str = "pt") -> tuple[Path, Path]:
    """The two files of a released model, under the names of the release."""
    lora = {name: tensor for name, tensor in state.items() if "lora_" in name}
    head = {name: tensor for name, tensor in state.items() if name not in lora}
    head["layer_weights"] = head.pop("weights")
    stem = "whisper_tiny_lora_16_conv_output"
    paths = folder / f"{stem}.{kind}", folder / f"{stem}_lora.{kind}"
    for path, part in zip(paths, (head, lora), strict=True):
        torch.save(part, path) if kind == "pt" else save_file(part, path)
    return paths


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_released_pair_is_one_model(kind: str, turned: bool, tmp_path: Path) -> None:
    state = released("whisper")
    files = pair(state, tmp_path, kind)
    found = import_peft_ser(
        files[::-1] if turned else files, recipe(WHISPER), "tiny", tmp_path / "adapter"
    )
    assert (found.taken, found.checked, found.left_out) == (len(state), 0, 0)
    check_function(state, open_speech_encoder("tinywhisper"), recipe(WHISPER), tmp_path)


def test_a_released_file_alone_is_told_the_other(tmp_path: Path) -> None:
    head, lora = pair(released("whisper"), tmp_path)
    cases = (
        (head, r"holds the head alone.*Name the other file too: \S+_conv_output_lora\.pt"),
        (lora, r"holds LoRA alone.*Name the other file too: \S+_conv_output\.pt"),
    )
    for file, told in cases:
        with pytest.raises(InputError, match=told):
            import_peft_ser([file], recipe(WHISPER), "tiny", tmp_path / "adapter")
    frozen: Any = open_speech_encoder("tinywhisper").model.state_dict()
    with pytest.raises(InputError, match="holds neither LoRA nor the head"):
        imported({"embed_positions": frozen["embed_positions.weight"]}, tmp_path)
    assert not (tmp_path / "adapter").exists()


def test_a_name_in_two_files_is_refused(tmp_path: Path) -> None:
    state = released("whisper")
    head, lora = pair(state, tmp_path)
    torch.save(state, tmp_path / "whole.pt")
    whole = tmp_path / "whole.pt"
    for files in ((head, head), (whole, lora), (head, whole)):
        with pytest.raises(InputError, match=rf"is there twice: \S*{files[0].name} has it too"):
            import_peft_ser(files, recipe(WHISPER), "tiny", tmp_path / "adapter")
    with pytest.raises(InputError, match="layer_weights is there twice"):
        imported(state | {"layer_weights": state["weights"]}, tmp_path)


def test_the_norm_that_mms_does_not_use_is_left_out(tmp_path: Path) -> None:
    norm = {"layer_norm.weight": torch.ones(64), "layer_norm.bias": torch.zeros(64)}
    found = imported(released("wav2vec2") | norm, tmp_path, "peft-ser-mms-lora")
    assert (found.checked, found.left_out) == (0, 2)
    with pytest.raises(InputError, match=r"'layer_norm\.weight' is not understood"):
        imported(released("whisper") | norm, tmp_path)


def test_the_command_takes_both_files(tmp_path: Path) -> None:
    text = (bundled_folder() / f"{WHISPER}.toml").read_text("utf-8")
    six = 'classes = ["happy", "sad", "angry", "fearful", "surprised", "neutral"]\n'
    assert six in text
    text = text.replace(six, "").replace(f'name = "{WHISPER}"', 'name = "four"')
    (tmp_path / "four.toml").write_text(text, "utf-8")
    files = [str(path) for path in pair(released("whisper"), tmp_path)]
    more = ["--model", str(tmp_path / "four.toml"), "--scale", "tiny", "-o", str(tmp_path / "out")]
    found = CliRunner().invoke(app, ["import-peft-ser", *files, *more])
    assert found.exit_code == 0, found.output
    assert "19 tensors taken" in found.output.replace("\n", " ")
    assert (tmp_path / "out" / "adapter" / "model.safetensors").exists()


def imported(state: Any, tmp_path: Path, name: str = WHISPER) -> Any:
    torch.save(state, tmp_path / "c.pt")
    return import_peft_ser([tmp_path / "c.pt"], recipe(name), "tiny", tmp_path / "adapter")


def test_frozen_weights_have_to_be_the_encoders(tmp_path: Path) -> None:
    state = released("whisper")
    frozen: Any = open_speech_encoder("tinywhisper").model.state_dict()
    state |= {f"backbone_model.encoder.{name}": tensor for name, tensor in frozen.items()}
    state["backbone_model.decoder.embed_tokens.weight"] = torch.zeros(4, 4)
    state["backbone_model.encoder.embed_positions.weight"] = frozen["embed_positions.weight"][:300]
    state["embed_positions"] = frozen["embed_positions.weight"]
    found = imported(state, tmp_path)
    assert (found.checked, found.left_out) == (len(frozen) + 1, 1)
    state["backbone_model.encoder.layers.1.fc1.weight"] = torch.zeros(128, 64)
    with pytest.raises(InputError, match=r"another encoder: .*layers\.1\.fc1\.weight differs"):
        imported(state, tmp_path)


def test_the_former_names_of_normalised_weights_are_known(tmp_path: Path) -> None:
    state = released("wavlm")
    own: Any = open_speech_encoder("tinywavlm").model.state_dict()
    stem = "encoder.pos_conv_embed.conv"
    for former, now in (("weight_g", "original0"), ("weight_v", "original1")):
        tensor = own[f"{stem}.parametrizations.weight.{now}"]
        state[f"backbone_model.{stem}.{former}"] = tensor
    assert imported(state, tmp_path, WAVLM).checked == 2


@pytest.mark.parametrize(
    "name", ["classifier.weight", "backbone_model.encoder.layers.0.adapter.down", "module.weights"]
)
def test_a_name_that_is_not_understood_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"'{name}' is not understood"):
        imported(released("whisper") | {name: torch.zeros(2)}, tmp_path)


def test_a_checkpoint_of_another_shape_is_refused(tmp_path: Path) -> None:
    state = released("whisper")
    del state["out_layer.2.bias"]
    with pytest.raises(InputError, match=r"they lack head\.out\.2\.bias"):
        imported(state, tmp_path)
    with pytest.raises(InputError, match="do not fit the model"):
        imported(released("wavlm"), tmp_path)
    assert not (tmp_path / "adapter").exists()


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ovbench never runs a file's code"):
        imported({"weights": Evil(tmp_path / "ran")}, tmp_path)
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_checkpoints_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"not a checkpoint")
    torch.save(released("whisper"), tmp_path / "whole.pt")
    (tmp_path / "b.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:9_000])
    (tmp_path / "c.safetensors").write_bytes(b"x" * 40)
    for name in ("a.pt", "b.pt", "c.safetensors", "none.pt"):
        with pytest.raises(InputError, match=name):
            import_peft_ser([tmp_path / name], recipe(WHISPER), "tiny", tmp_path / "adapter")
    with pytest.raises(InputError, match="'weights' is no tensor"):
        imported({"weights": 3}, tmp_path)
    with pytest.raises(InputError, match="holds no state dict"):
        imported([torch.zeros(2)], tmp_path)


@pytest.mark.parametrize("form", ["nested", "parallel"])
def test_what_the_message_says_makes_a_file_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    state = released("whisper")
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": state} if form == "nested" else parallel, "a.pt")
    said = "'epoch' is no tensor" if form == "nested" else "every name begins with 'module.'"
    with pytest.raises(InputError, match=said) as caught:
        import_peft_ser([Path("a.pt")], recipe(WHISPER), "tiny", tmp_path / "adapter")
    (code,) = re.findall(r'python -c "(.*?)"', str(caught.value))
    exec(code, {})
    found = import_peft_ser([Path("a-weights.pt")], recipe(WHISPER), "tiny", tmp_path / "adapter")
    assert found.taken == len(state)


def test_only_recipes_of_lora_take_a_released_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is trained by adapter"):
        imported(released("whisper"), tmp_path, "peft-ser-whisper-tiny-adapter")
