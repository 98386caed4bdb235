"""Gradient checkpointing, compilation, quantised bases, Trainer and several processes."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from las_models import adapted, base_model, batch, gradients, las_config
from peft import PeftModel, get_peft_model
from torch import Tensor
from torch._dynamo.utils import counters

from ovbench.lora_las import LasError, parameter_counts

# transformers says once that checkpointing switches the cache off
pytestmark = pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable. is deprecated")


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert expected
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], grad) for name, grad in expected.items())


# --- gradient checkpointing -----------------------------------------------------------------


@pytest.fixture
def plain() -> PeftModel:
    """In training mode, without checkpointing."""
    return adapted(las_config()).train()


@pytest.fixture(params=["enable", "activation", "before wrapping"])
def checkpointed(request: pytest.FixtureRequest) -> PeftModel:
    """The same model with checkpointing turned on in each of the ways there are."""
    if request.param == "before wrapping":
        base = base_model()
        base.activation_checkpointing_enable()
        from las_models import stir

        model = get_peft_model(base, las_config())
        stir(model)
        return model.train()
    model = adapted(las_config()).train()
    if request.param == "enable":
        model.gradient_checkpointing_enable()
    else:
        model.activation_checkpointing_enable({"preserve_rng_state": False})
    return model


def test_checkpointing_changes_no_gradient(plain: PeftModel, checkpointed: PeftModel) -> None:
    layers = checkpointed.base_model.model.model.layers
    assert all(layer.gradient_checkpointing for layer in layers)
    assert_same(gradients(checkpointed, batch()), gradients(plain, batch()))


def interleaved(model: PeftModel) -> dict[str, Tensor]:
    """Two forward passes under different contexts, and one without gradients, before backward."""
    model.zero_grad()
    first, second = batch(seed=1), batch(rows=2, seed=2)
    loss = model(**first, labels=first["input_ids"]).loss
    loss = loss + 2 * model(**second, labels=second["input_ids"]).loss
    with torch.no_grad():
        model(**batch(rows=5, seed=3))
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_every_recomputation_has_the_context_of_its_forward(
    plain: PeftModel, checkpointed: PeftModel
) -> None:
    assert_same(interleaved(checkpointed), interleaved(plain))
    assert checkpointed.base_model.las_state.current is None


def test_reentrant_checkpointing_is_refused() -> None:
    model = adapted(las_config())
    with pytest.raises(LasError, match="use_reentrant"):
        model.gradient_checkpointing_enable({"use_reentrant": True})
    base = base_model()
    base.activation_checkpointing_enable({"use_reentrant": True})
    with pytest.raises(LasError, match="use_reentrant"):
        get_peft_model(base, las_config())


def test_checkpointing_behind_the_tuners_back_is_loud(plain: PeftModel) -> None:
    plain.get_base_model().activation_checkpointing_enable()
    with pytest.raises(LasError, match="through the PeftModel"):
        gradients(plain, batch())


def test_saved_activations_are_those_of_lora() -> None:
    def saved(model: PeftModel, inputs: dict[str, Tensor]) -> int:
        owned = {p.untyped_storage().data_ptr() for p in model.parameters()}
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in owned:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = model(**inputs, labels=inputs["input_ids"]).loss
        total = sum(sizes.values())
        del loss
        return total

    from las_models import COMMON
    from peft import LoraConfig

    inputs = batch(rows=4, length=64)
    las = saved(adapted(las_config()).train(), inputs)
    del inputs["label_context"]
    lora = saved(adapted(LoraConfig(**COMMON)).train(), inputs)
    outputs = 2 * (16 + 8 + 8 + 16 + 24 + 24 + 16)
    assert las - lora <= 4 * 4 * (outputs + 14 * 2 + 6) * 1.1  # s per sample, never per token


# --- compilation ----------------------------------------------------------------------------


@pytest.fixture
def dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.usefixtures("dynamo")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_model_is_one_graph_for_every_context(plain: PeftModel) -> None:
    compiled = torch.compile(plain, backend="aot_eager")
    for seed in (0, 1, 2):
        inputs = batch(seed=seed)
        expected, found = gradients(plain, inputs), {}
        plain.zero_grad()
        compiled(**inputs, labels=inputs["input_ids"]).loss.backward()
        found = {n: p.grad for n, p in plain.named_parameters() if p.grad is not None}
        assert set(found) == set(expected)
        for name, grad in expected.items():
            torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-5)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    plain.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            compiled(**inputs).logits, plain(**inputs).logits, rtol=1e-4, atol=1e-4
        )
    assert not counters["graph_break"]


@pytest.mark.slow
@pytest.mark.usefixtures("dynamo")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The .grad attribute")
def test_compiled_model_with_checkpointing(plain: PeftModel) -> None:
    inputs = batch()
    expected = gradients(plain, inputs)
    plain.gradient_checkpointing_enable()
    plain.zero_grad()
    compiled = torch.compile(plain, backend="aot_eager")
    compiled(**inputs, labels=inputs["input_ids"], use_cache=False).loss.backward()
    for name, parameter in plain.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-5)


# --- quantised bases ------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_base(bits: int) -> None:
    if importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    import bitsandbytes as bnb
    from las_models import TARGETS, stir

    base = base_model()
    for name, module in list(base.named_modules()):
        if name.rpartition(".")[2] in TARGETS:
            shape = (module.in_features, module.out_features)
            if bits == 4:
                quantised: Any = bnb.nn.Linear4bit(
                    *shape, bias=module.bias is not None, compute_dtype=torch.float32
                )
            else:
                quantised = bnb.nn.Linear8bitLt(
                    *shape, bias=module.bias is not None, has_fp16_weights=False
                )
            quantised.load_state_dict(module.state_dict())
            parent, _, child = name.rpartition(".")
            setattr(base.get_submodule(parent), child, quantised.to("cpu"))
    setattr(base, f"is_loaded_in_{bits}bit", True)
    model = get_peft_model(base, las_config())
    stir(model)
    layer = model.base_model.model.model.layers[0].mlp.up_proj
    assert type(layer).__name__ == {4: "Linear4bit", 8: "Linear8bitLt"}[bits]
    grads = gradients(model, batch())
    assert {n for n, p in model.named_parameters() if p.requires_grad} == set(grads)
    assert layer.base_layer.weight.dtype in (torch.uint8, torch.int8)
    assert parameter_counts(model) == parameter_counts(adapted(las_config()))
    inputs = batch()
    swapped = {**inputs, "label_context": inputs["label_context"].flip(0)}
    with torch.no_grad():
        assert not torch.equal(model(**inputs).logits, model(**swapped).logits)
    with pytest.raises(LasError, match="cannot be folded"):
        model.merge_and_unload()


# --- Trainer --------------------------------------------------------------------------------


class Rows(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Six training rows as Trainer wants them."""

    def __init__(self) -> None:
        inputs = batch(rows=6)
        self.rows = [
            {"labels": inputs["input_ids"][i], **{k: v[i] for k, v in inputs.items()}}
            for i in range(6)
        ]

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.rows[index]


@pytest.mark.slow
def test_trainer(plain: PeftModel, tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    options = {"per_device_train_batch_size": 3, "num_train_epochs": 2, "report_to": []}
    options |= {"save_strategy": "no", "use_cpu": True}
    with pytest.raises(LasError, match="remove_unused_columns=False"):
        Trainer(plain, TrainingArguments(str(tmp_path), **options), train_dataset=Rows()).train()
    arguments = TrainingArguments(str(tmp_path), remove_unused_columns=False, **options)
    before = {name: p.clone() for name, p in plain.named_parameters()}
    Trainer(plain, arguments, train_dataset=Rows()).train()
    moved = {name for name, p in plain.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name, p in plain.named_parameters() if p.requires_grad}


# --- several processes ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_processes_have_the_gradients_of_one(strategy: str) -> None:
    script = Path(__file__).with_name("las_two_processes.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={port}", str(script), strategy]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("same gradients") == 2
