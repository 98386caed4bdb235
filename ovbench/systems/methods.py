"""From a recipe's method to an adapter on a base, through PEFT, with its pitfalls handled.

PiSSA and OLoRA move a part of the base's weights into the adapter when they start. Their adapters
are saved as what they add to the untouched base: A B − A₀ B₀ = [A; A₀]ᵀ[B, −B₀], a plain LoRA of
twice the rank. So the start (A₀, B₀) is kept while the model trains.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import LoraConfig, MissConfig, PeftConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict

from ovbench.errors import InputError
from ovbench.lora_las import LasConfig, LoranConfig
from ovbench.systems.settings import (
    DoraSettings,
    LasSettings,
    LoranSettings,
    Method,
    MissSettings,
    OloraSettings,
    PissaSettings,
    RsLoraSettings,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, "Tensor"]
"""An adapter's tensors by name, as PEFT saves them."""

_START = "ovbench_start"
MUTATING = (PissaSettings, OloraSettings)
"""Methods that change the base's weights when they start."""


def peft_config(
    method: Method,
    *,
    dropout: float = 0.0,
    label_dim: int | None = None,
    context_schema: str | None = None,
) -> PeftConfig:
    """The PEFT configuration of a method.

    Parameters
    ----------
    dropout:
        Share of the adapter's inputs that is dropped in training.
    label_dim:
        Length of a label context; LoRA-LAS needs it, the others ignore it.
    context_schema:
        Id of the contexts' vector space, kept with a LoRA-LAS adapter.

    Raises
    ------
    InputError
        If LoRA-LAS is given no ``label_dim``.
    """
    if isinstance(method, MissSettings):
        return MissConfig(
            r=method.r,
            miss_dropout=dropout,
            target_modules=list(method.target_modules),
            task_type="CAUSAL_LM",
        )
    shared: dict[str, Any] = {
        "r": method.r,
        "lora_alpha": method.lora_alpha,
        "lora_dropout": dropout,
        "target_modules": list(method.target_modules),
        "task_type": "CAUSAL_LM",
    }
    if isinstance(method, LasSettings):
        if label_dim is None:
            raise InputError(
                "LoRA-LAS was given no label context",
                expected="the length of a label context (label_dim)",
            )
        own = method.model_dump(exclude={"name", *shared})
        return LasConfig(**shared, **own, label_dim=label_dim, context_schema=context_schema)
    if isinstance(method, LoranSettings):
        return LoranConfig(**shared, amplitude=method.amplitude, omega=method.omega)
    return LoraConfig(
        **shared,
        use_rslora=isinstance(method, RsLoraSettings),
        use_dora=isinstance(method, DoraSettings),
        init_lora_weights=cast("Any", _start_of(method)),  # PEFT's types know no iterations
    )


def _start_of(method: Method) -> bool | str:
    if isinstance(method, PissaSettings):
        return f"pissa_niter_{method.iterations}" if method.iterations else "pissa"
    return "olora" if isinstance(method, OloraSettings) else True


def attach(
    base: nn.Module,
    method: Method,
    *,
    seed: int = 0,
    dropout: float = 0.0,
    label_dim: int | None = None,
    context_schema: str | None = None,
) -> PeftModel:
    """A fresh adapter on ``base``, ready to be trained; ``base`` becomes a part of the result.

    The same seed gives the same adapter, whatever was drawn before; the global random state is left
    as it was. PiSSA and OLoRA change the weights of ``base``: load it anew for another adapter.

    Raises
    ------
    InputError
        If the base lacks a target module, or one is too small for a decomposition of rank r.
    """
    check_targets(base, method.target_modules, "the base")
    config = peft_config(
        method, dropout=dropout, label_dim=label_dim, context_schema=context_schema
    )
    if isinstance(method, MUTATING):
        _check_rank(base, method)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = wrap(base, config)
    if isinstance(method, MUTATING):
        # PEFT has no place for it, and it must live exactly as long as the model.
        vars(model)[_START] = {name: t.clone() for name, t in adapter_state(model).items()}
    return model


def wrap(base: nn.Module, config: PeftConfig) -> PeftModel:
    """``base`` with an adapter of ``config`` put into it."""
    config.base_model_name_or_path = vars(base).get("name_or_path") or None
    with warnings.catch_warnings():
        # PEFT asks transformers 5 by the old name; nothing a user could do about it.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
        return cast("PeftModel", get_peft_model(base, config))


def linear_modules(base: nn.Module) -> dict[str, tuple[int, int]]:
    """The base's linear modules: the last part of their names → (in, out) of the first such."""
    found: dict[str, tuple[int, int]] = {}
    for name, module in base.named_modules():
        if isinstance(module, torch.nn.Linear):
            found.setdefault(name.rpartition(".")[2], (module.in_features, module.out_features))
    return found


def check_targets(base: nn.Module, targets: tuple[str, ...] | list[str], what: str) -> None:
    """Raise :class:`InputError` unless ``base`` has a linear module of each name in ``targets``."""
    names = [name for name, m in base.named_modules() if isinstance(m, torch.nn.Linear)]
    absent = [
        target
        for target in targets
        if not any(name == target or name.endswith(f".{target}") for name in names)
    ]
    if absent:
        raise InputError(
            f"{what} has no linear module called {', '.join(absent)}",
            expected="target_modules among " + ", ".join(sorted(linear_modules(base))),
            mend="correct method.target_modules in the recipe, or take another base",
        )


def _check_rank(base: nn.Module, method: Method) -> None:
    for name, shape in linear_modules(base).items():
        if name in method.target_modules and min(shape) < method.r:
            raise InputError(
                f"method {method.name!r} of rank {method.r} does not fit {name} of {shape[0]} × "
                f"{shape[1]}",
                expected=f"a rank of at most {min(shape)}",
            )


def adapter_state(model: PeftModel) -> State:
    """The adapter's tensors as they are in the model."""
    state: State = get_peft_model_state_dict(model)
    return {name: tensor.detach() for name, tensor in state.items()}


def start_state(model: PeftModel) -> State | None:
    """A₀ and B₀ of a model of :func:`attach`; None for a method that leaves the base as it is."""
    start: State | None = vars(model).get(_START)
    return start


def saved_form(model: PeftModel) -> tuple[dict[str, object], State]:
    """Configuration and tensors of an adapter for the untouched base, ready to be written.

    PiSSA and OLoRA become a plain LoRA of rank 2 r and alpha 2 α.
    """
    config = {name: _plain(value) for name, value in model.active_peft_config.to_dict().items()}
    config["inference_mode"] = True
    state = adapter_state(model)
    start = start_state(model)
    if start is not None:
        state = difference(state, start)
        for name in ("r", "lora_alpha"):
            config[name] = 2 * config[name]  # type: ignore[operator]
        config["init_lora_weights"] = True
    return config, {name: tensor.cpu().contiguous() for name, tensor in state.items()}


def difference(state: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> State:
    """A LoRA that adds what ``state`` adds beyond ``start``: A' = [A; A₀], B' = [B, −B₀]."""
    return {
        name: torch.cat([tensor, start[name].to(tensor)], dim=0)
        if "lora_A" in name
        else torch.cat([tensor, -start[name].to(tensor)], dim=1)
        for name, tensor in state.items()
    }


def _plain(value: object) -> object:
    """A configuration's value as JSON has it; sets sorted, so that a file is always the same."""
    return sorted(value) if isinstance(value, set) else value
