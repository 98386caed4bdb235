"""Adapters on disk: a folder with ``adapter_config.json`` and ``adapter_model.safetensors``, as
PEFT reads it, and ``base.json``, which says by hash which base the adapter belongs to, and by which
method and with which label contexts it was trained.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftConfig, PeftModel
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.utils import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ovbench import __version__
from ovbench.errors import InputError
from ovbench.io.hashes import files_sha256
from ovbench.systems.backbones import read_json
from ovbench.systems.broken import told_of
from ovbench.systems.methods import (
    MUTATING,
    adapter_state,
    check_targets,
    peft_config,
    saved_form,
    wrap,
)
from ovbench.systems.origin import BASE, Origin, check_origin
from ovbench.systems.saved_files import ADAPTER, check_files

if TYPE_CHECKING:
    from ovbench.systems.loading import Base
    from ovbench.systems.methods import State
    from ovbench.systems.recipe import CausalLmRecipe

CONFIG, WEIGHTS = ADAPTER
_STARTS_ANEW = ("pissa", "olora", "corda", "lora_ga", "loftq", "eva")
_IDENTITY = (
    "r",
    "lora_alpha",
    "target_modules",
    "use_dora",
    "use_rslora",
    "amplitude",
    "omega",
    "negative_slope",
    "projection",
    "projection_rank",
    "control",
    "control_seed",
)
"""Fields of a configuration in which a recipe and an adapter trained by it agree."""


_NAME = re.compile(r"\^?[\w.-]+\$?")
"""A module's name, or its end, as PEFT puts it into a pattern of its own."""
_SIZES = ("r", "rank_pattern", "label_dim", "projection_rank")
"""Fields of a configuration that are sides of weights."""


@dataclass(frozen=True)
class OpenedAdapter:
    """An adapter on its base, in evaluation mode.

    Attributes
    ----------
    model:
        Base and adapter.
    config:
        The adapter's configuration, as it was saved.
    sha256:
        Of the adapter's configuration and weight file.
    base_known:
        Whether the adapter said which base it belongs to; one made elsewhere may not.
    """

    model: PeftModel
    config: PeftConfig
    sha256: str
    base_known: bool


def write_adapter(model: PeftModel, folder: Path, base: Base, origin: Origin | None = None) -> None:
    """Write an adapter in the form that fits the untouched base, into a folder that exists.

    PiSSA and OLoRA become a plain LoRA of twice the rank. ``origin``: what trained it, kept with
    it. That all is written or nothing is up to :func:`ovbench.io.folders.whole_folder`.

    Raises
    ------
    OSError, SafetensorError
        If writing fails (a full disk).
    """
    config, state = saved_form(model)
    config["base_model_name_or_path"] = base.name
    record = {"name": base.name, "sha256": base.sha256, "ovbench": __version__}
    record |= origin.fields() if origin else {}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    for name, value in ((CONFIG, config), (BASE, record)):
        (folder / name).write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")


def open_adapter(
    recipe: CausalLmRecipe | None, folder: Path, base: Base, scale: str = "tiny"
) -> OpenedAdapter:
    """Put a saved adapter on ``base``, whose weights stay as they are.

    ``recipe`` at ``scale``: what the adapter must have been trained by; None: anything goes.

    Raises
    ------
    InputError
        If the folder holds no adapter, a link that leads out of it, a damaged one, one of an
        unknown type, one trained on another base, by another method or with other settings or label
        contexts than the recipe's, or one that does not fit the base.
    """
    config, known = checked_config(recipe, folder, base.name, base.sha256, scale)
    state = _weights(folder / WEIGHTS)
    check_targets(base.model, _targets(config, folder), "the base")
    config.inference_mode = True
    _check_size(config, state, folder)
    with torch.random.fork_rng(), told_of("the adapter", folder):
        model = wrap(base.model, config)
    _check_fit(adapter_state(model), state, folder)
    set_peft_model_state_dict(model, state)
    return OpenedAdapter(model.eval(), config, adapter_sha256(folder), known)


def checked_config(
    recipe: CausalLmRecipe | None, folder: Path, base: str, base_sha256: str, scale: str = "tiny"
) -> tuple[PeftConfig, bool]:
    """An adapter's configuration, and whether it says that it belongs to the base.

    ``base`` is the base's name. Raises as :func:`open_adapter`, but looks at no weights.
    """
    check_files(folder, (*ADAPTER, BASE))
    fields = read_json(folder / CONFIG, "an adapter's folder (adapter_config.json)")
    if recipe is not None:
        _check_kind(recipe, fields, folder)
    config = _config(fields, folder)
    known = _check_base(folder, base, base_sha256)
    if recipe is not None:
        _check_recipe(recipe, config, folder)
        check_origin(Origin(recipe, scale), folder)
    return config, known


def adapter_sha256(folder: Path) -> str:
    """SHA-256 over the hashes of an adapter's configuration and weight file; hexadecimal.

    Raises
    ------
    InputError
        If one of them is not there, is no regular file or a link that leads out of the folder.
    """
    check_files(folder, ADAPTER)
    try:
        return files_sha256(folder / name for name in ADAPTER)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise InputError(reason, where=str(error.filename or folder)) from None


def _config(fields: dict[str, Any], folder: Path) -> PeftConfig:
    where = str(folder / CONFIG)
    kind: Any = fields.get("peft_type")
    known = isinstance(kind, str) and kind in PEFT_TYPE_TO_CONFIG_MAPPING
    if not known:
        names = [str(name.value) for name in PEFT_TYPE_TO_CONFIG_MAPPING]
        near = difflib.get_close_matches(str(kind), names, n=1)
        raise InputError(
            f"unknown adapter type {kind!r}" + (f" (did you mean {near[0]!r}?)" if near else ""),
            where=where,
            expected="a peft_type that this version of peft, or ovbench, knows",
        )
    start = fields.get("init_lora_weights")
    if isinstance(start, str) and start.startswith(_STARTS_ANEW):
        raise InputError(
            f"the adapter was saved as it trained ({start}) and holds only for weights that were "
            "changed with it",
            where=where,
            expected="a plain LoRA",
            mend="convert it when saving, with path_initial_model_for_weight_conversion",
        )
    own = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
    strange = sorted(fields.keys() - own.__dataclass_fields__.keys() - {"peft_version"})
    if strange:
        raise InputError(
            f"the adapter's configuration has fields that {kind} does not: {', '.join(strange)}",
            where=where,
            mend="it was saved by another version of peft; install that one",
        )
    _check_names(fields, where)
    try:
        return own(**{name: v for name, v in fields.items() if name in _settable(own)})
    except (TypeError, ValueError) as error:
        raise InputError(f"not a configuration of {kind}: {error}", where=where) from None


def _check_names(fields: Mapping[str, Any], where: str) -> None:
    """Refuse regular expressions in place of names: one can be made to run for ever."""
    for field in ("target_modules", "exclude_modules"):
        given = fields.get(field)
        if isinstance(given, str) and given != "all-linear":
            raise InputError(
                f"{field} is the pattern {given!r:.80}", where=where, expected="a list of names"
            )
    for field in ("rank_pattern", "alpha_pattern", "layers_pattern"):
        given = fields.get(field)
        names = [given] if isinstance(given, str) else given
        for name in names if isinstance(names, list | dict) else ():
            if not (isinstance(name, str) and _NAME.fullmatch(name)):
                raise InputError(
                    f"{field} has {name!r:.80}", where=where, expected="names of modules"
                )


def _targets(config: PeftConfig, folder: Path) -> list[str]:
    names = getattr(config, "target_modules", None) or ()
    if isinstance(names, str):
        return []
    if not (isinstance(names, set | list) and all(isinstance(name, str) for name in names)):
        raise InputError(
            f"target_modules is {names!r:.80}",
            where=str(folder / CONFIG),
            expected="a list of names",
        )
    return sorted(names)


def _settable(config: type[PeftConfig]) -> set[str]:
    return {name for name, field in config.__dataclass_fields__.items() if field.init}


def _check_base(folder: Path, base: str, sha256: str) -> bool:
    path = folder / BASE
    if not path.exists():
        return False
    record = read_json(path)
    if record.get("sha256") != sha256:
        raise InputError(
            f"the adapter was trained on {record.get('name')} with the weights "
            f"{str(record.get('sha256'))[:12]}; this base, {base}, has {sha256[:12]}",
            where=str(folder),
            mend="take the base it was trained on with --base, or train it again on this one",
        )
    return True


def _check_kind(recipe: CausalLmRecipe, fields: dict[str, Any], folder: Path) -> None:
    """Another method first of all: everything else would differ too."""
    kind = fields.get("peft_type")
    wanted = _kind(peft_config(recipe.method, label_dim=1))
    if isinstance(kind, str) and kind in PEFT_TYPE_TO_CONFIG_MAPPING and kind != wanted:
        raise InputError(
            f"this adapter is not one of {recipe.name}: its method is {kind}",
            where=str(folder),
            expected=f"method {wanted}, as the recipe trains it",
        )


def _check_recipe(recipe: CausalLmRecipe, config: PeftConfig, folder: Path) -> None:
    label_dim = getattr(config, "label_dim", None)
    wanted = peft_config(recipe.method, label_dim=label_dim or 1)
    pairs: dict[str, tuple[Any, Any]] = {"method": (_kind(wanted), _kind(config))}
    for name in _IDENTITY:
        if hasattr(wanted, name):
            pairs[name] = (getattr(wanted, name), getattr(config, name, None))
    if isinstance(recipe.method, MUTATING):
        for name in ("r", "lora_alpha"):
            pairs[name] = (2 * pairs[name][0], pairs[name][1])
    for name, (mine, its) in pairs.items():
        if mine != its:
            raise InputError(
                f"this adapter is not one of {recipe.name}: its {name} is {_shown(its)}",
                where=str(folder),
                expected=f"{name} {_shown(mine)}, as the recipe trains it",
            )


def _kind(config: PeftConfig) -> str:
    return str(getattr(config.peft_type, "value", config.peft_type))


def _shown(value: object) -> str:
    return ", ".join(sorted(value)) if isinstance(value, set) else str(value)


def _weights(path: Path) -> State:
    if not path.exists():
        pickled = path.with_suffix(".bin").exists()
        raise InputError(
            "the adapter's weights are pickled (adapter_model.bin)" if pickled else "is not there",
            where=str(path),
            expected="weights as safetensors; ovbench loads nothing that can run code"
            if pickled
            else "the adapter's weights",
        )
    try:
        state: State = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"the weight file is damaged or cut off ({error})",
            where=str(path),
            mend="copy it again, or train the adapter again",
        ) from None
    return state


def _check_size(config: PeftConfig, state: State, folder: Path) -> None:
    """Refuse sizes that no weight has, before memory is taken for them."""
    longest = max((max(tensor.shape, default=0) for tensor in state.values()), default=0)
    for name in _SIZES:
        size = getattr(config, name, None) or 0
        sizes = list(size.values()) if isinstance(size, dict) else [size]
        if not all(type(n) is int and 0 <= n <= longest for n in sizes):
            raise InputError(
                f"{name} is {size!r:.80}, and the longest side of a weight is {longest}",
                where=str(folder / CONFIG),
                expected="the configuration that the weights were saved with",
            )


def _check_fit(expected: State, found: State, folder: Path) -> None:
    for name in sorted(expected.keys() ^ found.keys()):
        lacking = "lacks" if name in expected else "has, beyond what its configuration says,"
        raise InputError(
            f"the adapter does not fit the base: it {lacking} {name}", where=str(folder)
        )
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            raise InputError(
                f"the adapter does not fit the base: {name} is {tuple(tensor.shape)}",
                where=str(folder),
                expected=f"{tuple(expected[name].shape)}",
            )
