"""Models of one class, read from a folder whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import PreTrainedModel

from ovbench.errors import InputError
from ovbench.systems.broken import told_of
from ovbench.systems.loading import bars
from ovbench.systems.weight_files import check_size

M = TypeVar("M", bound=PreTrainedModel)

_NOT_NEEDED = ("masked_spec_embed",)
"""Weights that only masking in training uses, and that published files often lack."""


def load_pretrained(
    kind: type[M], folder: Path, what: str, dtype: torch.dtype, **options: Any
) -> M:
    """A model of a class of transformers, its weights frozen, in evaluation mode.

    Parameters
    ----------
    kind, options:
        The class, and what else its ``from_pretrained`` takes.
    folder:
        With its configuration and safetensors files.
    what:
        As a message calls it: ``the text encoder``.

    Raises
    ------
    InputError
        If the weights are damaged, of another shape, or not all there (which transformers would
        replace by random numbers), or the configuration describes a larger model.
    """
    make: Any = kind
    read: Any = kind.from_pretrained

    def empty() -> torch.nn.Module:
        config = make.config_class.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        found: torch.nn.Module = make(config, **options)
        return found

    check_size(folder, what, empty)
    with told_of(what, folder), bars(shown=False):
        model, told = read(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    missing = sorted(name for name in told["missing_keys"] if not name.endswith(_NOT_NEEDED))
    if missing:
        raise InputError(
            f"the weights of {what} lack {missing[0]}"
            + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            where=str(folder),
            mend="download or copy them again",
        )
    found: M = model
    found.requires_grad_(False)
    torch.nn.Module.eval(found)
    return found
