"""An adapter under other constants for a moment: what does the term do?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import nn

from .config import LasConfig
from .errors import LasError
from .model import LasModel

_CHANGEABLE = ("amplitude", "omega", "negative_slope", "control", "control_seed", "backend")


@contextmanager
def altered(model: nn.Module, **settings: Any) -> Iterator[None]:
    """Run a trained LoRA-LAS model under other settings within the block.

    ``altered(model, amplitude=0.0)`` switches the term off, ``altered(model,
    control="constant_s")`` takes the label out of it. `model` is the PeftModel; all its adapters
    change. Settings: amplitude, omega, negative_slope, control, control_seed, backend. Weights
    and the trainability of parameters stay as they are.

    Raises
    ------
    LasError
        If `model` has no LoRA-LAS adapter, for a setting that shapes the weights, or for a value
        out of range.
    """
    tuner = next((module for module in model.modules() if isinstance(module, LasModel)), None)
    if tuner is None:
        raise LasError("the model has no LoRA-LAS adapter", mend="pass the PeftModel itself")
    fixed = [name for name in settings if name not in _CHANGEABLE]
    if fixed:
        raise LasError(
            f"{fixed[0]} cannot change in a built model", expected=f"one of {_CHANGEABLE}"
        )
    configs = [config for config in tuner.peft_config.values() if isinstance(config, LasConfig)]
    before = [{name: getattr(config, name) for name in settings} for config in configs]
    for config in configs:
        replace(config, **settings)  # the checks of a new configuration
    try:
        for config in configs:
            vars(config).update(settings)
        yield
    finally:
        for config, values in zip(configs, before, strict=True):
            vars(config).update(values)
