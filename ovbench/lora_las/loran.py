"""LoRAN: the sinusoidal term on the weight update itself, so that it can be merged.

LoRAN applies f(x) = x + A·x·sin(ω·x) to the matrix x = B·A of each module (A = 5e-5, ω = 1e4 in
its official code) and adds (α/r)·f(B·A) to the weight. It knows no context.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraModel
from peft.tuners.lora.layer import LoraVariant
from torch import Tensor, nn

from .config import check_constants, refuse_other_variants
from .errors import LasError
from .model import check_served
from .peft_types import OvbenchPeftType, register
from .precision import full_precision, linear, outside_autocast
from .variant import Layer


@dataclass
class LoranConfig(LoraConfig):
    """Configuration of LoRAN; the fields of ``peft.LoraConfig`` keep their meaning.

    Raises LasError for a value out of range or another variant of LoRA beside it.
    """

    amplitude: float = field(default=5e-5, metadata={"help": "A ≥ 0; 0 is plain LoRA."})
    omega: float = field(default=1e4, metadata={"help": "ω > 0, radians per unit of weight."})

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = OvbenchPeftType.LORAN
        refuse_other_variants(self, "LoRAN")
        check_constants(self.amplitude, self.omega)


class _LoranLinear(torch.autograd.Function):
    """h·f(B·A)ᵀ; saves h, A and B, and recomputes the out × in matrices in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight_a: Tensor, weight_b: Tensor, k: tuple[float, float]
    ) -> Tensor:
        ctx.save_for_backward(hidden, weight_a, weight_b)
        ctx.k = k
        with full_precision(hidden.device):
            return linear(hidden, _f(linear(weight_b, weight_a.t()), *k))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, a, b = ctx.saved_tensors
        amplitude, omega = ctx.k
        with outside_autocast(hidden.device), full_precision(hidden.device):
            x = linear(b, a.t())
            phase = x * omega
            sine = torch.sin(phase)
            slope = phase.mul_(torch.cos(phase)).add_(sine).mul_(amplitude).add_(1)
            update = torch.addcmul(x, x, sine, value=amplitude)
            flat = grads[0].reshape(-1, grads[0].shape[-1])
            by_x = linear(flat.t(), hidden.reshape(-1, hidden.shape[-1]).t()).mul_(slope)
            by_hidden = linear(grads[0], update.t())
            return by_hidden, linear(b.t(), by_x.t()), linear(by_x, a), None


def _f(x: Tensor, amplitude: float, omega: float) -> Tensor:
    return torch.addcmul(x, x, torch.sin(omega * x), value=amplitude)


class LoranVariant(LoraVariant):
    """Runs and merges the update of one adapter in one module."""

    def __init__(self, config: LoranConfig) -> None:
        self.config = config

    def _weights(self, module: Layer, adapter: str) -> tuple[Tensor, Tensor]:
        a: Tensor = module.lora_A[adapter].weight
        b: Tensor = module.lora_B[adapter].weight
        compute = torch.promote_types(a.dtype, torch.float32)
        return a.to(compute), b.to(compute)

    def forward(  # type: ignore[override]
        self, module: Layer, active_adapter: str, x: Tensor, result: Tensor, **_: Any
    ) -> Tensor:
        """`result` + scaling·f(B·A)·dropout(x), computed in fp32."""
        with outside_autocast(x.device):
            a, b = self._weights(module, active_adapter)
            x = module.lora_dropout[active_adapter](x.to(a.dtype))
            k = (self.config.amplitude, self.config.omega)
            branch = cast("Tensor", _LoranLinear.apply(x, a, b, k))  # type: ignore[no-untyped-call]
            scaling: float = module.scaling[active_adapter]
            return (result + branch * scaling).to(result.dtype)

    def update(self, module: Layer, adapter: str) -> Tensor:
        """scaling·f(B·A) in the layout of the base weight, fp32."""
        with torch.no_grad(), full_precision(module.weight.device):
            a, b = self._weights(module, adapter)
            scaling: float = module.scaling[adapter]
            product = linear(b, a.t())
            delta = _f(product, self.config.amplitude, self.config.omega) * scaling
        return delta.t() if module.fan_in_fan_out else delta

    def merge_safe(  # type: ignore[override]
        self, module: Layer, active_adapter: str, orig_weight: Tensor
    ) -> Tensor:
        """A new weight with the update added."""
        return (orig_weight + self.update(module, active_adapter)).to(orig_weight.dtype)

    def merge_unsafe(  # type: ignore[override]
        self, module: Layer, active_adapter: str, orig_weight: Tensor
    ) -> None:
        """Add the update to the weight in place."""
        orig_weight.data += self.update(module, active_adapter).to(orig_weight.dtype)

    def unmerge(  # type: ignore[override]
        self, module: Layer, active_adapter: str, orig_weight: Tensor
    ) -> Tensor:
        """The weight with the update taken out again."""
        return orig_weight - self.update(module, active_adapter).to(orig_weight.dtype)

    def supports_lora_conversion(self) -> bool:
        """No: PEFT would read B·A for the update, which is f(B·A) here."""
        return False


class LoranModel(LoraModel):
    """LoRA whose update goes through f; merges and unmerges like LoRA."""

    uses_shared_state = True  # transformers' add_adapter would build plain LoRA layers

    def _create_and_replace(  # type: ignore[override]
        self,
        lora_config: LoranConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        **kwargs: Any,
    ) -> None:
        super()._create_and_replace(
            lora_config, adapter_name, target, target_name, parent, current_key, **kwargs
        )
        layer = getattr(parent, target_name)
        check_served(layer, current_key, "LoRAN")
        layer.lora_variant[adapter_name] = LoranVariant(lora_config)

    def add_weighted_adapter(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise LasError: f of a sum is not the sum of f."""
        raise LasError(
            "LoRAN adapters cannot be added up: f is not linear",
            mend="merge the one you need with merge_and_unload",
        )


register(OvbenchPeftType.LORAN, LoranConfig, LoranModel)
