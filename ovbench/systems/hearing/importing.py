"""Checkpoints that PEFT-SER's authors released, brought into ovbench's form.

Their names are loralib's. These are understood, all others are refused by name:

========================================================  =========================================
``backbone_model.encoder.layers.N.fc1.lora_A`` (Whisper)  LoRA, (r, in); ``lora_B``: (out, r); also
                                                          ``fc2``
``backbone_model.encoder.layers.N.feed_forward.           the same for WavLM and MMS; also
intermediate_dense.lora_A``                               ``output_dense``
``model_seq.0``, ``.3``, ``.6``                           the head's convolutions
``out_layer.0``, ``.2``                                   its linear layers
``weights``                                               its mean over hidden states
other ``backbone_model.…``, ``embed_positions``           the frozen encoder: has to be the same
``backbone_model.decoder.…`` (Whisper)                    has no part in it
========================================================  =========================================

LoRA's scaling is not in a checkpoint: it is that of the recipe.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ovbench.errors import InputError
from ovbench.systems.hearing.classifier import SpeechClassifier
from ovbench.systems.hearing.opening import build_model
from ovbench.systems.hearing.recipes import FfnLora, SpeechClassifierRecipe
from ovbench.systems.hearing.saved import load_trained, save_speech_model

State = dict[str, Tensor]

_LORA = re.compile(r"backbone_model\.(.+)\.(lora_[AB])")
_HEAD = {"model_seq": "convolutions", "out_layer": "out"}
_WEIGHT_NORM = {"weight_g": "parametrizations.weight.original0",
                "weight_v": "parametrizations.weight.original1"}  # fmt: skip
"""Names that PyTorch gave the two parts of a normalised weight in earlier releases."""


@dataclass(frozen=True)
class ImportedModel:
    """A checkpoint in ovbench's form.

    Attributes
    ----------
    folder:
        As :func:`ovbench.systems.hearing.saved.open_speech_model` reads it.
    taken, checked, left_out:
        Tensors that became the model's, that were compared with the frozen encoder's, and that
        have no part in it (Whisper's decoder).
    """

    folder: Path
    taken: int
    checked: int
    left_out: int


def import_peft_ser(
    file: Path,
    recipe: SpeechClassifierRecipe,
    scale: str,
    folder: Path,
    *,
    base: str | None = None,
) -> ImportedModel:
    """Bring a released checkpoint into ``folder``, as if ``recipe`` at ``scale`` had trained it.

    Parameters
    ----------
    file:
        ``*.pt``, read as plain tensors and never as code; or ``*.safetensors``.
    base:
        The encoder, in place of the recipe's.

    Raises
    ------
    InputError
        If the file cannot be read as tensors, has names that are not understood, lacks some, was
        trained on another encoder, or does not fit the recipe.
    """
    if not isinstance(recipe.method, FfnLora):
        raise InputError(
            f"{recipe.name} is trained by {recipe.method.name}",
            expected="a recipe of LoRA, as the released checkpoints are",
        )
    found = _read(file)
    model = cast(SpeechClassifier, build_model(recipe, scale, device="cpu", base=base))
    where = str(file)
    state: State = {}
    checked = left_out = 0
    for name, tensor in found.items():
        ours = _trained_name(name, model)
        if ours is not None:
            state[ours] = tensor.float()
        elif model.encoder.family == "whisper" and name.startswith("backbone_model.decoder."):
            left_out += 1
        else:
            _check_frozen(name, tensor, model, where)
            checked += 1
    load_trained(model, state, where)
    save_speech_model(model, folder, recipe, scale)
    return ImportedModel(folder, len(state), checked, left_out)


def _read(file: Path) -> State:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        loaded: object = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(file)) from None
    except pickle.UnpicklingError:
        raise InputError(
            "is no file of plain tensors: it is damaged, or holds objects that run code when they "
            "are read",
            where=str(file),
            expected="a state dict as PyTorch saves it; ovbench never runs a file's code",
        ) from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0] or "cut off"
        raise InputError(f"is damaged or no checkpoint ({reason})", where=str(file)) from None
    if not isinstance(loaded, dict) or not loaded:
        raise InputError("holds no state dict", where=str(file))
    for name, value in loaded.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise InputError(
                f"{name!r} is no tensor", where=str(file), expected="a state dict, name to tensor"
            )
    return loaded


def _trained_name(name: str, model: SpeechClassifier) -> str | None:
    """What a trained tensor is called here; None for one that is not trained."""
    if name == "weights":
        return "head.weights"
    first, _, rest = name.partition(".")
    if first in _HEAD:
        return f"head.{_HEAD[first]}.{rest}"
    lora = _LORA.fullmatch(name)
    return f"encoder.model.{_module(lora[1], model)}.{lora[2]}.default.weight" if lora else None


def _module(name: str, model: SpeechClassifier) -> str:
    """A module of ``backbone_model`` by its name here, where Whisper is its encoder alone."""
    return name.removeprefix("encoder.") if model.encoder.family == "whisper" else name


def _check_frozen(name: str, tensor: Tensor, model: SpeechClassifier, where: str) -> None:
    """Refuse a tensor that is none of the encoder's, or another than it has.

    Raises
    ------
    InputError
        Naming it.
    """
    own = model.encoder.model.state_dict()
    if name == "embed_positions":  # the authors' model holds a copy beside Whisper's own
        name = "backbone_model.encoder.embed_positions.weight"
    module = _module(name.removeprefix("backbone_model."), model)
    stem, _, last = module.rpartition(".")
    names = (module, f"{stem}.base_layer.{last}", f"{stem}.{_WEIGHT_NORM.get(last)}")
    mine = next((own[one] for one in names if one in own), None)
    if mine is None or not name.startswith("backbone_model."):
        raise InputError(
            f"the name {name!r} is not understood",
            where=where,
            expected="LoRA of the feed-forward layers (….lora_A, ….lora_B), model_seq.…, "
            "out_layer.…, weights, and the frozen encoder's own",
        )
    if name.endswith("embed_positions.weight"):  # their code cuts the table to a clip's length
        mine = mine[: len(tensor)]
    if mine.shape != tensor.shape or not torch.equal(mine.float(), tensor.float()):
        raise InputError(
            f"the checkpoint was trained on another encoder: {name} differs from that of "
            f"{model.encoder.name}",
            where=where,
            mend="take the recipe of its encoder, or name the encoder with --base",
        )
