"""Trained systems that hear, on disk: a folder with ``model.safetensors``, the weights that were
trained, and ``model.json``, which says what they belong to: recipe, classes, and by hash every
frozen part.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ovbench import __version__
from ovbench.errors import InputError
from ovbench.io.folders import whole_folder
from ovbench.io.hashes import files_sha256
from ovbench.systems.backbones import read_json
from ovbench.systems.hearing.opening import build_model
from ovbench.systems.hearing.recipes import FROZEN_PARTS
from ovbench.systems.saved_files import SPEECH_MODEL, check_files

if TYPE_CHECKING:
    from ovbench.systems.hearing.base import SpeechModel
    from ovbench.systems.hearing.recipes import HearingRecipe

RECORD, WEIGHTS = SPEECH_MODEL
SCHEMA = "ovbench.speech-model/1"
_TOLD = ("name", "title", "paper", "citation", "licence", "notes", "published", "scales", "classes")
_NOT_ITS_FORM = ("training", "train_task", "eval_tasks", "classes", "prompt")


@dataclass(frozen=True)
class OpenedSpeechModel:
    """A trained model in evaluation mode.

    Attributes
    ----------
    sha256:
        Of its record and weight file.
    """

    model: SpeechModel
    sha256: str


def save_speech_model(model: SpeechModel, folder: Path, recipe: HearingRecipe, scale: str) -> None:
    """Write what was trained of a model, whole or not at all; a former folder is replaced.

    Raises
    ------
    OvbenchError
        If writing fails (a full disk); what was there before is kept.
    """
    with whole_folder(folder, (SafetensorError,)) as fresh:
        write_speech_model(model, fresh, recipe, scale)


def write_speech_model(model: SpeechModel, folder: Path, recipe: HearingRecipe, scale: str) -> None:
    """The files of :func:`save_speech_model`, into a folder that exists; OSError if that fails."""
    record = {
        "schema_version": SCHEMA,
        "recipe": recipe.name,
        "recipe_digest": recipe.digest(),
        "kind": recipe.kind,
        "scale": scale,
        "classes": list(model.classes),
        "form": form_of(recipe, scale),
        "parts": model.provenance(),
        "ovbench": __version__,
    }
    state = {name: tensor.contiguous().cpu() for name, tensor in model.trained_state().items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / RECORD).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", "utf-8")


def form_of(recipe: HearingRecipe, scale: str) -> dict[str, Any]:
    """What of a recipe a trained model is bound to, beside its classes and the frozen parts.

    Not how it was trained, nor what its backbones are called.
    """
    top = recipe.model_dump(mode="json", exclude=dict.fromkeys(_TOLD, True))
    part = recipe.scale(scale).model_dump(
        mode="json", exclude=dict.fromkeys((*_NOT_ITS_FORM, *FROZEN_PARTS), True)
    )
    return top | part


def open_speech_model(
    recipe: HearingRecipe,
    folder: Path,
    scale: str,
    *,
    device: torch.device | str = "auto",
    dtype: torch.dtype | str | None = None,
    base: str | None = None,
) -> OpenedSpeechModel:
    """A trained model of ``recipe`` at ``scale``, on its frozen parts.

    ``device``, ``dtype`` and ``base``: as :func:`ovbench.systems.hearing.opening.build_model`.

    Raises
    ------
    InputError
        If the folder holds no such model, a damaged one, one of another recipe, with other classes
        or settings, one trained on other frozen parts, or one that does not fit them.
    """
    check_files(folder, SPEECH_MODEL)
    record = read_json(folder / RECORD, "a trained model's folder (model.json)")
    _check_record(record, recipe, scale, folder)
    state = _weights(folder / WEIGHTS)
    model = build_model(recipe, scale, device=device, dtype=dtype, base=base)
    _check_parts(record, model, folder)
    load_trained(model, state, str(folder))
    digest = files_sha256(folder / name for name in SPEECH_MODEL)
    return OpenedSpeechModel(model.eval(), digest)


def load_trained(model: SpeechModel, state: dict[str, torch.Tensor], where: str) -> None:
    """Put saved weights into a model.

    Raises
    ------
    InputError
        If names or shapes are not those of the weights that it trains.
    """
    expected = model.trained_state()
    for name in sorted(expected.keys() ^ state.keys()):
        lacking = "lack" if name in expected else "have, beyond what the recipe says,"
        raise InputError(f"the weights do not fit the model: they {lacking} {name}", where=where)
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise InputError(
                f"the weights do not fit the model: {name} is {tuple(tensor.shape)}",
                where=where,
                expected=f"{tuple(expected[name].shape)}",
            )
    model.load_state_dict(state, strict=False)


def _check_record(record: dict[str, Any], recipe: HearingRecipe, scale: str, folder: Path) -> None:
    where = str(folder / RECORD)
    if record.get("schema_version") != SCHEMA:
        raise InputError(
            f"schema version {record.get('schema_version')!r}", where=where, expected=SCHEMA
        )
    wanted = {"kind": recipe.kind, "classes": list(recipe.classes_at(scale))}
    found = {name: record.get(name) for name in wanted}
    form = record.get("form")
    if isinstance(form, dict):
        # Fields that came to recipes later are not in older records.
        wanted |= {name: value for name, value in form_of(recipe, scale).items() if name in form}
        found |= form
    for name, value in wanted.items():
        if found[name] != value:
            raise InputError(
                f"this model is not one of {recipe.name}: it was trained with {name} "
                f"{_shown(found[name])}",
                where=str(folder),
                expected=f"{name} {_shown(value)}, as the recipe trains it",
                mend="take the recipe that it was trained by "
                f"({record.get('recipe')}, scale {record.get('scale')}), or train it again",
            )


def _check_parts(record: dict[str, Any], model: SpeechModel, folder: Path) -> None:
    parts = record.get("parts")
    told = parts if isinstance(parts, dict) else {}
    for name, digest in model.provenance().items():
        if told.get(name) != digest:
            raise InputError(
                f"the model was trained with the {name} {str(told.get(name))[:12]}; this one is "
                f"{digest[:12]}",
                where=str(folder),
                mend="take the one it was trained with (--base), or train it again",
            )


def _weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.exists():
        raise InputError("is not there", where=str(path), expected="the model's trained weights")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"the weight file is damaged or cut off ({error})",
            where=str(path),
            mend="copy it again, or train the model again",
        ) from None


def _shown(value: object) -> str:
    """``name lora, r 16``, in the order of the names."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
