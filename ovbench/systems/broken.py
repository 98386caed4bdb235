"""What transformers, PEFT and PyTorch raise at files that are not what they say, as one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from ovbench.errors import InputError

FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError),
    *(RuntimeError, TypeError, ValueError, SafetensorError, StrictDataclassError),
)
"""A configuration's values go into arithmetic, names and shapes before anybody checks them."""


@contextmanager
def told_of(what: str, where: Path) -> Iterator[None]:
    """Raise :class:`InputError` for whatever a damaged or hostile file makes a library raise.

    ``what``: the file's contents, as a message calls them: ``the model``.
    """
    try:
        yield
    except FAULTS as error:
        fault: Exception = error
    except Exception as error:
        # The tokenizers library raises this very class at a tokenizer.json that it cannot read.
        if type(error) is not Exception:
            raise
        fault = error
    else:
        return
    reason = str(fault).strip().partition("\n")[0] or type(fault).__name__
    raise InputError(f"{what} cannot be loaded: {reason}", where=str(where)) from None
