"""The entries of this package in PEFT's tables of methods.

PEFT's ``register_peft_method`` takes only names that its own closed enum holds. The tables
themselves are plain dicts; a member of a str enum of ours hashes like the string that a saved
``adapter_config.json`` holds and has the ``.value`` that PEFT reads.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, cast

from peft import LoraConfig
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners.lora import LoraModel


class OvbenchPeftType(StrEnum):
    """Names written as ``peft_type`` into saved adapters."""

    LORA_LAS = "LORA_LAS"
    LORAN = "LORAN"


def register(kind: OvbenchPeftType, config: type[LoraConfig], model: type[LoraModel]) -> None:
    """Make `get_peft_model` and `PeftModel.from_pretrained` know the method."""
    key = cast("Any", kind)
    PEFT_TYPE_TO_CONFIG_MAPPING[key] = config
    PEFT_TYPE_TO_TUNER_MAPPING[key] = model
    PEFT_TYPE_TO_PREFIX_MAPPING[key] = "lora_"
