"""LoRA-LAS and LoRAN as PEFT methods; importing the package registers both.

::

    model = get_peft_model(base, LasConfig(r=4, lora_alpha=16, target_modules=[...]))
    model(input_ids=..., labels=..., label_context=context)     # context: (batch, label_dim)
    model.generate(input_ids=..., label_context=context)

Saved adapters load with ``PeftModel.from_pretrained`` wherever this package has been imported.
"""

from ovbench.errors import InputError, MissingExtraError

try:
    import peft
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("LoRA-LAS", "models") from error

if tuple(map(int, peft.__version__.split(".")[:2])) < (0, 21):
    raise InputError(
        f"peft {peft.__version__} is installed",
        expected="peft 0.21 or later, which saves the adapters of methods not its own",
        mend="upgrade it with: pip install 'peft>=0.21'",
    )

from .altered import altered
from .config import WIDE, LasConfig
from .errors import LasError
from .loran import LoranConfig, LoranModel
from .model import LasModel
from .parameters import ParameterCounts, context_parameters, parameter_counts

__all__ = [
    "WIDE",
    "LasConfig",
    "LasError",
    "LasModel",
    "LoranConfig",
    "LoranModel",
    "ParameterCounts",
    "altered",
    "context_parameters",
    "parameter_counts",
]
