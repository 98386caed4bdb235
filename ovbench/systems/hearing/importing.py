"""Checkpoints that PEFT-SER's authors released, brought into ovbench's form.

A released model is two files: the head's (``whisper_tiny_lora_16_conv_output.pt``) and LoRA's
(``whisper_tiny_lora_16_conv_output_lora.pt``); the package keeps them as
``whisper-tiny-lora-16-conv.pt`` and ``whisper-tiny-lora-16-conv_lora.pt``. A file that their
training code wrote may hold all. The names in them are loralib's. These are understood, all others
are refused by name:

========================================================  =========================================
``backbone_model.encoder.layers.N.fc1.lora_A`` (Whisper)  LoRA, (r, in); ``lora_B``: (out, r); also
                                                          ``fc2``
``backbone_model.encoder.layers.N.feed_forward.           the same for WavLM and MMS; also
intermediate_dense.lora_A``                               ``output_dense``
``model_seq.0``, ``.3``, ``.6``                           the head's convolutions
``out_layer.0``, ``.2``                                   its linear layers
``layer_weights``; ``weights`` in the training code       its mean over hidden states
other ``backbone_model.…``, ``embed_positions``           the frozen encoder: has to be the same
``backbone_model.decoder.…`` (Whisper)                    has no part in it
``layer_norm.…`` (MMS)                                    is not used by the published code
========================================================  =========================================

LoRA's scaling is not in a checkpoint: it is that of the recipe.
"""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from ovbench.errors import InputError
from ovbench.systems.broken import FAULTS
from ovbench.systems.hearing.classifier import SpeechClassifier
from ovbench.systems.hearing.opening import build_model
from ovbench.systems.hearing.recipes import FfnLora, SpeechClassifierRecipe
from ovbench.systems.hearing.saved import load_trained, save_speech_model

State = dict[str, Tensor]

_LORA = re.compile(r"backbone_model\.(.+)\.(lora_[AB])")
_HEAD = {"model_seq": "convolutions", "out_layer": "out"}
_MEAN = ("layer_weights", "weights")
"""What the release and the training code call the weights of the mean over hidden states."""
_PARALLEL = "module."
"""Begins the names of a model that was saved with the DataParallel around it."""
_UNUSED = {"whisper": "backbone_model.decoder.", "wav2vec2": "layer_norm."}
"""Beginning of the names that have no part in a model, by the encoder's family."""
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
        have no part in it (Whisper's decoder, and a norm that MMS's code does not use).
    """

    folder: Path
    taken: int
    checked: int
    left_out: int


def import_peft_ser(
    files: Sequence[Path],
    recipe: SpeechClassifierRecipe,
    scale: str,
    folder: Path,
    *,
    base: str | None = None,
) -> ImportedModel:
    """Bring a released model into ``folder``, as if ``recipe`` at ``scale`` had trained it.

    Parameters
    ----------
    files:
        The head's and LoRA's, in any order, or one that holds both: ``*.pt``, read as plain
        tensors and never as code; or ``*.safetensors``.
    base:
        The encoder, in place of the recipe's.

    Raises
    ------
    InputError
        If a file cannot be read as tensors, has names that are not understood or that another has
        too, was trained on another encoder, or does not fit the recipe; or if the head or LoRA is
        lacking.
    """
    if not isinstance(recipe.method, FfnLora):
        raise InputError(
            f"{recipe.name} is trained by {recipe.method.name}",
            expected="a recipe of LoRA, as the released checkpoints are",
        )
    released = [(file, _read(file)) for file in files]
    model = cast(SpeechClassifier, build_model(recipe, scale, device="cpu", base=base))
    unused = _UNUSED.get(model.encoder.family)
    wanted = model.trained_state()
    state: State = {}
    seen: dict[str, Path] = {}
    checked = left_out = 0
    for file, found in released:
        for name, tensor in found.items():
            ours = _trained_name(name, model)
            _refuse_twice(ours or name, name, file, seen)
            if ours is not None:
                _refuse_misshapen(name, tensor, wanted.get(ours), file)
                _refuse_broken(name, tensor, file)
                state[ours] = tensor.float()
            elif unused is not None and name.startswith(unused):
                left_out += 1
            else:
                _check_frozen(name, tensor, model, str(file))
                checked += 1
    _refuse_half(state, files)
    load_trained(model, state, ", ".join(map(str, files)))
    save_speech_model(model, folder, recipe, scale)
    return ImportedModel(folder, len(state), checked, left_out)


def _refuse_twice(key: str, name: str, file: Path, seen: dict[str, Path]) -> None:
    if key in seen:
        raise InputError(
            f"{name} is there twice: {seen[key]} has it too",
            where=str(file),
            expected="the two files of one released model, the head's and LoRA's",
        )
    seen[key] = file


def _refuse_misshapen(name: str, tensor: Tensor, wanted: Tensor | None, file: Path) -> None:
    """Refuse a shape first of all: a file of a few bytes can hold a tensor of any."""
    if tensor.layout is not torch.strided or tensor.is_quantized or not tensor.is_floating_point():
        raise InputError(
            f"{name} is of type {tensor.dtype}, {tensor.layout}",
            where=str(file),
            expected="plain numbers with a fraction",
        )
    if wanted is not None and tensor.shape != wanted.shape:
        raise InputError(
            f"the weights do not fit the model: {name} is {tuple(tensor.shape)}",
            where=str(file),
            expected=f"{tuple(wanted.shape)}",
        )


def _refuse_broken(name: str, tensor: Tensor, file: Path) -> None:
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(
            f"{name} has values that are no finite numbers",
            where=str(file),
            mend="copy the file again; a training that failed leaves such weights",
        )


def _refuse_half(state: State, files: Sequence[Path]) -> None:
    """Refuse a head without LoRA, and LoRA without a head, as one released file alone is."""
    lora = any("lora_" in name for name in state)
    head = any(name.startswith("head.") for name in state)
    if lora and head:
        return
    last = files[-1]
    if head:
        found, other = "holds the head alone, without LoRA", f"{last.stem}_lora"
    elif lora:
        found, other = "holds LoRA alone, without the head", last.stem.removesuffix("_lora")
    else:
        found, other = "holds neither LoRA nor the head", ""
    raise InputError(
        found,
        where=", ".join(map(str, files)),
        expected="both files of a released model: X.pt, the head's, and X_lora.pt, LoRA's",
        mend=f"name the other file too: {other}{last.suffix}" if other else None,
    )


def _read(file: Path) -> State:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with warnings.catch_warnings(action="ignore"):  # what is wrong is told below
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
    except (*FAULTS, EOFError, struct.error, zipfile.BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0] or "cut off"
        raise InputError(f"is damaged or no checkpoint ({reason})", where=str(file)) from None
    if not isinstance(loaded, dict) or not loaded:
        raise InputError("holds no state dict", where=str(file))
    for name, value in loaded.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise InputError(
                f"{name!r} is no tensor",
                where=str(file),
                expected="a state dict, name to tensor",
                mend=_unpacked(file, f"torch.load({file.name!r}, weights_only=True)[{name!r}]")
                if isinstance(value, dict) and value
                else None,
            )
    if all(name.startswith(_PARALLEL) for name in loaded):
        inner = "{k.removeprefix('module.'): v for k, v in "
        raise InputError(
            f"every name begins with {_PARALLEL!r}",
            where=str(file),
            expected="the names of the model itself, not of the DataParallel around it",
            mend=_unpacked(file, f"{inner}torch.load({file.name!r}, weights_only=True).items()}}"),
        )
    return loaded


def _unpacked(file: Path, weights: str) -> str:
    """How to make a file of the state dict alone."""
    name = f"{file.stem}-weights.pt"
    return (
        f'save the state dict alone, in that folder, with: python -c "import torch; '
        f'torch.save({weights}, {name!r})", and name {name}'
    )


def _trained_name(name: str, model: SpeechClassifier) -> str | None:
    """What a trained tensor is called here; None for one that is not trained."""
    if name in _MEAN:
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
            "out_layer.…, layer_weights, and the frozen encoder's own",
        )
    if name.endswith("embed_positions.weight"):  # their code cuts the table to a clip's length
        mine = mine[: len(tensor)]
    plain = tensor.layout is torch.strided and not tensor.is_quantized
    if not plain or mine.shape != tensor.shape or not torch.equal(mine.float(), tensor.float()):
        raise InputError(
            f"the checkpoint was trained on another encoder: {name} differs from that of "
            f"{model.encoder.name}",
            where=where,
            mend="take the recipe of its encoder, or name the encoder with --base",
        )
