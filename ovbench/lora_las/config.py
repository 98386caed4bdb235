"""Configuration of the LoRA-LAS method."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from peft import LoraConfig, TaskType

from .errors import LasError
from .peft_types import OvbenchPeftType

Projection = Literal["full", "shared_down", "tied", "scalar"]
Control = Literal["constant_s", "random_phase"]
Backend = Literal["auto", "torch", "triton"]
MissingContext = Literal["error", "zeros"]

WIDE: dict[str, float] = {"amplitude": 0.5, "omega": 3.0}
"""Constants under which the label context has a real effect on the output (`LasConfig(**WIDE)`)."""

_FORBIDDEN = {
    "use_dora": "DoRA",
    "use_qalora": "QA-LoRA",
    "use_bdlora": "BD-LoRA",
    "alora_invocation_tokens": "aLoRA",
    "arrow_config": "Arrow",
    "velora_config": "VeLoRA",
    "monteclora_config": "MonteCLoRA",
    "kasa_config": "KaSA",
    "megatron_config": "Megatron",
    "layer_replication": "layer replication",
    "target_parameters": "target_parameters",
    "lora_bias": "lora_bias",
    "trainable_token_indices": "trainable_token_indices",
    "ensure_weight_tying": "weight tying",
}


def refuse_other_variants(config: LoraConfig, method: str) -> None:
    """Raise LasError where `config` asks for a LoRA variant that does not go with `method`."""
    for name, label in _FORBIDDEN.items():
        if getattr(config, name, None):
            raise LasError(
                f"{method} cannot be combined with {label} ({name}={getattr(config, name)!r})",
                mend=f"leave {name} at its default",
            )
    if config.init_lora_weights not in (True, False, "gaussian"):
        raise LasError(
            f"{method} cannot start from init_lora_weights={config.init_lora_weights!r}",
            expected="an initialisation that leaves the base weights alone and starts at B = 0",
            mend="use init_lora_weights=True or 'gaussian'",
        )


def check_constants(amplitude: float, omega: float) -> None:
    """Raise LasError unless both are finite, amplitude ≥ 0 and omega > 0."""
    if not (0 <= amplitude < math.inf and 0 < omega < math.inf):
        raise LasError(
            f"amplitude={amplitude}, omega={omega}",
            expected="finite numbers, amplitude of 0 or more and omega above 0",
        )


def one_of(name: str, value: object, choices: Any) -> None:
    """Raise LasError unless `value` is one of the members of the Literal `choices`."""
    if value not in get_args(choices):
        known = ", ".join(repr(choice) for choice in get_args(choices))
        raise LasError(f"{name}={value!r} is not known", expected=f"one of {known}")


@dataclass
class LasConfig(LoraConfig):
    """LoRA with a label-conditioned sinusoidal term on the branch output.

    For x = B·A·h and a context c of the sample::

        f(x) = x + LeakyReLU(x) ⊙ A·sin(ω(x ⊙ s)),   s = σ(W c + b)
        y    = W0·h + (α/r)·f(x)

    The fields of ``peft.LoraConfig`` keep their meaning; variants of LoRA other than rank and
    α patterns and rsLoRA are refused. ``task_type`` is ``"CAUSAL_LM"`` where none is given.

    At the published A and ω the term is at most 2e-4·|x|, which is less than half an ulp of bf16
    and fp16: in 16 bits the forward pass is LoRA's. `WIDE` makes the term large.

    Raises
    ------
    LasError
        For a value out of range or a combination that has no meaning.
    """

    label_dim: int = field(default=768, metadata={"help": "Length D of the context vector c."})
    amplitude: float = field(default=2e-4, metadata={"help": "A ≥ 0; 0 is plain LoRA, bitwise."})
    omega: float = field(default=1e4, metadata={"help": "ω > 0, radians per unit of x·s."})
    negative_slope: float = field(default=0.01, metadata={"help": "Slope of LeakyReLU below 0."})
    projection: Projection = field(
        default="shared_down",
        metadata={
            "help": "How s comes from c: 'full' is D → out in every module (as published); "
            "'shared_down' D → k once for the model, then k → out in every module; 'tied' is "
            "B·V c + b with V: D → r in every module; 'scalar' one s per module."
        },
    )
    projection_rank: int = field(default=8, metadata={"help": "k of 'shared_down'."})
    control: Control | None = field(
        default=None,
        metadata={
            "help": "An arm without label information: 'constant_s' has s = 1/2, 'random_phase' "
            "has s = 1/2 and a random phase added in each output unit. The projections are kept, "
            "frozen and unused."
        },
    )
    control_seed: int = field(default=0, metadata={"help": "Seed of 'random_phase'."})
    backend: Backend = field(
        default="auto",
        metadata={"help": "'torch', 'triton', or 'auto': Triton on CUDA where it imports."},
    )
    missing_context: MissingContext = field(
        default="error",
        metadata={"help": "A call without label_context: an 'error', or c = 0 ('zeros')."},
    )
    context_schema: str | None = field(
        default=None,
        metadata={"help": "Id of the encoder, pooling and source that made c; recorded only."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = OvbenchPeftType.LORA_LAS
        if self.task_type is None:  # PeftModel without a task bypasses the tuner's forward
            self.task_type = TaskType.CAUSAL_LM
        refuse_other_variants(self, "LoRA-LAS")
        one_of("projection", self.projection, Projection)
        one_of("control", self.control, Literal[None, "constant_s", "random_phase"])
        one_of("backend", self.backend, Backend)
        one_of("missing_context", self.missing_context, MissingContext)
        for name in ("label_dim", "projection_rank"):
            if getattr(self, name) < 1:
                raise LasError(f"{name}={getattr(self, name)}", expected="a positive integer")
        check_constants(self.amplitude, self.omega)
