"""Where models run, and where what was trained for them lies."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import InputError, MissingExtraError
from ovbench.systems import Trainable
from ovbench.systems.backbones import TINY
from ovbench.testbed.bundled import adapter_folder
from ovbench.training.report import REPORT_FILE
from ovbench.training.speech_report import read_any_report

if TYPE_CHECKING:
    import torch

TRAIN = "train"
"""``<out>/<recipe>/train``: where a run's own training is looked for, and put by a comparison."""
ADAPTER = "adapter"


@dataclass(frozen=True)
class Place:
    """Where and how a model runs.

    Attributes
    ----------
    scale:
        ``tiny`` or ``paper``.
    adapter:
        Folder of an adapter, or of the training that made it; default: :func:`find_adapter`.
    base:
        In place of the scale's backbone: a folder, or a name on the hub.
    device, dtype:
        As :func:`ovbench.systems.loading.load_base` takes them.
    """

    scale: str = "tiny"
    adapter: Path | None = None
    base: str | None = None
    device: str = "auto"
    dtype: str = "auto"


def find_adapter(
    recipe: Trainable, place: Place, out: str | Path, asked: str | None = None
) -> Path:
    """The adapter's folder: the given one, that of a training under ``out``, or the bundled one.

    ``asked``: what the user called the recipe, for the message.

    Raises
    ------
    InputError
        If there is none.
    """
    if place.adapter is not None:
        inner = place.adapter / ADAPTER
        return inner if inner.is_dir() else place.adapter
    home = train_folder(out, recipe.name, place.scale)
    # The report is written last: without it the training is not finished.
    if (home / REPORT_FILE).is_file() and (home / ADAPTER).is_dir():
        return home / ADAPTER
    bundled = adapter_folder(recipe.name)
    if place.scale == "tiny" and place.base in (None, TINY) and bundled.is_dir():
        return bundled
    command = ["ovbench", "train", "--model", asked or recipe.name]
    command += [] if place.scale == "tiny" else ["--scale", place.scale]
    command += [] if place.base is None else ["--base", place.base]
    raise InputError(
        f"there is no trained adapter of {recipe.name!r} at scale {place.scale!r}",
        where=str(home),
        expected="a folder with an adapter",
        mend=f"train one with: {shlex.join([*command, '--output-path', str(home)])}, or name one "
        "with --adapter FOLDER",
    )


def train_folder(out: str | Path, recipe: str, scale: str) -> Path:
    """``<out>/<recipe>/train``; at another scale than tiny, that is named too: ``train-paper``."""
    return Path(out) / recipe / (TRAIN if scale == "tiny" else f"{TRAIN}-{scale}")


def training_seed(adapter: Path) -> int | None:
    """The seed that an adapter was trained under, where its training report is at hand."""
    path = find_report(adapter)
    return None if path is None else read_any_report(path).seed


def find_report(adapter: Path) -> Path | None:
    """The training report beside an adapter, or above it, if there is one."""
    files = (folder / REPORT_FILE for folder in (adapter, adapter.parent))
    return next((file for file in files if file.is_file()), None)


def require_models(what: str) -> None:
    """Raise :class:`MissingExtraError` unless language models can be run here."""
    if any(find_spec(name) is None for name in ("torch", "transformers", "peft", "accelerate")):
        raise MissingExtraError(what, "models")


def device_name(device: torch.device) -> str:
    """``cpu``, ``mps``, or ``cuda:0 NVIDIA H200``."""
    if device.type != "cuda":
        return str(device)
    import torch

    return f"{device} {torch.cuda.get_device_name(device)}"
