"""What LoRA-LAS adds to one LoRA layer."""

from __future__ import annotations

import math
import zlib
from typing import Any, NoReturn

import torch
from peft.tuners.lora.layer import LoraVariant
from torch import Tensor

from .config import LasConfig
from .elementwise import Constants
from .errors import LasError
from .function import las_branch, las_forward
from .kernels import kernels_for
from .precision import outside_autocast
from .projection import layer_projection
from .state import LasState

Layer = Any
"""A LoraLayer that is a torch module too; PEFT has no type for it."""

NOT_MERGEABLE = "a LoRA-LAS adapter depends on each sample's context and cannot be folded into W"


def refuse_merge() -> NoReturn:
    """Raise: the branch is no linear map of h."""
    raise LasError(NOT_MERGEABLE, mend="run it unmerged, or train plain LoRA or LoRAN to merge")


class LasVariant(LoraVariant):
    """Runs the branch of one adapter in one module; hung into the layer's `lora_variant`.

    PEFT declares the methods static but calls them on the instance, so instance methods serve.
    """

    def __init__(self, config: LasConfig, state: LasState, name: str) -> None:
        self.config, self.state, self.name = config, state, name
        self._phases: dict[tuple[int, torch.device], Tensor] = {}

    def init(self, module: Layer, adapter_name: str) -> None:  # type: ignore[override]
        """Give `module` its context projection."""
        if not hasattr(module, "lora_las_proj"):
            module.lora_las_proj = torch.nn.ModuleDict()
            module.adapter_layer_names = (*module.adapter_layer_names, "lora_las_proj")
        weight = module.get_base_layer().weight
        module.lora_las_proj[adapter_name] = layer_projection(
            self.config, module.r[adapter_name], module.out_features, self.name, weight.device
        )

    def forward(  # type: ignore[override]
        self, module: Layer, active_adapter: str, x: Tensor, result: Tensor, **_: Any
    ) -> Tensor:
        """`result` + scaling·f(B·A·dropout(x)), in the dtype of `result`.

        x (rows, …, in) and result (rows, …, out), one row per row of the label context.
        """
        if x.dim() != 3:
            flat = (tensor.reshape(x.shape[0], -1, tensor.shape[-1]) for tensor in (x, result))
            return self.forward(module, active_adapter, *flat).view(result.shape)
        weight_a: Tensor = module.lora_A[active_adapter].weight
        weight_b: Tensor = module.lora_B[active_adapter].weight
        config = self.config
        constants = Constants(
            config.amplitude,
            config.omega,
            config.negative_slope,
            module.scaling[active_adapter],
        )
        phase = self._phase(module, x.device) if config.control == "random_phase" else None
        kernels = kernels_for(config.backend, x.device)
        with outside_autocast(x.device):
            dropout = module.lora_dropout[active_adapter]
            if module.training and isinstance(dropout, torch.nn.Dropout):
                x = dropout(x.to(torch.promote_types(weight_a.dtype, torch.float32)))
            if torch.is_grad_enabled():
                logits = self._logits(module, active_adapter, x, weight_b)
                return las_branch(result, x, weight_a, weight_b, logits, phase, constants, kernels)
            omega_s = self._omega_s(module, active_adapter, x, weight_b)
            return las_forward(result, x, weight_a, weight_b, omega_s, phase, constants, kernels)[0]

    def _logits(self, module: Layer, adapter: str, x: Tensor, weight_b: Tensor) -> Tensor:
        """The logits of s (rows or 1, 1, out or 1); 0, that is s = 1/2, in the controls."""
        if self.config.control is not None:
            dtype = torch.promote_types(weight_b.dtype, torch.float32)
            return torch.zeros((1, 1, 1), dtype=dtype, device=x.device)
        snapshot = self.state.current
        inputs = None if snapshot is None else snapshot.inputs.get(adapter)
        if inputs is None:
            raise LasError(
                f"no label context reached the LoRA-LAS adapter {adapter!r}",
                where=self.name,
                mend="pass label_context=… to forward or generate of the PeftModel, and turn "
                "gradient checkpointing on through the PeftModel too; a Trainer needs "
                "remove_unused_columns=False",
            )
        self._check_rows(inputs, x)
        logits: Tensor = module.lora_las_proj[adapter](inputs, weight_b)
        return logits.unsqueeze(1)

    def _omega_s(self, module: Layer, adapter: str, x: Tensor, weight_b: Tensor) -> Tensor:
        """The rate ω·s, of the shape of the logits; kept for the whole of a `generate` call."""
        snapshot = self.state.current
        kept = None if snapshot is None else snapshot.omega_s
        if kept is not None and self in kept:
            self._check_rows(kept[self], x)
            return kept[self]
        logits = self._logits(module, adapter, x, weight_b)
        omega_s = torch.sigmoid(logits).mul_(self.config.omega)
        if kept is not None and self.config.control is None:
            kept[self] = omega_s
        return omega_s

    def _check_rows(self, context: Tensor, x: Tensor) -> None:
        if context.shape[0] != x.shape[0]:
            raise LasError(
                f"label_context has {context.shape[0]} rows and the batch {x.shape[0]}",
                where=self.name,
                mend="pass one context vector per sequence of the batch; packed or flattened "
                "batches are not supported",
            )

    def _phase(self, module: Layer, device: torch.device) -> Tensor:
        """Phases (out,), uniform in [0, 2π), fixed by the control seed and the module's name."""
        key = (self.config.control_seed, device)
        if key not in self._phases:
            seed = zlib.crc32(f"{self.config.control_seed} {self.name}".encode())
            generator = torch.Generator().manual_seed(seed)
            phases = torch.rand(module.out_features, generator=generator)
            self._phases[key] = (phases * (2 * math.pi)).to(device)
        return self._phases[key]

    def supports_lora_conversion(self) -> bool:
        """Never: f is no linear map."""
        return False

    def merge_safe(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        """Raise LasError."""
        refuse_merge()

    def merge_unsafe(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        """Raise LasError."""
        refuse_merge()

    def unmerge(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        """Raise LasError."""
        refuse_merge()
