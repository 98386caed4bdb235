"""The LoRA-LAS tuner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, cast

import torch
from peft import PeftConfig
from peft.tuners.lora import LoraModel
from peft.tuners.lora.layer import Linear as LoraLinear
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn

from .config import LasConfig
from .errors import LasError
from .peft_types import OvbenchPeftType, register
from .projection import SharedDown
from .state import LasState, Snapshot, carry_context_through_checkpointing
from .variant import NOT_MERGEABLE, LasVariant, refuse_merge

# Layers whose forward pass asks `lora_variant`; the others would run plain LoRA without a word.
_SERVED = ("Linear4bit", "Linear8bitLt", "GPTQLoraLinear", "HqqLoraLinear")


def check_served(layer: object, name: str, method: str) -> None:
    """Raise LasError unless `layer` is a LoRA layer that runs variants on a linear map."""
    linear = isinstance(layer, LoraLinear) and type(layer).forward is LoraLinear.forward
    if not (linear or type(layer).__name__ in _SERVED):
        raise LasError(
            f"{method} adapts linear layers only, not {type(layer).__name__}",
            where=name,
            mend="name only linear layers in target_modules",
        )


class LasModel(LoraModel):
    """LoRA with the label-conditioned term; the context is passed to `forward` and `generate`.

    ``label_context``: float tensor (batch, label_dim), one row per sequence. `generate` expands
    it for beams and returned sequences and computes s once per call.

    Works under gradient checkpointing turned on through the PeftModel (or before it was built),
    torch.compile, DDP and FSDP2. Wrappers that shard single leaf modules (FSDP1 with PEFT's wrap
    policy, ZeRO-3) are not served, for the branch reads the weights of A and B themselves.
    """

    uses_shared_state = True  # transformers' add_adapter and inject_adapter_in_model refuse

    def inject_adapter(
        self,
        model: nn.Module,
        adapter_name: str,
        autocast_adapter_dtype: bool = True,
        low_cpu_mem_usage: bool = False,
        state_dict: dict[str, Tensor] | None = None,
    ) -> None:
        """Add the adapter's layers, and its shared projection where its kind has one."""
        if "lora_las_context" not in self._modules:
            self.lora_las_context = nn.ModuleDict()
            self.las_state = LasState()
        config = self.peft_config[adapter_name]
        if not isinstance(config, LasConfig):
            raise LasError(
                f"a {type(config).__name__} cannot join a LoRA-LAS model",
                mend="pass a LasConfig (amplitude=0 is plain LoRA)",
            )
        trainable = {name: p.requires_grad for name, p in self.lora_las_context.named_parameters()}
        super().inject_adapter(
            model, adapter_name, autocast_adapter_dtype, low_cpu_mem_usage, state_dict
        )
        if config.projection == "shared_down":
            device = torch.device("meta") if low_cpu_mem_usage else self._first_device(adapter_name)
            self.lora_las_context[adapter_name] = SharedDown(config, adapter_name, device)
        self._sync_shared(config.inference_mode)
        for name, parameter in self.lora_las_context.named_parameters():
            parameter.requires_grad_(trainable.get(name, parameter.requires_grad))

    def _first_device(self, adapter: str) -> torch.device:
        for module in self.model.modules():
            if isinstance(module, LoraLayer) and adapter in module.lora_A:
                return next(module.lora_A[adapter].parameters()).device
        return torch.device("cpu")

    def _create_and_replace(  # type: ignore[override]
        self,
        lora_config: LasConfig,
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
        check_served(layer, current_key, "LoRA-LAS")
        layer.cast_input_dtype_enabled = False  # the branch casts, and saves h as it came
        variant = LasVariant(lora_config, self.las_state, current_key)
        variant.init(layer, adapter_name)
        layer.lora_variant[adapter_name] = variant
        if lora_config.control is not None:
            names = dict(layer.frozen_peft_weight_names)
            names[adapter_name] = ("lora_las_proj",)
            layer.frozen_peft_weight_names = names
        layer.set_adapter(layer.active_adapters, inference_mode=lora_config.inference_mode)
        if adapter_name not in self.active_adapters:
            layer.lora_las_proj[adapter_name].requires_grad_(False)

    def _post_injection_hook(self, model: nn.Module, config: PeftConfig, adapter_name: str) -> None:
        super()._post_injection_hook(model, config, adapter_name)
        carry_context_through_checkpointing(self.model, self.las_state)

    # --- running ---------------------------------------------------------------------------

    def forward(self, *args: Any, label_context: Tensor | None = None, **kwargs: Any) -> Any:
        """The base model's forward pass with the adapters under `label_context`."""
        snapshot = self._snapshot(label_context, args, kwargs, expand=1)
        if snapshot is None:
            return self.model(*args, **kwargs)
        with self.las_state.using(snapshot):
            return self.model(*args, **kwargs)

    def generate(self, *args: Any, label_context: Tensor | None = None, **kwargs: Any) -> Any:
        """The base model's `generate`; `label_context` has one row per prompt."""
        given = args[1] if len(args) > 1 else kwargs.get("generation_config")
        defaults = given if given is not None else getattr(self.model, "generation_config", None)

        def option(name: str) -> int:
            value = kwargs.get(name)
            return value or getattr(defaults, name, None) or 1

        expand = max(option("num_beams"), option("num_return_sequences"))
        with torch.no_grad():
            snapshot = self._snapshot(label_context, args, kwargs, expand=expand)
        if snapshot is None:
            return self.model.generate(*args, **kwargs)
        snapshot.omega_s = {}
        with self.las_state.using(snapshot):
            return self.model.generate(*args, **kwargs)

    def _snapshot(
        self, context: Tensor | None, args: Sequence[Any], kwargs: dict[str, Any], expand: int
    ) -> Snapshot | None:
        """The projections' inputs for the active adapters; None where no context was given."""
        inputs: dict[str, Tensor] = {}
        for name in self.active_adapters:
            config = self._config(name)
            given = context
            if given is None:
                if config.missing_context == "error":
                    return None
                given = torch.zeros(_batch_rows(args, kwargs), config.label_dim)
            check_context(given, config.label_dim, name)
            inputs[name] = self._project(name, given.repeat_interleave(expand, dim=0))
        return Snapshot(inputs)

    def _config(self, adapter: str) -> LasConfig:
        return cast("LasConfig", self.peft_config[adapter])

    def _project(self, adapter: str, context: Tensor) -> Tensor:
        """What the layers' projections take: c, or the shared projection of c."""
        if adapter in self.lora_las_context:
            return cast("Tensor", self.lora_las_context[adapter](context))
        return context

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        if kwargs.get("adapter_names") is not None:
            raise LasError(
                "LoRA-LAS does not run several adapters in one batch (adapter_names)",
                mend="split the batch and call set_adapter before each part",
            )
        yield

    # --- gradient checkpointing -------------------------------------------------------------

    def gradient_checkpointing_enable(
        self, gradient_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Turn checkpointing on so that the recomputation sees the context of its forward pass."""
        self.activation_checkpointing_enable(gradient_checkpointing_kwargs, **kwargs)

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """As `gradient_checkpointing_enable`, under the name of transformers 5."""
        options = {"use_reentrant": False, **(activation_checkpointing_kwargs or {})}
        enable = getattr(self.model, "activation_checkpointing_enable", None)
        enable = enable or self.model.gradient_checkpointing_enable
        if options["use_reentrant"]:
            raise LasError(
                "reentrant gradient checkpointing does not carry the label context's gradient",
                mend="pass gradient_checkpointing_kwargs={'use_reentrant': False}",
            )
        enable(options, **kwargs)
        carry_context_through_checkpointing(self.model, self.las_state)

    # --- several adapters -------------------------------------------------------------------

    def _sync_shared(self, inference_mode: bool = False) -> None:
        for name, module in self.lora_las_context.items():
            frozen = inference_mode or self._config(name).control is not None
            module.requires_grad_(name in self.active_adapters and not frozen)

    def set_adapter(self, adapter_name: str | list[str], inference_mode: bool = False) -> None:
        """Make the adapter the active, trainable one (frozen with `inference_mode`)."""
        super().set_adapter(adapter_name, inference_mode)
        self._sync_shared(inference_mode)

    def set_requires_grad(
        self, adapter_names: str | Sequence[str], requires_grad: bool = True
    ) -> None:
        """Freeze or free the adapters' parameters, the shared projection among them."""
        super().set_requires_grad(adapter_names, requires_grad)
        names = [adapter_names] if isinstance(adapter_names, str) else adapter_names
        for name in names:
            if name in self.lora_las_context:
                free = requires_grad and self._config(name).control is None
                self.lora_las_context[name].requires_grad_(free)

    def _enable_adapter_layers(self, enabled: bool = True) -> None:
        super()._enable_adapter_layers(enabled)
        if enabled:
            self._sync_shared()
        else:
            self.lora_las_context.requires_grad_(False)

    def delete_adapter(self, adapter_name: str) -> None:
        """Remove the adapter from every layer, and its shared projection."""
        super().delete_adapter(adapter_name)
        if adapter_name in self.lora_las_context:
            del self.lora_las_context[adapter_name]
        self._sync_shared()

    # --- refusals ---------------------------------------------------------------------------

    def _check_merge_allowed(self) -> NoReturn:
        refuse_merge()

    def unmerge_adapter(self) -> NoReturn:
        """Raise LasError: nothing can have been merged."""
        refuse_merge()

    def add_weighted_adapter(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise LasError: weighted sums of nonlinear branches are no branch."""
        raise LasError(
            "LoRA-LAS adapters cannot be added up: f is not linear",
            mend="switch between them with set_adapter",
        )

    def subtract_mutated_init(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise LasError."""
        raise LasError(
            f"{NOT_MERGEABLE}, hence not converted to LoRA either",
            mend="save without path_initial_model_for_weight_conversion",
        )


def _batch_rows(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """Number of sequences in a call of the base model."""
    candidates = [kwargs.get(name) for name in ("input_ids", "inputs", "inputs_embeds")]
    for value in (*candidates, *args[:1]):
        if isinstance(value, Tensor):
            return value.shape[0]
    raise LasError(
        "the call has neither input_ids nor inputs_embeds, so the number of rows is unknown",
        mend="pass label_context",
    )


def check_context(context: object, label_dim: int, adapter: str) -> None:
    """Raise LasError unless `context` is a float tensor (rows, label_dim)."""
    if not isinstance(context, Tensor):
        raise LasError(
            f"label_context is a {type(context).__name__}",
            expected="a float tensor (batch, label_dim)",
            mend="wrap it in torch.as_tensor(…, dtype=torch.float32)",
        )
    if not context.is_floating_point():
        raise LasError(
            f"label_context has dtype {context.dtype}",
            expected="a float tensor (batch, label_dim)",
            mend="pass embeddings, not label ids",
        )
    if context.dim() != 2 or context.shape[1] != label_dim:
        raise LasError(
            f"label_context has shape {tuple(context.shape)}",
            where=f"adapter {adapter!r}",
            expected=f"(batch, {label_dim})",
            mend="use the encoder that the adapter was trained with, or set label_dim to yours",
        )


register(OvbenchPeftType.LORA_LAS, LasConfig, LasModel)
