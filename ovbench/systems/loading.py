"""Bases in memory, and fresh adapters on them. Weights come from safetensors files alone, and code
that comes with a model is never run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from ovbench.errors import InputError
from ovbench.systems.backbones import (
    TINY,
    check_folder,
    locate,
    read_config,
    read_json,
    weights_sha256,
)
from ovbench.systems.broken import told_of
from ovbench.systems.devices import gigabytes, memory_of, resolve_device, resolve_dtype
from ovbench.systems.methods import attach
from ovbench.systems.recipe import CausalLmRecipe
from ovbench.systems.weight_files import check_size, stored_parameters

if TYPE_CHECKING:
    from peft import PeftModel

_GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Names that say nothing but "as in tokenizer.json"."""
_LARGE = 1_000_000_000
"""Bytes of weights above which loading takes long enough for a progress bar."""
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class Base:
    """A base model in memory.

    Attributes
    ----------
    model, tokenizer:
        The model (in evaluation mode) and its tokenizer, which has a padding token.
    name:
        ``tinyov``, its name on the hub, or its folder: as it was asked for.
    folder:
        Where its files are.
    sha256:
        Of its weights (:func:`ovbench.systems.backbones.weights_sha256`).
    device, dtype:
        Where it is, and of its weights.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    folder: Path
    sha256: str
    device: torch.device
    dtype: torch.dtype


def load_base(name: str | Path = TINY, *, dtype: str = "auto", device: str = "auto") -> Base:
    """A base model from this machine.

    Parameters
    ----------
    name:
        ``tinyov``, a folder, or a name on the model hub that has been downloaded before.
    dtype:
        Of its weights: ``float32``, ``bfloat16``, ``float16``; ``auto``: bfloat16 on CUDA, else
        float32.
    device:
        As PyTorch names it; ``auto``: CUDA, else MPS, else the CPU.

    Raises
    ------
    InputError
        If the weights are not here, are damaged, are of no architecture that transformers knows, or
        do not fit into memory; or there is no such device or dtype.
    """
    folder = locate(str(name))
    where = resolve_device(device)
    kind = resolve_dtype(dtype, where)
    check_architecture(read_config(folder), folder)
    bytes_needed = _check_memory(folder, where, kind)
    check_size(folder, "the model", lambda: _empty(folder))
    with told_of("the model", folder), bars(shown=bytes_needed > _LARGE):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=kind,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    model: PreTrainedModel
    model, told = loaded
    _check_whole(told["missing_keys"], folder)
    tokenizer = load_tokenizer(folder)
    _prepare(model, tokenizer, folder)
    torch.nn.Module.to(model, where)
    torch.nn.Module.eval(model)
    return Base(
        model=model,
        tokenizer=tokenizer,
        name=str(name),
        folder=folder,
        sha256=weights_sha256(folder),
        device=where,
        dtype=kind,
    )


def _empty(folder: Path) -> torch.nn.Module:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model: torch.nn.Module = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    return model


def _check_whole(missing: Collection[str], folder: Path) -> None:
    """Raise where weights are not in the files: transformers makes up random ones for them."""
    if missing:
        raise InputError(
            f"{len(missing)} of the model's weights are not in its files, {min(missing)!r} first",
            where=str(folder),
            expected="every weight of the architecture in config.json",
            mend="download or copy the files again",
        )


def build(
    recipe: CausalLmRecipe,
    scale: str,
    base: Base,
    seed: int = 0,
    *,
    label_dim: int | None = None,
    context_schema: str | None = None,
) -> PeftModel:
    """A fresh adapter of ``recipe`` on ``base``, ready to be trained.

    The base's weights become part of it, and PiSSA and OLoRA change them: load the base anew for
    another adapter. ``label_dim`` and ``context_schema`` are those of the context builder, for
    LoRA-LAS. Raises as :func:`ovbench.systems.methods.attach`.
    """
    return attach(
        base.model,
        recipe.method,
        seed=seed,
        dropout=recipe.scale(scale).training.dropout,
        label_dim=label_dim,
        context_schema=context_schema,
    )


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """Whether transformers shows its progress bars within the block."""
    before = logging.is_progress_bar_enabled()
    if not shown:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if before:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a model's folder, with the rules of its own ``tokenizer.json``.

    Where the tokenizer names no class of its own, transformers 5 takes the model type's class,
    which puts that family's rules for splitting text in place of the file's; and where there are no
    files, an empty tokenizer of that class. So the one is loaded as what it is, and the other is an
    error.

    Raises
    ------
    InputError
        If the folder has no tokenizer, or one that cannot be read.
    """
    if not any((folder / name).exists() for name in _TOKENIZER_FILES):
        raise InputError(
            "there is no tokenizer",
            where=str(folder),
            expected="tokenizer.json in a model's folder",
        )
    path = folder / "tokenizer_config.json"
    named = read_json(path).get("tokenizer_class") if path.exists() else None
    own_rules = named in _GENERIC and (folder / "tokenizer.json").exists()
    loader = PreTrainedTokenizerFast if own_rules else AutoTokenizer
    with told_of("the tokenizer", folder):
        found: PreTrainedTokenizerBase = loader.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    return found


def _prepare(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """A padding token, and no decoding settings but the tokens that end an answer.

    Published configurations carry sampling and repetition penalties of their own, which
    transformers would mix into ours.
    """
    if not isinstance(tokenizer.eos_token_id, int):
        raise InputError("the tokenizer has no end-of-sequence token", where=str(folder))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    shipped = getattr(model.generation_config, "eos_token_id", None)
    ends = shipped if isinstance(shipped, Sequence) else [shipped]
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=sorted({tokenizer.eos_token_id, *(e for e in ends if e is not None)}),
        pad_token_id=tokenizer.pad_token_id,
    )


def check_architecture(config: Mapping[str, object], folder: Path) -> None:
    """Raise :class:`InputError` unless transformers itself has the configuration's model type."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise InputError(
            f"the model type {kind!r} is no causal language model of transformers",
            where=str(folder / "config.json"),
            expected="one that needs no code of its own: ovbench never runs a model's code",
        )


def _check_memory(folder: Path, device: torch.device, dtype: torch.dtype) -> int:
    """Bytes of the weights in ``dtype``, if they fit.

    They are counted from the files' headers, which also shows files that are cut off.
    """
    numbers = stored_parameters(check_folder(folder))
    needed, there = numbers * dtype.itemsize, memory_of(device)
    if there is not None and needed > there:
        name = str(dtype).removeprefix("torch.")
        raise InputError(
            f"the weights take {gigabytes(needed)} in {name}; {device} has {gigabytes(there)}",
            where=str(folder),
            mend="use --dtype bfloat16"
            if dtype.itemsize > 2
            else "take a smaller --base, or another --device",
        )
    return needed
