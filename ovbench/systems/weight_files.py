"""What the headers of weight files say, before memory is taken for a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ovbench.errors import InputError
from ovbench.systems.backbones import check_folder, read_config
from ovbench.systems.broken import told_of

_REPEATED = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_experts")
"""Fields of a configuration that say how often a part is repeated, each with weights of its own."""
_MOST_TIMES = 2
"""Weights that are tied or only needed in training may be absent from the files."""
_SMALL = 1_000_000
"""Numbers that a model may have in any case: a few megabytes."""


def stored_parameters(files: Sequence[Path]) -> int:
    """How many numbers are in safetensors files, by their headers.

    Raises
    ------
    InputError
        If one is damaged or cut off, or a tensor's name would not print as it is.
    """
    return sum(map(math.prod, stored_shapes(files)))


def stored_shapes(files: Sequence[Path]) -> list[list[int]]:
    """The shape of every tensor in safetensors files. Raises as :func:`stored_parameters`."""
    shapes: list[list[int]] = []
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
                shapes += [file.get_slice(name).get_shape() for name in names]
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"the weight file is damaged or cut off ({error})",
                where=str(path),
                mend="download or copy it again",
            ) from None
        strange = [name for name in names if not name.isprintable()]
        if strange:
            raise InputError(f"a tensor is called {strange[0]!r:.80}", where=str(path))
    return shapes


def check_size(folder: Path, what: str, build: Callable[[], torch.nn.Module]) -> None:
    """Refuse a configuration of a much larger model than the files beside it hold.

    transformers would take the memory, and fill with random numbers what the files lack, before
    anybody could see that something is wrong.

    Parameters
    ----------
    folder:
        With ``config.json`` and safetensors files.
    what:
        As a message calls it: ``the model``.
    build:
        Makes the model; called on PyTorch's meta device, where no memory is taken.

    Raises
    ------
    InputError
        If it has more layers than the files have tensors, or more than twice their numbers.
    """
    shapes = stored_shapes(check_folder(folder))
    for name, value in _repeated(read_config(folder)):
        if value > len(shapes):
            _refuse(
                folder, f"{name} is {value!r:.40}, and the weight files hold {len(shapes)} tensors"
            )
    with told_of(what, folder), torch.device("meta"):
        asked = sum(parameter.numel() for parameter in build().parameters())
    stored = sum(map(math.prod, shapes))
    if asked > _MOST_TIMES * stored + _SMALL:
        _refuse(
            folder,
            f"it describes a model of {asked:,} numbers, and the weight files hold {stored:,}",
        )


def _repeated(config: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in config.items():
        if isinstance(value, Mapping):  # the text model of one that hears
            yield from _repeated(value)
        elif name in _REPEATED and isinstance(value, int | float):
            yield name, value


def _refuse(folder: Path, found: str) -> None:
    raise InputError(
        found,
        where=str(folder / "config.json"),
        expected="the configuration that the weights were saved with",
        mend="download or copy the files again",
    )
