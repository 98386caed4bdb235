"""Valid files of weights: adapters, trained models, released checkpoints, states of training."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from transformers.utils import logging

# It lists the tensors that are too many, by names of any length, some hundred times a second.
logging.set_verbosity(logging.CRITICAL)

ADAPTER = "affectgpt-lora-r4"
SPEECH = "peft-ser-whisper-tiny-lora"


def adapter_folder() -> Path:
    from ovbench.testbed.bundled import adapter_folder

    return adapter_folder(ADAPTER)


@cache
def base() -> Any:
    from ovbench.systems.loading import load_base

    return load_base(device="cpu")


def copy_adapter(folder: Path) -> None:
    shutil.copytree(adapter_folder(), folder, dirs_exist_ok=True)


def open_adapter(path: Path) -> None:
    """Put the adapter in the folder of ``path`` on the base, and take it off again."""
    from ovbench.systems.saved import open_adapter as opened

    found = opened(None, path.parent, base())
    found.model.unload()


def seed_of(name: str) -> list[bytes]:
    return [(adapter_folder() / name).read_bytes()]


@cache
def speech_recipe() -> Any:
    from pydantic import TypeAdapter

    from ovbench.systems.hearing.recipes import SpeechClassifierRecipe
    from ovbench.systems.registry import bundled_folder

    fields = tomllib.loads((bundled_folder() / f"{SPEECH}.toml").read_text("utf-8"))
    del fields["scales"]["tiny"]["classes"]
    return TypeAdapter(SpeechClassifierRecipe).validate_python(
        fields, context={"folder": bundled_folder()}
    )


@cache
def released() -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    state = {"weights": torch.randn(3)}
    for layer in range(2):
        for module, (into, out) in {"fc1": (64, 128), "fc2": (128, 64)}.items():
            stem = f"backbone_model.encoder.layers.{layer}.{module}"
            state[f"{stem}.lora_A"] = torch.randn(16, into)
            state[f"{stem}.lora_B"] = torch.randn(out, 16)
    for index, width in ((0, 64), (3, 256), (6, 256)):
        state[f"model_seq.{index}.weight"] = torch.randn(256, width, 1)
        state[f"model_seq.{index}.bias"] = torch.randn(256)
    for index, out in ((0, 256), (2, 4)):
        state[f"out_layer.{index}.weight"] = torch.randn(out, 256)
        state[f"out_layer.{index}.bias"] = torch.randn(out)
    return state


@cache
def checkpoints() -> list[bytes]:
    found = []
    for state, new in ((released(), True), (_few(), True), (_few(), False)):
        stream = io.BytesIO()
        torch.save(state, stream, _use_new_zipfile_serialization=new)
        found.append(stream.getvalue())
    return found[1:]


def _few() -> dict[str, torch.Tensor]:
    """Some of the tensors: enough to be looked at, few enough for a small file."""
    return {
        name: released()[name] for name in ("weights", "out_layer.2.bias", "out_layer.2.weight")
    }


def checkpoint_tensors() -> list[bytes]:
    return [save(_few())]


def import_released(path: Path) -> None:
    from ovbench.systems.hearing.importing import import_peft_ser

    import_peft_ser([path], speech_recipe(), "tiny", path.parent.parent / "out" / "adapter")


@cache
def _speech_model(folder: Path) -> None:
    from ovbench.systems.hearing.opening import build_model
    from ovbench.systems.hearing.saved import save_speech_model

    model = build_model(speech_recipe(), "tiny", seed=3, device="cpu")
    save_speech_model(model, folder, speech_recipe(), "tiny")


def speech_folder(folder: Path) -> None:
    _speech_model(folder)


def speech_records() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "adapter")
        _speech_model(folder)
        return [(folder / "model.json").read_bytes()]


def open_speech(path: Path) -> None:
    from ovbench.systems.hearing.saved import open_speech_model

    open_speech_model(speech_recipe(), path.parent, "tiny", device="cpu")


def training_states() -> list[bytes]:
    progress = {"device_batch": 4, "step": 2, "curve": [{"step": 1, "loss": 0.5, "accuracy": 0.1}]}
    state = {
        "schema_version": "ovbench.training-state/1",
        "progress": progress,
        "identity": {"seed": 0},
        "scaler": {},
        "tensors_sha256": hashlib.sha256(save({})).hexdigest(),
    }
    return [json.dumps(state).encode()]


def speech_states() -> list[bytes]:
    state = json.loads(training_states()[0])
    digest = state.pop("tensors_sha256")
    state["schema_version"] = "ovbench.speech-training-state/1"
    state["progress"] = {"chosen_by": "loss", "curve": []}
    more = {
        "optimizer": [],
        "scheduler": {},
        "random": {},
        "sha256": {"tensors.safetensors": digest},
    }
    return [json.dumps(state | more).encode()]


def tensors() -> list[bytes]:
    return [save({})]


def model_configs() -> list[bytes]:
    from ovbench.testbed.bundled import backbone_folder

    return [(backbone_folder() / "config.json").read_bytes()]


def copy_backbone(folder: Path) -> None:
    from ovbench.testbed.bundled import backbone_folder

    shutil.copytree(backbone_folder(), folder, dirs_exist_ok=True)


def backbone_seed(name: str) -> list[bytes]:
    from ovbench.testbed.bundled import backbone_folder

    return [(backbone_folder() / name).read_bytes()]


@cache
def _small() -> tuple[dict[str, Any], bytes]:
    """Configuration and weights of a backbone of a few kilobytes, of which mutations are quick."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = json.loads(model_configs()[0]) | {
        "hidden_size": 8,
        "intermediate_size": 8,
        "layer_types": ["full_attention"],
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": 16,
    }
    kind = config.pop("model_type")
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config))
    state = {name: value for name, value in model.state_dict().items() if "lm_head" not in name}
    return config | {"model_type": kind}, save(state, {"format": "pt"})


def small_weights() -> list[bytes]:
    return [_small()[1]]


def copy_small_backbone(folder: Path) -> None:
    copy_backbone(folder)
    (folder / "config.json").write_text(json.dumps(_small()[0]))
    (folder / "model.safetensors").write_bytes(_small()[1])
