"""The error of this package: bad input to a tuner, in one sentence with what to do."""

from __future__ import annotations

from ovbench.errors import InputError


class LasError(InputError, ValueError):
    """A configuration, context or call that LoRA-LAS or LoRAN cannot serve.

    It is a ``ValueError`` too, as PEFT's own complaints about configurations are.
    """
