"""Parameter counts of an adapted model, the context projections apart."""

from __future__ import annotations

from dataclasses import dataclass

from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from peft.utils import AuxiliaryTrainingWrapper
from torch import nn

CONTEXT_NAMES = ("lora_las_proj", "lora_las_context")


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Numbers of parameters; frozen ones count too."""

    adapter: int
    """The low-rank factors, and modules trained beside them."""

    context: int
    """The projections from the label context to s."""

    base: int
    """The model that is adapted; tied weights count once, 4-bit weights as what they encode."""

    @property
    def trainable(self) -> int:
        """Adapter and context together."""
        return self.adapter + self.context


def _size(parameter: nn.Parameter) -> int:
    """Number of weights; bitsandbytes packs two 4-bit ones into a byte."""
    if type(parameter).__name__ == "Params4bit":
        return 2 * parameter.numel() * parameter.element_size()
    return parameter.numel()


def context_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of the context projections, for an optimiser group of their own.

    Empty for methods without a context. Parameters come in the order of `named_parameters`.
    """
    return [
        parameter
        for name, parameter in model.named_parameters()
        if any(part in CONTEXT_NAMES for part in name.split("."))
    ]


def parameter_counts(model: nn.Module) -> ParameterCounts:
    """Count the parameters of a model adapted by any PEFT method; works on the meta device."""
    context = {id(parameter) for parameter in context_parameters(model)}
    added: set[int] = set()
    for module in model.modules():
        if isinstance(module, BaseTunerLayer | BaseTuner | AuxiliaryTrainingWrapper):
            for name, child in module.named_children():
                if name not in ("base_layer", "model", "original_module"):
                    added |= {id(parameter) for parameter in child.parameters()}
            added |= {id(parameter) for parameter in module.parameters(recurse=False)}
    counts = {"adapter": 0, "context": 0, "base": 0}
    for parameter in model.parameters():
        kind = "base"
        if id(parameter) in added:
            kind = "context" if id(parameter) in context else "adapter"
        counts[kind] += _size(parameter)
    return ParameterCounts(**counts)
